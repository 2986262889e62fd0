//! Settings files: the dialect of `crates/foundation/settings`, with all options of the binary.
//!
//! Whatever the text, it is read or refused. A refusal names the option, and the line that it names has that option; an
//! unknown name that is warned about stands in the text; and the value of a secret is in no message.

use kilonova::Config;
use kilonova::config::sections;
use settings::Settings;

pub const WORDS: &[&[u8]] = &[
    b"[DEFAULT]\n",
    b"[quota]\n",
    b"[api]\n",
    b"[database]\n",
    b"[oslo_policy]\n",
    b"[image]\n",
    b"[ssl]\n",
    b"instances = ",
    b"bind = ",
    b"host = ",
    b"connection = ",
    b"transport_url = ",
    b"state_path = ",
    b"report_interval = ",
    b"service_down_time = ",
    b"$state_path",
    b"${DEFAULT.host}",
    b"$quota.instances",
    b"$$",
    b"\\$",
    b"\n  ",
    b" = ",
    b"=",
    b":",
    b"#",
    b";",
    b"\"",
    b"'",
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b"nan",
    b"inf",
    b"true",
    b"0x10",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"]",
    b"[",
];

/// What a secret option is given here; it must be in no message.
const SECRET: &str = "hush-";

pub fn run(input: &[u8]) {
    // A file that is not UTF-8 is refused where it is read.
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    // The value of a secret may be read from a file of the machine; none is.
    if text.contains("file:") {
        return;
    }
    if let Ok(settings) = Settings::from_text(text, &sections()) {
        let shown = settings.shown();
        assert!(!hidden_in(text, &shown), "a secret is shown");
        for warning in settings.warnings() {
            assert!(!warning.is_empty(), "a warning that says nothing");
        }
    }
    if let Err(error) = Config::from_text(text) {
        let told = format!("{error:#}");
        assert!(!told.trim().is_empty(), "a refusal that says nothing");
        assert!(!hidden_in(text, &told), "a secret is in {told}");
        problems(text, &told);
    }
}

/// Whether the value of a secret option, marked as [`SECRET`] in seeds, is in a message.
fn hidden_in(text: &str, told: &str) -> bool {
    let secret = |line: &str| {
        let (key, value) = line.split_once('=')?;
        let is_secret = ["connection", "transport_url"].contains(&key.trim());
        (is_secret && value.trim().starts_with(SECRET)).then(|| value.trim().to_owned())
    };
    let mut values = text.lines().filter_map(secret);
    // One that stands in other places too may be shown as what it is there.
    let is_own =
        |value: &String| value.len() > SECRET.len() + 3 && text.matches(value).count() == 1;
    values.any(|value| is_own(&value) && told.contains(&value))
}

/// Panics when a problem `settings.conf:3: [section] key = value: why` names a line that does not have the key.
fn problems(text: &str, told: &str) {
    for problem in told.lines() {
        let Some(rest) = problem.strip_prefix("settings.conf:") else {
            continue;
        };
        let (line, rest) = rest
            .split_once(": ")
            .expect("a line number and what is wrong");
        let number: usize = line.parse().expect("a line number");
        let line = number.checked_sub(1).and_then(|at| text.lines().nth(at));
        let Some(line) = line else {
            // What ends too early is told of the line after the last.
            let known =
                rest.starts_with("not a settings file") && number <= text.lines().count() + 2;
            assert!(known, "there is no line {number}: {problem}");
            continue;
        };
        if let Some((_, key)) = rest
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("] "))
        {
            let key = key.split(" = ").next().unwrap_or_default();
            assert!(line.contains(key), "{problem}: the line is {line:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::problems;

    #[test]
    fn a_problem_names_the_line_of_its_option() {
        problems("[a]\nkey = 1", "settings.conf:2: [a] key = 1: must be 2");
    }

    #[test]
    #[should_panic(expected = "the line is")]
    fn a_problem_that_names_another_line_is_noticed() {
        problems("[a]\nkey = 1", "settings.conf:1: [a] key = 1: must be 2");
    }
}
