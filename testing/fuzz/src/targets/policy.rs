//! Policy files: the language of rules in `crates/foundation/web`, with the rules of compute.
//!
//! The bytes are an operator's file, read again while the service runs. A file that is refused changes no answer. One
//! that is taken changes none of a rule that it does not touch, and lets nobody without roles pass unless its text
//! can: that is told here from the text alone, without the language. All of it happens on a small stack.

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::LazyLock;

use compute_control::policy;
use serde_json::Value;
use web::policy::{Policy, Subject, Target};

pub const WORDS: &[&[u8]] = &[
    b"rule:",
    b"role:admin",
    b"role:",
    b" and ",
    b" or ",
    b"not ",
    b"not not not not not ",
    b"(",
    b")",
    b"((((((((",
    b"@",
    b"!",
    b"\"\"",
    b"[]",
    b"[[\"role:admin\"], []]",
    b"{",
    b"}",
    b": ",
    b"\n",
    b"#",
    b"%(project_id)s",
    b"%%",
    b"None",
    b"True:True",
    b"'a':a",
    b"is_admin:True",
    b"http://host/",
    b"context_is_admin: ",
    b"default: ",
    b"os_compute_api:servers:create",
    b"os_compute_api:servers:delete: ",
    b"project_id:%(project_id)s",
    b"\xef\xbb\xbf",
    b"\\",
];

/// Of the thread that reads and asks: a quarter of what a worker of the service has.
const STACK: usize = 512 * 1024;

/// Somebody with these roles and with a project, or with nothing at all.
struct Somebody(Vec<String>);

impl Subject for Somebody {
    fn attribute(&self, name: &str) -> Option<&str> {
        let known = !self.0.is_empty() && matches!(name, "project_id" | "user_id");
        known.then_some("mine")
    }
    fn lacks(&self, name: &str) -> bool {
        name == "domain_id"
    }
    fn roles(&self) -> &[String] {
        &self.0
    }
    fn service_roles(&self) -> &[String] {
        &[]
    }
}

fn somebody(roles: &[&str]) -> Somebody {
    Somebody(roles.iter().map(|role| (*role).to_owned()).collect())
}

/// Whether each of some people passes a rule, about what is theirs.
fn answers(policy: &Policy, rule: &str) -> [bool; 4] {
    let nobody = somebody(&[]);
    let own = Target::new()
        .with("project_id", "mine")
        .with("user_id", "mine");
    let passes = |who: &Somebody, target| policy.enforce(rule, who, target).is_ok();
    [
        passes(&nobody, &Target::new()),
        passes(&somebody(&["reader"]), &own),
        passes(&somebody(&["member", "reader"]), &own),
        passes(&somebody(&["admin"]), &own),
    ]
}

/// The names of compute's rules, with all names that each needs, itself included.
static RULES: LazyLock<Vec<(&str, BTreeSet<&str>)>> = LazyLock::new(|| {
    let rules: Vec<_> = policy::TABLES.iter().copied().flatten().collect();
    let needs = |name: &str| {
        let rule = rules.iter().find(|rule| rule.name == name);
        let words = rule.map_or("", |rule| rule.check).split([' ', '(', ')']);
        words.filter_map(|word| word.strip_prefix("rule:"))
    };
    let closed = |name| {
        let mut all = BTreeSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            if all.insert(name) {
                open.extend(needs(name));
            }
        }
        all
    };
    rules
        .iter()
        .map(|rule| (rule.name, closed(rule.name)))
        .collect()
});

static DEFAULTS: LazyLock<Vec<[bool; 4]>> = LazyLock::new(|| {
    let policy = policy::load(None).expect("the defaults");
    RULES
        .iter()
        .map(|(name, _)| answers(&policy, name))
        .collect()
});

pub fn run(input: &[u8]) {
    let small = std::thread::Builder::new().stack_size(STACK);
    let ended = std::thread::scope(|scope| {
        let looked = small.spawn_scoped(scope, || look(input));
        looked.expect("a thread").join()
    });
    ended.unwrap_or_else(|panic| resume_unwind(panic));
}

