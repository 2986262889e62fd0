//! Rules about passwords and accounts: Keystone's `[security_compliance]`, and the options by which an
//! administrator exempts single users (`ignore_password_expiry` and the like).

use chrono::{DateTime, Duration, Utc};
use fancy_regex::{Regex, RegexBuilder};
use rest::accepted::Fate;
use serde::Deserialize;
use serde_json::Value;

use crate::IdentityError;
use crate::fault::Fault;
use crate::payload::METHODS;
use crate::record::Object;
use crate::settings::Compliance;
use crate::tables::users;

/// Steps that matching a password may take; the pattern is the operator's, the password is not.
const MATCH_STEPS: usize = 100_000;

/// The options of a user that this service knows (Keystone's `options` of a user).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Options {
    pub ignore_change_password_upon_first_use: Option<bool>,
    pub ignore_password_expiry: Option<bool>,
    pub ignore_lockout_failure_attempts: Option<bool>,
    pub ignore_user_inactivity: Option<bool>,
    pub lock_password: Option<bool>,
    pub multi_factor_auth_enabled: Option<bool>,
    pub multi_factor_auth_rules: Option<Vec<Vec<String>>>,
}

/// Options that are true or false.
const FLAGS: &[&str] = &[
    "ignore_change_password_upon_first_use",
    "ignore_lockout_failure_attempts",
    "ignore_password_expiry",
    "ignore_user_inactivity",
    "lock_password",
    "multi_factor_auth_enabled",
];

const RULES: &str = "multi_factor_auth_rules";

/// The options of a user, for documents.
pub const OPTIONS: &[(&str, Fate)] = &[
    (
        "options.ignore_change_password_upon_first_use",
        Fate::Honoured,
    ),
    ("options.ignore_lockout_failure_attempts", Fate::Honoured),
    ("options.ignore_password_expiry", Fate::Honoured),
    ("options.ignore_user_inactivity", Fate::Honoured),
    ("options.lock_password", Fate::Honoured),
    ("options.multi_factor_auth_enabled", Fate::Honoured),
    (
        "options.multi_factor_auth_rules",
        Fate::Within("rules of methods that are enabled; others are refused with 400"),
    ),
];

impl Options {
    /// The options of a user.
    pub fn of(row: &users::Model) -> Self {
        serde_json::from_str(&row.options).unwrap_or_default()
    }

    /// Whether these methods together are enough for a login. Rules that ask for a method which is
    /// not enabled cannot be set; one of a method that was disabled later is not fulfilled.
    pub fn satisfied_by(&self, methods: u8) -> bool {
        let rules = self.multi_factor_auth_rules.as_deref().unwrap_or_default();
        if rules.is_empty() || self.multi_factor_auth_enabled == Some(false) {
            return true;
        }
        let used = |name: &String| {
            METHODS
                .iter()
                .any(|(known, bit)| known == name && methods & bit != 0)
        };
        rules.iter().any(|rule| rule.iter().all(used))
    }
}

/// Puts the options of a body over those that a user has; null takes one away. Rules may ask for these methods.
///
/// # Errors
/// An option that nobody knows, or one with a value that is none.
pub fn merge_options(old: &str, body: &Object, methods: &[String]) -> Result<Object, Fault> {
    let mut options: Object = serde_json::from_str(old).unwrap_or_default();
    for (name, value) in body {
        let complaint = match (name.as_str(), value) {
            (RULES, Value::Null) => None,
            (RULES, value) => bad_rules(value, methods),
            (flag, Value::Bool(_) | Value::Null) if FLAGS.contains(&flag) => None,
            (flag, value) if FLAGS.contains(&flag) => {
                Some(format!("{value} is not of type 'boolean', 'null'"))
            }
            _ => {
                return Err(Fault::BadRequest(format!(
                    "Invalid input for field 'options': Additional properties are not allowed ('{name}' was \
                     unexpected)"
                )));
            }
        };
        if let Some(why) = complaint {
            return Err(Fault::BadRequest(format!(
                "Invalid input for field 'options/{name}': {why}"
            )));
        }
        match value {
            Value::Null => options.remove(name),
            value => options.insert(name.clone(), value.clone()),
        };
    }
    Ok(options)
}

fn bad_rules(value: &Value, methods: &[String]) -> Option<String> {
    let Ok(rules) = serde_json::from_value::<Vec<Vec<String>>>(value.clone()) else {
        return Some(format!("{value} is not a list of lists of strings"));
    };
    if rules.iter().any(Vec::is_empty) {
        return Some("[] should be non-empty".to_owned());
    }
    let foreign = rules
        .iter()
        .flatten()
        .find(|name| !methods.contains(name))?;
    Some(format!(
        "the authentication method '{foreign}' is not enabled"
    ))
}

