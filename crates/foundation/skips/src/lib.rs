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
    if fails(variable) {
        panic!(
            "skipped: {why}. Under continuous integration ({}) that is a failure: install or allow what is missing",
            NO_SKIPS.join(" or ")
        );
    }
    say(&why);
}

/// The same for what a machine cannot have: it never fails.
pub fn skip_beyond(what: Beyond, why: impl Display) {
    say(&format!("{why} ({what:?})"));
}

fn say(why: &dyn Display) {
    println!("skipped: {why}");
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

    /// As in a test that is skipped; run by the next one, with the environment that it wants.
    #[test]
    #[ignore = "the next test runs it"]
    fn one_that_is_skipped() {
        skip("no flux capacitor");
    }

    #[test]
    #[ignore = "the next test runs it"]
    fn one_that_no_machine_can_run() {
        skip_beyond(Beyond::ControlGroups, "they cannot be written");
    }

    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "the environment is what is tested"
    )]
    fn a_skipped_test_passes_with_its_reason_or_fails_with_it() {
        let run = |test: &str, set: Option<(&str, &str)>| {
            let mut command =
                std::process::Command::new(std::env::current_exe().expect("this program"));
            command.args(["--exact", test, "--ignored", "--nocapture"]);
            for name in NO_SKIPS {
                command.env_remove(name);
            }
            command.envs(set);
            let output = command.output().expect("this program runs");
            let said = [output.stdout, output.stderr].concat();
            (
                output.status.success(),
                String::from_utf8_lossy(&said).into_owned(),
            )
        };
        let skipped = "tests::one_that_is_skipped";
        let beyond = "tests::one_that_no_machine_can_run";
        let (passed, said) = run(skipped, None);
        assert!(
            passed && said.contains("skipped: no flux capacitor"),
            "{said}"
        );
        for name in NO_SKIPS {
            let (passed, said) = run(skipped, Some((name, "1")));
            assert!(
                !passed && said.contains("skipped: no flux capacitor. Under"),
                "{said}"
            );
            let (passed, said) = run(beyond, Some((name, "1")));
            assert!(
                passed && said.contains("skipped: they cannot be written"),
                "{said}"
            );
        }
    }
}
