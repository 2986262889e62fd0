//! What an operator may set of the identity service.

use std::path::PathBuf;

/// The id and the name of the first domain; clients count on both.
pub const DEFAULT_DOMAIN: (&str, &str) = ("default", "Default");

/// Settings of the identity service; the names in brackets are Keystone's.
#[derive(Debug, Clone)]
pub struct Settings {
    /// URL of its database, which the caller opens; `None` for one of the caller's choice.
    pub connection: Option<String>,
    /// Life of a token in seconds (`[token] expiration`).
    pub token_expiration: i64,
    /// How long after its end a token is still validated for a service that asks with its own
    /// token and `allow_expired`, in seconds (`[token] allow_expired_window`).
    pub allow_expired_window: i64,
    /// Whether a scoped token may be exchanged for one of another scope (`[token] allow_rescope_scoped_token`).
    pub allow_rescope_scoped_token: bool,
    /// How long this process may remember that a token was good, in seconds, when *another* process
    /// changes what the token depends on. Changes made here take effect at once.
    pub token_cache_seconds: u64,
    /// Tokens remembered at most; each costs about 2 KiB.
    pub token_cache_size: u64,
    /// Folder of the keys of tokens (`[fernet_tokens] key_repository`).
    pub fernet_keys: PathBuf,
    /// Folder of the keys that encrypt stored credentials (`[credential] key_repository`).
    pub credential_keys: PathBuf,
    /// How many keys of tokens there are, and for how long (`[fernet_tokens]`).
    pub keys: FernetKeys,
    /// Cost of a password hash: 2^rounds (`[identity] password_hash_rounds`); at least 4, Keystone's default 12.
    pub password_hash_rounds: u32,
    /// The methods by which one may log in, of those in [`METHODS`](crate::payload::METHODS) (`[auth] methods`).
    pub methods: Vec<String>,
    /// Longest accepted password in characters (`[identity] max_password_length`).
    pub max_password_length: usize,
    /// How many password checks may wait.
    pub password_queue: QueueLimits,
    /// Rules about passwords and accounts (`[security_compliance]`).
    pub compliance: Compliance,
    /// Deepest nesting of projects, the domain not counted (`max_project_tree_depth`).
    pub max_project_tree_depth: usize,
    /// The address that a 401 names in `WWW-Authenticate`.
    pub public_url: String,
    /// A file of rules that replace defaults, `policy.yaml` or `.json` (`[oslo_policy] policy_file`).
    pub policy_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        settings::defaults()
    }
}

/// Keys of tokens, by their names in Keystone's `[fernet_tokens]`.
#[derive(Debug, Clone)]
pub struct FernetKeys {
    /// Keys kept per folder, the staged one included; more while a token of an older one may live.
    pub max_active_keys: usize,
    /// Seconds after which a new key makes tokens; 0 leaves rotation to the operator.
    pub rotation_interval: u64,
}

/// How many password checks may wait for their turn. With two processors and hashes of the default cost, a full line of
/// the default length of one user takes four seconds, of one address a quarter of a minute, and all of it two minutes.
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// For one user from one address.
    pub per_user: usize,
    /// From one address.
    pub per_address: usize,
    /// In all.
    pub total: usize,
}

/// Rules about passwords and accounts, by their names in Keystone's `[security_compliance]`. What is
/// `None` or 0 is not asked.
#[derive(Debug, Clone)]
pub struct Compliance {
    /// Failed attempts before an account is locked.
    pub lockout_failure_attempts: Option<i64>,
    /// Seconds for which a locked account stays locked.
    pub lockout_duration: i64,
    /// Days without a login after which an account is disabled.
    pub disable_user_account_days_inactive: Option<i64>,
    /// Whether a password that an administrator gave must be changed before it is of use.
    pub change_password_upon_first_use: bool,
    /// Days until a new password expires.
    pub password_expires_days: Option<i64>,
    /// Days for which a user must keep a password that they chose.
    pub minimum_password_age: i64,
    /// So many passwords of a user, the new one included, must differ.
    pub unique_last_password_count: u32,
    /// What a new password must match, from its beginning.
    pub password_regex: Option<String>,
    /// The same in words, for users.
    pub password_regex_description: Option<String>,
}

impl Default for Compliance {
    fn default() -> Self {
        settings::defaults()
    }
}
