//! Who may do what: Cinder's default rules as tables, and what a thing tells a rule about itself.

mod groups;
mod operators;
mod snapshots;
mod volumes;

use microversion::Version;
use web::Caller;
use web::policy::{IS_ADMIN, Rule, Target};

const ADMIN: &str = "rule:admin_api";
const MEMBER: &str = "rule:project_member";
const READER: &str = "rule:project_reader";
/// Compute works with volumes as itself: no token of a user outlives its request.
const ADMIN_OR_SERVICE: &str = "rule:admin_api or rule:service_api";
const MEMBER_OR_SERVICE: &str = "rule:project_member or rule:service_api";
const READER_OR_SERVICE: &str = "rule:project_reader or rule:service_api";

const fn rule(
    name: &'static str,
    check: &'static str,
    description: &'static str,
    operations: &'static [(&'static str, &'static str)],
) -> Rule {
    Rule {
        name,
        check,
        scope_types: &[],
        description,
        operations,
    }
}

/// Parts of other rules.
const PARTS: &[Rule] = &[
    rule(IS_ADMIN, "role:admin", "Who is an administrator.", &[]),
    rule(
        "admin_api",
        "role:admin",
        "What only administrators may.",
        &[],
    ),
    rule(
        "service_api",
        "role:service",
        "Who is another service.",
        &[],
    ),
    rule(
        "project_member",
        "role:admin or (role:member and project_id:%(project_id)s)",
        "Who works in the project.",
        &[],
    ),
    rule(
        "project_reader",
        "role:admin or (role:reader and project_id:%(project_id)s)",
        "Who sees what is in the project.",
        &[],
    ),
];

/// All tables.
pub const TABLES: [&[Rule]; 5] = [
    PARTS,
    volumes::RULES,
    snapshots::RULES,
    groups::RULES,
    operators::RULES,
];

/// A microversion.
pub const fn version(minor: u16) -> Version {
    Version::new(3, minor)
}

/// What a rule may ask about a thing of this project and user.
pub fn target<'a>(project_id: &'a str, user_id: &'a str) -> Target<'a> {
    Target::project(project_id).with("user_id", user_id)
}

/// What a rule may ask where there is no thing yet: the caller's own project.
pub fn own(caller: &Caller) -> Target<'_> {
    let project = caller.project_id.as_deref();
    Target::new()
        .with_option("project_id", project)
        .with("user_id", caller.user_id.as_str())
}

/// Whether the caller is another service that works as itself.
pub fn is_service(caller: &Caller) -> bool {
    caller.has_role("service")
}

/// Whether a service stands behind the request: as itself, or with a token of its own beside the user's.
pub fn is_service_request(caller: &Caller) -> bool {
    let is = |role: &String| role.eq_ignore_ascii_case("service");
    is_service(caller) || caller.service_roles.iter().any(is)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The code of this crate, the tables of rules left out.
    fn sources(folder: &Path) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("policy") {
                all += &sources(&path);
            } else if path.is_file() {
                all += &std::fs::read_to_string(&path).expect("text");
            }
        }
        all
    }

    #[test]
    fn every_rule_is_asked() {
        let code = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
        for rule in TABLES[1..].iter().flat_map(|table| table.iter()) {
            let asked = code.contains(&format!("\"{}\"", rule.name));
            assert!(asked, "{} is never asked", rule.name);
        }
    }
}
