//! What an operator may set of the identity service.

use std::path::PathBuf;

/// Settings of the identity service; the names in brackets are Keystone's.
#[derive(Debug, Clone)]
pub struct Settings {
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
    /// Keys kept at most per folder, the staged one included (`[fernet_tokens] max_active_keys`).
    pub max_active_keys: usize,
    /// Cost of a password hash: 2^rounds (`[identity] password_hash_rounds`); at least 4, Keystone's default 12.
    pub password_hash_rounds: u32,
    /// Longest accepted password in characters (`[identity] max_password_length`).
    pub max_password_length: usize,
    /// Failed attempts before an account is locked; `None` never locks (`[security_compliance] lockout_failure_attempts`).
    pub lockout_failure_attempts: Option<i64>,
    /// Seconds for which a locked account stays locked (`[security_compliance] lockout_duration`).
    pub lockout_duration: i64,
    /// Days until a new password expires; `None` never (`[security_compliance] password_expires_days`).
    pub password_expires_days: Option<i64>,
    /// Deepest nesting of projects, the domain not counted (`max_project_tree_depth`).
    pub max_project_tree_depth: usize,
    /// The address that a 401 names in `WWW-Authenticate`.
    pub public_url: String,
    /// A file of rules that replace defaults, `policy.yaml` or `.json` (`[oslo_policy] policy_file`).
    pub policy_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            token_expiration: 3600,
            allow_expired_window: 172_800,
            allow_rescope_scoped_token: true,
            token_cache_seconds: 10,
            token_cache_size: 10_000,
            fernet_keys: PathBuf::from("keys/fernet"),
            credential_keys: PathBuf::from("keys/credential"),
            max_active_keys: 3,
            password_hash_rounds: 12,
            max_password_length: 4096,
            lockout_failure_attempts: None,
            lockout_duration: 1800,
            password_expires_days: None,
            max_project_tree_depth: 5,
            public_url: "http://127.0.0.1:8774/identity".to_owned(),
            policy_file: None,
        }
    }
}