/// A service's policy, whose file the inputs are.
static POLICY: LazyLock<(tempfile::TempDir, Policy)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join(FILE);
    std::fs::write(&file, "").expect("written");
    let policy = policy::load(Some(&file));
    (folder, policy.expect("an empty file is no change"))
});

const FILE: &str = "policy.yaml";

fn look(input: &[u8]) {
    let (folder, policy) = &*POLICY;
    let file = folder.path().join(FILE);
    // What the input before changed is not of this one.
    std::fs::write(&file, "").expect("written");
    policy.reload().expect("an empty file is no change");
    std::fs::write(&file, input).expect("written");
    let taken = policy.reload();
    let text = String::from_utf8_lossy(input);
    for ((name, needs), default) in RULES.iter().zip(DEFAULTS.iter()) {
        // Who administrators are, and what answers for unknown names, is needed by name nowhere.
        let touched = needs.iter().chain(&["context_is_admin", "default"]);
        let touched = touched.into_iter().any(|name| text.contains(name)) || text.contains('\\');
        if taken.is_err() || !touched {
            assert_eq!(answers(policy, name), *default, "{name} was not touched");
        }
    }
    match taken {
        Err(error) => {
            let told = error.to_string();
            assert!(told.contains(FILE), "no file is named: {told}");
        }
        Ok(()) => {
            let told = told(&text).into_iter();
            for (name, told) in told.filter(|(name, _)| policy.knows(name)) {
                let [nobody, ..] = answers(policy, &name);
                assert!(
                    !nobody || may_pass(&told),
                    "{name} lets everybody pass: {told}"
                );
            }
        }
    }
}

/// Rules of a file with their texts, as far as a glance tells: names that are written in a simple way.
fn told(text: &str) -> Vec<(String, String)> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        let object: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let texts = object.into_iter().map(|(name, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (name, text)
        });
        return texts.collect();
    }
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, rest)) = line.split_once(": ") {
            let name = name.trim().trim_matches(['"', '\'']);
            found.push((name.to_owned(), rest.trim().to_owned()));
        }
    }
    found
}

/// Whether a rule of this text could let somebody pass who has nothing: it is empty, compares constants, turns an
/// answer around, asks another rule, or asks for what is lacking.
fn may_pass(text: &str) -> bool {
    let bare = text.trim_matches(['"', '\'', ' ']);
    let lower = text.to_lowercase();
    let constant = |word: &str| {
        let word = word.trim_start_matches(['(', '[', '"', ' ']);
        word.starts_with(['\'', '"', '-'])
            || word.starts_with(|c: char| c.is_ascii_digit())
            || ["True", "False", "None"]
                .iter()
                .any(|name| word.starts_with(name))
    };
    bare.is_empty()
        || bare.starts_with('#')
        || ["@", "not", "rule:", "is_admin:", ":none", "[]"]
            .iter()
            .any(|part| lower.contains(part))
        || text.split([' ', '\t', ',']).any(constant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_at_a_text_tells_whether_nobody_may_pass() {
        for text in [
            "",
            "\"\"",
            "@",
            "not role:x",
            "rule:y",
            "'a':a",
            "(1:1)",
            "[]",
            "domain_id:None",
        ] {
            assert!(may_pass(text), "{text}");
        }
        for text in [
            "!",
            "role:admin",
            "(role:a and project_id:%(project_id)s)",
            "[[\"role:a\"]]",
        ] {
            assert!(!may_pass(text), "{text}");
        }
    }

    #[test]
    fn the_rules_that_a_rule_needs_are_known() {
        let (_, needs) = RULES
            .iter()
            .find(|(name, _)| *name == "os_compute_api:servers:create")
            .expect("compute's rule");
        assert!(needs.len() > 1, "{needs:?}");
    }
}
