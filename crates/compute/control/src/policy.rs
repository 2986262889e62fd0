//! Who may do what: Nova's rules with Nova's default checks, one row each.
//!
//! Operators change them with a `policy.yaml` written for Nova. All rules are for tokens of project
//! scope, as in Nova.

mod operators;
mod projects;
mod proxies;
mod servers;

use web::policy::{IS_ADMIN, Policy, PolicyError, Rule, Scope, Target};

use crate::{Context, Control, ControlError, Result};

const ADMIN: &str = "rule:context_is_admin";
const ANY: &str = "@";
const MANAGER: &str = "rule:project_manager_or_admin";
const MEMBER: &str = "rule:project_member_or_admin";
const NOBODY: &str = "!";
const OWN_USER: &str = "rule:context_is_admin or user_id:%(user_id)s";
const READER: &str = "rule:project_reader_or_admin";
const SERVICE: &str = "rule:service_or_admin";

/// Rules that others are made of.
#[rustfmt::skip]
const BASE: &[Rule] = &[
    rule(IS_ADMIN, "role:admin", "the operator of the cloud"),
    rule("admin_api", "is_admin:True", "older name of the same"),
    rule("admin_or_owner", "is_admin:True or project_id:%(project_id)s", "older default"),
    rule("project_manager_api", "role:manager and project_id:%(project_id)s", "managers of the project"),
    rule("project_member_api", "role:member and project_id:%(project_id)s", "members of the project"),
    rule("project_reader_api", "role:reader and project_id:%(project_id)s", "readers of the project"),
    rule("service_api", "role:service", "other services of the cloud"),
    rule("service_or_admin", "rule:service_api or rule:context_is_admin", ""),
    rule("project_manager_or_admin", "rule:project_manager_api or rule:context_is_admin", ""),
    rule("project_member_or_admin", "rule:project_member_api or rule:context_is_admin", ""),
    rule("project_reader_or_admin", "rule:project_reader_api or rule:context_is_admin", ""),
];

/// Every rule.
pub const TABLES: &[&[Rule]] = &[
    BASE,
    operators::RULES,
    projects::RULES,
    proxies::RULES,
    servers::RULES,
];

/// The rules with an operator's changes, if there is a file of them.
///
/// # Errors
/// The file is not in the language of policies.
pub fn load(file: Option<&std::path::Path>) -> std::result::Result<Policy, PolicyError> {
    Policy::load(TABLES, file)
}

const fn rule(name: &'static str, check: &'static str, description: &'static str) -> Rule {
    Rule {
        name,
        check,
        scope_types: &[Scope::Project],
        description,
        // The API's route table says what each rule guards.
        operations: &[],
    }
}

/// Refuses callers whom the rule of the call does not allow something in their own project.
///
/// # Errors
/// [`ControlError::Denied`].
pub fn allow(control: &Control, cx: &Context) -> Result<()> {
    let project = cx.caller.project_id.as_deref();
    allow_on(control, cx, project, &cx.caller.user_id)
}

/// Refuses callers whom the rule of the call does not allow something with a thing of this project and user.
///
/// # Errors
/// [`ControlError::Denied`].
pub fn allow_on(
    control: &Control,
    cx: &Context,
    project_id: Option<&str>,
    user_id: &str,
) -> Result<()> {
    cx.guard.note();
    allow_rule_on(control, cx, cx.guard.rule(), project_id, user_id)
}

/// As [`allow`], by a rule about a part of the call.
///
/// # Errors
/// [`ControlError::Denied`].
pub fn allow_rule(control: &Control, cx: &Context, rule: &str) -> Result<()> {
    let project = cx.caller.project_id.as_deref();
    allow_rule_on(control, cx, rule, project, &cx.caller.user_id)
}

/// As [`allow_on`], by a rule about a part of the call.
///
/// # Errors
/// [`ControlError::Denied`].
pub fn allow_rule_on(
    control: &Control,
    cx: &Context,
    rule: &str,
    project_id: Option<&str>,
    user_id: &str,
) -> Result<()> {
    let target = Target::new()
        .with("user_id", user_id)
        .with_option("project_id", project_id);
    let asked = control.policy.enforce(rule, cx.caller.as_ref(), &target);
    asked.map_err(|denied| ControlError::Denied { rule: denied.rule })
}

/// Whether `rule` allows the caller something in their own project.
pub fn may(control: &Control, cx: &Context, rule: &str) -> bool {
    allow_rule(control, cx, rule).is_ok()
}

/// Whether the caller is an operator: passes locks and sees all projects.
pub fn is_admin(control: &Control, cx: &Context) -> bool {
    may(control, cx, IS_ADMIN)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Rules that nobody asks, and why.
    const NOT_ASKED: &[(&str, &str)] = &[
        ("admin_api", "for operators' own rules, as in Nova"),
        ("admin_or_owner", "for operators' own rules, as in Nova"),
        (
            "compute:server:topology:host:index",
            "NUMA topologies are not built",
        ),
        ("compute:servers:resize:cross_cell", "there are no cells"),
        (
            "os_compute_api:os-migrate-server:migrate:host",
            "cold migration is not built",
        ),
        (
            "os_compute_api:os-migrate-server:migrate_live:host",
            "live migration is not built",
        ),
        (
            "os_compute_api:servers:migrations:index:host",
            "migrations are not built",
        ),
    ];

    #[test]
    fn every_rule_is_asked_or_its_feature_is_not_built() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let code = sources(&own.join("src")) + &sources(&own.join("../api/src"));
        let parts: String = TABLES
            .iter()
            .flat_map(|table| table.iter())
            .map(|rule| rule.check)
            .collect();
        for rule in TABLES.iter().flat_map(|table| table.iter()) {
            let name = rule.name;
            // Either a route's row names it, and the frame sees to it that it is asked, or the code spells it.
            let used = code.contains(&format!("\"{name}\""))
                || name == IS_ADMIN
                || parts.contains(&format!("rule:{name}"));
            let excused = NOT_ASKED.iter().any(|(known, _)| *known == name);
            assert_ne!(
                used, excused,
                "{name}: asked, or excused with a reason, not both"
            );
        }
    }

    /// All code below a folder but for the tables of rules.
    fn sources(folder: &Path) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let rules = path.file_name().is_some_and(|name| name == "policy");
            if path.is_dir() && !rules {
                all += &sources(&path);
            } else if path.is_file() && !path.ends_with("control/src/policy.rs") {
                all += &std::fs::read_to_string(&path).expect("text");
            }
        }
        all
    }

    #[test]
    fn the_defaults_compile_and_none_is_listed_twice() {
        load(None).expect("the tables are in the language, each name once");
    }
}
