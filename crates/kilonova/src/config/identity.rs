//! The sections about the embedded identity service. Names and defaults are Keystone's where Keystone
//! has them.

use std::path::PathBuf;

use identity::{Compliance, QueueLimits};
use settings::{Opt, Reader, Section};

use super::policy;

/// `[identity]`.
#[derive(Debug, Clone)]
pub struct IdentitySection {
    pub connection: Option<String>,
    pub token_expiration: i64,
    pub password_hash_rounds: u32,
    pub password_queue: QueueLimits,
    pub policy_file: Option<PathBuf>,
}

impl Section for IdentitySection {
    const NAME: &'static str = "identity";
    const ABOUT: &'static str = "The embedded identity service.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::secret(
                "connection",
                "",
                "Its database; a file of the state folder when empty.",
            ),
            Opt::integer("token_expiration", "3600", "Life of a token in seconds.")
                .range(60, 31_536_000)
                .formerly(&["token/expiration"]),
            Opt::integer(
                "password_hash_rounds",
                "12",
                "Cost of a password hash: 2^rounds.",
            )
            .range(4, 31),
            Opt::integer(
                "password_queue_per_user",
                "32",
                "Password checks that may wait for one user from one address; more are answered 429.",
            )
            .range(1, 100_000),
            Opt::integer(
                "password_queue_per_address",
                "128",
                "Password checks that may wait from one address; more are answered 429.",
            )
            .range(1, 100_000),
            Opt::integer(
                "password_queue",
                "1024",
                "Password checks that may wait in all; more are answered 503. As many run at once as \
                 the machine has processors, one address after the other.",
            )
            .range(1, 100_000),
            policy::OPTION,
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let limits = QueueLimits {
            per_user: from.integer("password_queue_per_user"),
            per_address: from.integer("password_queue_per_address"),
            total: from.integer("password_queue"),
        };
        if limits.per_user > limits.per_address {
            from.refuse(
                "password_queue_per_user",
                "more than password_queue_per_address",
            );
        }
        if limits.per_address > limits.total {
            from.refuse("password_queue_per_address", "more than password_queue");
        }
        IdentitySection {
            connection: from.optional("connection"),
            token_expiration: from.integer("token_expiration"),
            password_hash_rounds: from.integer("password_hash_rounds"),
            password_queue: limits,
            policy_file: policy::file(from),
        }
    }
}

/// `[security_compliance]`.
#[derive(Debug, Clone)]
pub struct ComplianceSection(pub Compliance);

impl Section for ComplianceSection {
    const NAME: &'static str = "security_compliance";
    const ABOUT: &'static str = "What is asked of passwords and accounts. The options of a user exempt \
        single ones (`ignore_lockout_failure_attempts`, `ignore_password_expiry`, \
        `ignore_change_password_upon_first_use`, `ignore_user_inactivity`, `lock_password`); the users \
        of services are exempt.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::integer(
                "lockout_failure_attempts",
                "",
                "Failed logins before an account is locked; never when empty.",
            )
            .range(1, 1_000_000),
            Opt::integer(
                "lockout_duration",
                "1800",
                "Seconds for which a locked account stays locked.",
            )
            .range(1, 31_536_000),
            Opt::integer(
                "disable_user_account_days_inactive",
                "",
                "Days without a login after which an account counts as disabled; never when empty.",
            )
            .range(1, 36_500),
            Opt::boolean(
                "change_password_upon_first_use",
                "false",
                "Whether a password that an administrator gave must be changed before it is of use.",
            ),
            Opt::integer(
                "password_expires_days",
                "",
                "Days until a new password expires; never when empty.",
            )
            .range(1, 36_500),
            Opt::integer(
                "minimum_password_age",
                "0",
                "Days for which a user must keep a password that they chose.",
            )
            .range(0, 36_500),
            Opt::integer(
                "unique_last_password_count",
                "0",
                "So many passwords of a user, the new one included, must differ; each earlier one costs a \
                 hash at every change.",
            )
            .range(0, 32),
            Opt::text(
                "password_regex",
                "",
                "What a new password must match, from its beginning; no rule when empty.",
            ),
            Opt::text(
                "password_regex_description",
                "",
                "The same in words: the answer to who breaks the rule.",
            ),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let compliance = Compliance {
            lockout_failure_attempts: from.optional_integer("lockout_failure_attempts"),
            lockout_duration: from.integer("lockout_duration"),
            disable_user_account_days_inactive: from
                .optional_integer("disable_user_account_days_inactive"),
            change_password_upon_first_use: from.boolean("change_password_upon_first_use"),
            password_expires_days: from.optional_integer("password_expires_days"),
            minimum_password_age: from.integer("minimum_password_age"),
            unique_last_password_count: from.integer("unique_last_password_count"),
            password_regex: from.optional("password_regex"),
            password_regex_description: from.optional("password_regex_description"),
        };
        if let Err(why) = compliance.check() {
            let option = match why.to_string().contains("password_regex") {
                true => "password_regex",
                false => "minimum_password_age",
            };
            from.refuse(option, why.to_string());
        }
        ComplianceSection(compliance)
    }
}

/// `[fernet_tokens]`.
#[derive(Debug, Clone)]
pub struct FernetSection {
    pub max_active_keys: usize,
    pub rotation_interval: u64,
}

impl Section for FernetSection {
    const NAME: &'static str = "fernet_tokens";
    const ABOUT: &'static str = "The keys of tokens, in `keys/fernet` of the state folder. `kilonova keys \
        rotate` gives them a new one at once.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            Opt::integer(
                "max_active_keys",
                "3",
                "Keys that are kept, the staged one included; more while tokens of an older one may \
                 live.",
            )
            .range(2, 1000),
            Opt::integer(
                "rotation_interval",
                "604800",
                "Seconds after which a new key makes tokens; 0 leaves that to the command.",
            )
            .range(0, 3_153_600_000),
        ];
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        FernetSection {
            max_active_keys: from.integer("max_active_keys"),
            rotation_interval: from.integer("rotation_interval"),
        }
    }
}