impl Compliance {
    /// Whether the settings fit each other and the pattern is one.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self) -> Result<(), IdentityError> {
        Rules::new(self.clone()).map(|_| ())
    }
}

/// The rules, ready to be asked.
pub struct Rules {
    pub settings: Compliance,
    pattern: Option<Regex>,
}

impl Rules {
    /// Reads the pattern.
    ///
    /// # Errors
    /// It is no regular expression, or settings contradict each other.
    pub fn new(settings: Compliance) -> Result<Self, IdentityError> {
        let wrong = |why: String| Err(IdentityError::Settings(why));
        let age = settings.minimum_password_age;
        if settings
            .password_expires_days
            .is_some_and(|days| age >= days)
        {
            return wrong(format!(
                "minimum_password_age ({age} days) must be less than password_expires_days"
            ));
        }
        let compiled = settings.password_regex.as_deref().map(|text| {
            // As Python's `re.match`: from the beginning, not to the end.
            RegexBuilder::new(&format!(r"\A(?:{text})"))
                .backtrack_limit(MATCH_STEPS)
                .build()
        });
        let pattern = match compiled.transpose() {
            Ok(pattern) => pattern,
            Err(error) => {
                return wrong(format!("password_regex is no regular expression: {error}"));
            }
        };
        Ok(Rules { settings, pattern })
    }

    /// Whether the user counts as enabled.
    pub fn is_enabled(&self, row: &users::Model, now: DateTime<Utc>) -> bool {
        let days = self.settings.disable_user_account_days_inactive;
        let idle = row.last_active_at.zip(days).is_some_and(|(last, days)| {
            (now.date_naive() - last.date_naive()).num_days() >= days
                && Options::of(row).ignore_user_inactivity != Some(true)
        });
        row.enabled && !idle
    }

    /// Whether so many attempts failed that no password is looked at for a while.
    pub fn is_locked(&self, row: &users::Model, now: DateTime<Utc>) -> bool {
        let Some(most) = self.settings.lockout_failure_attempts else {
            return false;
        };
        row.failed_attempts >= most
            && row
                .failed_at
                .is_some_and(|at| at + self.lockout_duration() > now)
            && Options::of(row).ignore_lockout_failure_attempts != Some(true)
    }

    /// How long a locked account stays so.
    pub fn lockout_duration(&self) -> Duration {
        Duration::seconds(self.settings.lockout_duration)
    }

    /// Whether the password of a user is past its time.
    pub fn is_expired(&self, row: &users::Model, now: DateTime<Utc>) -> bool {
        row.password_expires_at.is_some_and(|end| end <= now)
    }

    /// When a password ends that is set now; one that an administrator gives may end at once.
    pub fn expires_at(
        &self,
        row: &users::Model,
        by_user: bool,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let options = Options::of(row);
        if self.settings.change_password_upon_first_use
            && !by_user
            && options.ignore_change_password_upon_first_use != Some(true)
        {
            return Some(now);
        }
        let days = self.settings.password_expires_days?;
        (options.ignore_password_expiry != Some(true)).then(|| now + Duration::days(days))
    }

    /// Whether a new password is one.
    ///
    /// # Errors
    /// It does not match the operator's pattern; the answer holds the operator's description of it.
    pub fn check_new(&self, password: &str) -> Result<(), Fault> {
        let Some(pattern) = &self.pattern else {
            return Ok(());
        };
        // A password on which the pattern gives up is none that it describes.
        if pattern.is_match(password).unwrap_or(false) {
            return Ok(());
        }
        let words = self.settings.password_regex_description.as_deref();
        Err(Fault::BadRequest(format!(
            "The password does not match the requirements: {}.",
            words.unwrap_or_default()
        )))
    }

    /// Whether the user may change the password themselves, and already.
    ///
    /// # Errors
    /// An administrator locked it, or the user chose it too short a while ago.
    pub fn may_change(&self, row: &users::Model, now: DateTime<Utc>) -> Result<(), Fault> {
        if Options::of(row).lock_password == Some(true) {
            return Err(Fault::BadRequest(
                "You cannot change your password at this time due to password policy disallowing password \
                 changes. Please contact your administrator to reset your password."
                    .to_owned(),
            ));
        }
        let days = self.settings.minimum_password_age;
        let since = row
            .password_created_at
            .filter(|_| row.password_self_service);
        let end = since.map(|since| since + Duration::days(days));
        match end.filter(|end| *end > now) {
            None => Ok(()),
            Some(end) => Err(Fault::BadRequest(format!(
                "You cannot change your password at this time due to the minimum password age. Once you \
                 change your password, it must be used for {days} day(s) before it can be changed. Please try \
                 again in {} day(s) or contact your administrator to reset your password.",
                (end - now).num_days()
            ))),
        }
    }

    /// Earlier passwords that a new one must differ from, beside the one in use.
    pub fn remembered_passwords(&self) -> u64 {
        u64::from(self.settings.unique_last_password_count.saturating_sub(1))
    }

