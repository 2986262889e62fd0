//! The sections of the identity service, as operators write them. Names and defaults are Keystone's where Keystone
//! has them.

use std::path::PathBuf;

use settings::{Opt, Problems, Reader, Section, SectionInfo, common};

use crate::payload::METHODS;
use crate::settings::{Compliance, FernetKeys, QueueLimits, Settings};

/// All of them.
pub fn sections() -> Vec<SectionInfo> {
    vec![
        settings::section::<Settings>(),
        settings::section::<Compliance>(),
        settings::section::<FernetKeys>(),
    ]
}

/// Reads all of them.
///
/// # Errors
/// All values that do not parse.
pub fn read(from: &settings::Settings) -> Result<Settings, Problems> {
    match (from.read::<Settings>(), from.read(), from.read()) {
        (Ok(read), Ok(compliance), Ok(keys)) => Ok(Settings {
            compliance,
            keys,
            ..read
        }),
        (read, compliance, keys) => {
            let problems = [read.err(), compliance.err(), keys.err()];
            let problems = problems.into_iter().flatten().flat_map(|found| found.0);
            Err(Problems(problems.collect()))
        }
    }
}

impl Section for Settings {
    const NAME: &'static str = "identity";
    const ABOUT: &'static str = "The embedded identity service.";

    fn options() -> &'static [Opt] {
        const OPTIONS: &[Opt] = &[
            common::CONNECTION,
            Opt::integer("token_expiration", "3600", "Life of a token in seconds.")
                .range(60, 31_536_000)
                .formerly(&["token/expiration"]),
            Opt::list(
                "methods",
                "password,token,application_credential",
                "The methods by which one may log in; totp is there too. A passcode of six digits is guessed sooner \
                 than a password: with totp, give users rules that ask for both, and set lockout_failure_attempts.",
            )
            .formerly(&["auth/methods"]),
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
            common::POLICY_FILE,
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
        let methods = from.list("methods");
        let known = |name: &String| METHODS.iter().any(|(known, _)| known == name);
        if let Some(foreign) = methods.iter().find(|name| !known(name)) {
            from.refuse("methods", format!("there is no method '{foreign}'"));
        }
        Settings {
            connection: from.optional("connection"),
            token_expiration: from.integer("token_expiration"),
            allow_expired_window: 172_800,
            allow_rescope_scoped_token: true,
            token_cache_seconds: 10,
            token_cache_size: 10_000,
            fernet_keys: PathBuf::from("keys/fernet"),
            credential_keys: PathBuf::from("keys/credential"),
            keys: settings::defaults(),
            password_hash_rounds: from.integer("password_hash_rounds"),
            methods,
            max_password_length: 4096,
            password_queue: limits,
            compliance: settings::defaults(),
            max_project_tree_depth: 5,
            public_url: "http://127.0.0.1:8774/identity".to_owned(),
            policy_file: from.existing_file("policy_file"),
        }
    }
}

impl Section for Compliance {
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
        compliance
    }
}

impl Section for FernetKeys {
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
        FernetKeys {
            max_active_keys: from.integer("max_active_keys"),
            rotation_interval: from.integer("rotation_interval"),
        }
    }
}
