//! What a test does that cannot run on this machine, since a right, a program or a server is missing.
//!
//! Such a test calls [`skip`] and returns: on somebody's own machine that is printed and passes. Where the variable
//! `CI` is set (continuous integration sets it everywhere), or `KILONOVA_TEST_NO_SKIPS`, it fails: a suite that passes
//! there has run. What a machine cannot have, however it is set up, is one of [`Beyond`], and passes there too.

use std::fmt::Display;

/// Variables that make skips fail, unless they are empty, `0` or `false`.
const NO_SKIPS: [&str; 2] = ["CI", "KILONOVA_TEST_NO_SKIPS"];

/// What cannot be had by installing a package or being root: a test that needs it may be skipped everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Control groups that can be written. Containers commonly mount them read-only, and a process inside cannot change
    /// that; whoever limits the container limits its guests.
    ControlGroups,
}

/// Says that the test is skipped, and why; the caller returns then.
///
/// # Panics
/// Where skips are failures.
#[track_caller]
pub fn skip(why: impl Display) {
    match skipped(&why, fails(variable)) {
        Ok(said) => println!("{said}"),
        Err(failure) => panic!("{failure}"),
    }
}

/// The same for what a machine cannot have: it never fails.
pub fn skip_beyond(what: Beyond, why: impl Display) {
    println!("{}", skipped_beyond(what, &why));
}

/// What a skip says, or with what it fails.
fn skipped(why: &dyn Display, fails: bool) -> Result<String, String> {
    let said = format!("skipped: {why}");
    match fails {
        false => Ok(said),
        true => Err(format!(
            "{said}. Under continuous integration ({}) that is a failure: install or allow what is missing",
            NO_SKIPS.join(" or ")
        )),
    }
}

fn skipped_beyond(what: Beyond, why: &dyn Display) -> String {
    format!("skipped: {why} ({what:?})")
}

/// Whether a skip fails where variables have these values.
fn fails(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_on = |value: String| !matches!(value.as_str(), "" | "0" | "false");
    NO_SKIPS
        .iter()
        .any(|name| variable(name).is_some_and(is_on))
}

#[allow(
    clippy::disallowed_methods,
    reason = "tests learn from the environment whether they may be skipped"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn where_set(name: &'static str, value: &'static str) -> bool {
        fails(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn a_skip_fails_where_integration_is_continuous_or_skips_are_forbidden() {
        assert!(!fails(|_| None));
        for name in ["CI", "KILONOVA_TEST_NO_SKIPS"] {
            for value in ["1", "true", "woodpecker"] {
                assert!(where_set(name, value), "{name}={value}");
            }
            for value in ["", "0", "false"] {
                assert!(!where_set(name, value), "{name}={value}");
            }
        }
        assert!(!where_set("CIRCLE", "1"));
    }

    #[test]
    fn a_skipped_test_passes_with_its_reason_or_fails_with_it() {
        let why = "no flux capacitor";
        let passed = skipped(&why, false);
        assert_eq!(passed.as_deref(), Ok("skipped: no flux capacitor"));
        let failed = skipped(&why, true).expect_err("a failure");
        assert!(
            failed.starts_with("skipped: no flux capacitor. Under"),
            "{failed}"
        );
        let beyond = skipped_beyond(Beyond::ControlGroups, &"they cannot be written");
        assert_eq!(beyond, "skipped: they cannot be written (ControlGroups)");
    }
}
