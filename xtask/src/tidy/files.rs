//! Rules for single files: sizes, headers, names, and no paths of somebody's machine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// Lines of a file that are not tests.
const CODE_LINES: usize = 500;

/// Lines of tests in a file.
const TEST_LINES: usize = 800;

/// Files that may be larger, a line each: path, then the reason.
const EXCEPTIONS: &str = "xtask/tidy-exceptions.txt";

/// Checks all tracked files.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let tracked = super::output(root, &["git", "ls-files", "-z"])?;
    let machine = machine_paths(root);
    let mut exceptions = exceptions(root)?;
    let mut complaints = Vec::new();
    for path in tracked.split('\0').filter(|path| !path.is_empty()) {
        // Removed but not yet committed, or not text.
        let Ok(text) = std::fs::read_to_string(root.join(path)) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            if let Some(found) = machine.iter().find(|machine| names(line, machine)) {
                complaints.push(format!(
                    "{path}:{}: a path of this machine: {found}",
                    index + 1
                ));
            }
        }
        if path.ends_with(".rs") {
            let excepted = exceptions.remove(path).is_some();
            complaints.extend(check_source(path, &text, excepted));
        }
    }
    for path in exceptions.keys() {
        complaints.push(format!("{EXCEPTIONS}: {path} does not exist"));
    }
    Ok(complaints)
}

fn exceptions(root: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(root.join(EXCEPTIONS)).context(EXCEPTIONS)?;
    let lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (path, reason) = line
                .split_once(' ')
                .with_context(|| format!("{EXCEPTIONS}: no reason in '{line}'"))?;
            Ok((path.to_owned(), reason.trim().to_owned()))
        })
        .collect()
}

fn check_source(path: &str, text: &str, excepted: bool) -> Vec<String> {
    let mut complaints = Vec::new();
    if path.ends_with("/mod.rs") {
        complaints.push(format!(
            "{path}: name it after its folder and put it beside the folder"
        ));
    }
    let first = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    // A file of tests beside its module says by its name what it is for.
    if !first.starts_with("//!") && !path.ends_with("/tests.rs") {
        complaints.push(format!(
            "{path}:1: begin with `//!`: what the module is for and what it promises"
        ));
    }
    let (code, tests) = count(path, text);
    if excepted && code <= CODE_LINES && tests <= TEST_LINES {
        complaints.push(format!(
            "{path} is small enough; remove it from {EXCEPTIONS}"
        ));
    }
    if !excepted && code > CODE_LINES {
        complaints.push(format!(
            "{path}: {code} lines of code; {CODE_LINES} are enough for one file"
        ));
    }
    if !excepted && tests > TEST_LINES {
        complaints.push(format!(
            "{path}: {tests} lines of tests; {TEST_LINES} are enough for one file"
        ));
    }
    complaints
}

/// Lines of code and lines of tests.
fn count(path: &str, text: &str) -> (usize, usize) {
    let all = text.lines().count();
    let in_tests = path
        .split('/')
        .any(|part| part == "tests" || part == "tests.rs" || part == "testing" || part == "bench");
    if in_tests {
        return (0, all);
    }
    let lines: Vec<&str> = text.lines().collect();
    let begin = lines.windows(2).position(|pair| {
        pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
    });
    let code = begin.unwrap_or(all);
    (code, all - code)
}

/// What must not be found in a file: where this checkout lies and where the tools of this user lie.
fn machine_paths(root: &Path) -> Vec<String> {
    let mut paths = vec![root.display().to_string()];
    // The folder of checkouts, unless it is as general as /src.
    paths.extend(
        root.parent()
            .filter(|folder| folder.parent().is_some())
            .map(|folder| format!("{}/", folder.display())),
    );
    #[allow(clippy::disallowed_methods)]
    if let Ok(home) = std::env::var("HOME") {
        paths.extend([".cargo", ".rustup", ".cache"].map(|folder| format!("{home}/{folder}")));
    }
    paths
}

/// Whether `line` has `path`, not as the end of a longer one.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '/' | '*'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_at_the_end_of_a_file_are_counted_apart() {
        let text = "//! x\nfn a() {}\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(count("crates/a/src/lib.rs", text), (2, 3));
        assert_eq!(count("crates/a/src/lib/tests.rs", text), (0, 5));
        assert_eq!(
            count("crates/a/src/lib.rs", "//! x\n#[cfg(test)]\nmod tests;\n"),
            (3, 0)
        );
    }

    #[test]
    fn a_file_without_a_header_and_a_file_too_long_are_refused() {
        assert_eq!(check_source("a/src/lib.rs", "fn a() {}\n", false).len(), 1);
        let long = format!("//! x\n{}", "fn a() {}\n".repeat(CODE_LINES));
        assert_eq!(check_source("a/src/lib.rs", &long, false).len(), 1);
        assert_eq!(check_source("a/src/lib.rs", &long, true).len(), 0);
    }

    #[test]
    fn only_whole_paths_count() {
        assert!(names("see /home/me/x", "/home/me/"));
        assert!(!names("see $root/home/me/x", "/home/me/"));
    }
}