    /// The refusal of a password that was used before.
    pub fn used_before(&self) -> Fault {
        Fault::BadRequest(format!(
            "The new password cannot be identical to a previous password. The total number which includes \
             the new password must be unique is {}.",
            self.settings.unique_last_password_count.max(1)
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user() -> users::Model {
        serde_json::from_value(crate::api::users::new_columns("default")).expect("a user")
    }

    fn rules(change: impl FnOnce(&mut Compliance)) -> Rules {
        let mut settings = Compliance::default();
        change(&mut settings);
        Rules::new(settings).expect("rules")
    }

    #[test]
    fn documents_name_the_options_that_there_are() {
        let named = OPTIONS
            .iter()
            .map(|(name, _)| name.strip_prefix("options."));
        let all: Vec<_> = FLAGS
            .iter()
            .chain([&RULES])
            .map(|name| Some(*name))
            .collect();
        assert_eq!(named.collect::<Vec<_>>(), all);
    }

    #[test]
    fn an_idle_account_is_disabled_unless_exempt() {
        let rules = rules(|set| set.disable_user_account_days_inactive = Some(90));
        let now = Utc::now();
        let mut row = user();
        row.last_active_at = Some(now - Duration::days(89));
        assert!(rules.is_enabled(&row, now));
        row.last_active_at = Some(now - Duration::days(90));
        assert!(!rules.is_enabled(&row, now));
        row.options = json!({"ignore_user_inactivity": true}).to_string();
        assert!(rules.is_enabled(&row, now));
        row.enabled = false;
        assert!(!rules.is_enabled(&row, now));
    }

    #[test]
    fn a_pattern_may_look_ahead_and_does_not_run_away() {
        let sensible = rules(|set| {
            set.password_regex = Some(r"^(?=.*\d)(?=.*[a-zA-Z]).{7,}$".to_owned());
            set.password_regex_description = Some("7 letters and digits".to_owned());
        });
        sensible.check_new("sesame1").expect("good");
        let refused = sensible.check_new("sesame").expect_err("no digit");
        assert!(refused.to_string().contains("7 letters and digits"));
        let slow = rules(|set| set.password_regex = Some(r"(a+)+(?!x)$".to_owned()));
        let password = format!("{}!", "a".repeat(4000));
        slow.check_new(&password).expect_err("given up");
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let of = |change: fn(&mut Compliance)| {
            let mut settings = Compliance::default();
            change(&mut settings);
            Rules::new(settings).err().map(|error| error.to_string())
        };
        let age = of(|set| {
            set.minimum_password_age = 5;
            set.password_expires_days = Some(5);
        });
        assert!(age.expect("refused").contains("minimum_password_age"));
        let pattern = of(|set| set.password_regex = Some("(".to_owned()));
        assert!(pattern.expect("refused").contains("password_regex"));
    }

    #[test]
    fn a_password_that_an_administrator_gave_ends_at_once_where_asked() {
        let rules = rules(|set| {
            set.change_password_upon_first_use = true;
            set.password_expires_days = Some(30);
        });
        let now = Utc::now();
        let mut row = user();
        assert_eq!(rules.expires_at(&row, false, now), Some(now));
        let month = Some(now + Duration::days(30));
        assert_eq!(rules.expires_at(&row, true, now), month);
        let exempt = json!({"ignore_change_password_upon_first_use": true});
        row.options = exempt.to_string();
        assert_eq!(rules.expires_at(&row, false, now), month);
        let exempt =
            json!({"ignore_change_password_upon_first_use": true, "ignore_password_expiry": true});
        row.options = exempt.to_string();
        assert_eq!(rules.expires_at(&row, false, now), None);
    }

    #[test]
    fn options_are_merged_and_unknown_ones_refused() {
        let merged = |old: &str, body: Value| {
            let methods = ["password".to_owned(), "token".to_owned()];
            merge_options(old, body.as_object().expect("object"), &methods)
        };
        let old = r#"{"lock_password":true}"#;
        let new = merged(
            old,
            json!({"lock_password": null, "ignore_password_expiry": true}),
        );
        assert_eq!(
            Value::Object(new.expect("options")),
            json!({"ignore_password_expiry": true})
        );
        for bad in [
            json!({"lock_pasword": true}),
            json!({"lock_password": "yes"}),
            json!({"multi_factor_auth_rules": [["password", "totp"]]}),
            json!({"multi_factor_auth_rules": [[]]}),
        ] {
            assert!(merged("{}", bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_login_needs_all_methods_of_a_rule() {
        let options: Options = serde_json::from_value(json!({
            "multi_factor_auth_rules": [["password", "application_credential"]],
        }))
        .expect("options");
        assert!(!options.satisfied_by(1));
        assert!(options.satisfied_by(1 | 4));
    }
}
