//! Who may do what: Nova's rules with Nova's default checks, one row each.
//!
//! Operators change them with a `policy.yaml` written for Nova. All rules are for tokens of project
//! scope, as in Nova.

mod operators;
mod projects;
mod proxies;
mod servers;

use web::policy::{Policy, PolicyError, Rule, Scope, Target};

use crate::{Context, Control, ControlError, Result};

const ADMIN: &str = "rule:context_is_admin";
const ANY: &str = "@";
const MANAGER: &str = "rule:project_manager_or_admin";
const MEMBER: &str = "rule:project_member_or_admin";
const NOBODY: &str = "!";
const OWN_USER: &str = "rule:context_is_admin or user_id:%(user_id)s";
const READER: &str = "rule:project_reader_or_admin";
const SERVICE: &str = "rule:service_api";

/// Rules that others are made of.
#[rustfmt::skip]
const BASE: &[Rule] = &[
    rule("context_is_admin", "role:admin", "the operator of the cloud"),
    rule("admin_api", "role:admin", "older name of the same"),
    rule("admin_or_owner", "is_admin:True or project_id:%(project_id)s", "older default"),
    rule("project_manager_api", "role:manager and project_id:%(project_id)s", "managers of the project"),
    rule("project_member_api", "role:member and project_id:%(project_id)s", "members of the project"),
    rule("project_reader_api", "role:reader and project_id:%(project_id)s", "readers of the project"),
    rule("service_api", "role:service", "other services of the cloud"),
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

/// Refuses callers whom `rule` does not allow something in their own project.
///
/// # Errors
/// [`ControlError::Denied`].
pub fn allow(control: &Control, cx: &Context, rule: &str) -> Result<()> {
    allow_on(
        control,
        cx,
        rule,
        cx.caller.project_id.as_deref(),
        &cx.caller.user_id,
    )
}

/// Refuses callers whom `rule` does not allow something with a thing of this project and user.
///
/// # Errors
/// [`ControlError::Denied`].
pub fn allow_on(
    control: &Control,
    cx: &Context,
    rule: &str,
    project_id: Option<&str>,
    user_id: &str,
) -> Result<()> {
    let mut target = Target::new().with("user_id", user_id);
    if let Some(project) = project_id {
        target = target.with("project_id", project);
    }
    control
        .policy
        .enforce(rule, cx.caller.as_ref(), &target)
        .map_err(|denied| ControlError::Denied { rule: denied.rule })
}

/// Whether `rule` allows the caller something in their own project.
pub fn may(control: &Control, cx: &Context, rule: &str) -> bool {
    allow(control, cx, rule).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_compile_and_none_is_listed_twice() {
        load(None).expect("the tables are in the language, each name once");
    }
}
