//! Who may do what: Keystone's default policy as a table of check strings ([`table::RULES`]), and the
//! small part of oslo.policy's language in which they are written ([`check`]).

use std::collections::HashMap;
use std::sync::LazyLock;

use check::Check;

pub mod check;
pub mod table;

/// What is acted upon, under the names that rules use (`target.user.domain_id`, `user_id`, …).
#[derive(Debug, Default, Clone)]
pub struct Target(HashMap<String, Option<String>>);

impl Target {
    /// Adds an attribute.
    pub fn with(mut self, name: impl Into<String>, value: Option<&str>) -> Self {
        self.0.insert(name.into(), value.map(str::to_owned));
        self
    }

    fn get(&self, name: &str) -> Option<Option<&str>> {
        self.0.get(name).map(Option::as_deref)
    }
}

/// Who acts, as rules see it.
pub trait Actor {
    fn has_role(&self, name: &str) -> bool;
    /// `Some(None)`: the attribute exists but is empty, as `project_id` of an unscoped token.
    fn attribute(&self, name: &str) -> Option<Option<&str>>;
}

static COMPILED: LazyLock<HashMap<&'static str, Check>> = LazyLock::new(|| {
    let all = table::RULES.iter().chain(table::SHARED);
    all.map(|(name, text)| {
        (
            *name,
            check::parse(text).expect("the table's rules are well formed"),
        )
    })
    .collect()
});

/// Whether `actor` may do what the rule named `rule` guards. An unknown rule allows nobody.
pub fn allows(rule: &str, actor: &dyn Actor, target: &Target) -> bool {
    COMPILED
        .get(rule)
        .is_some_and(|check| check.holds(&COMPILED, actor, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Someone {
        roles: Vec<&'static str>,
        domain_id: Option<&'static str>,
        project_id: Option<&'static str>,
        system: bool,
    }

    impl Actor for Someone {
        fn has_role(&self, name: &str) -> bool {
            self.roles.contains(&name)
        }

        fn attribute(&self, name: &str) -> Option<Option<&str>> {
            match name {
                "user_id" => Some(Some("me")),
                "domain_id" | "token.domain.id" => Some(self.domain_id),
                "project_id" => Some(self.project_id),
                "system_scope" => Some(self.system.then_some("all")),
                _ => None,
            }
        }
    }

    fn someone(roles: &[&'static str]) -> Someone {
        Someone {
            roles: roles.to_vec(),
            domain_id: None,
            project_id: None,
            system: false,
        }
    }

    #[test]
    fn every_route_names_a_rule_of_the_table() {
        for row in crate::routes::table() {
            if let Some(rule) = row.rule {
                assert!(
                    COMPILED.contains_key(rule),
                    "{} {} names {rule}",
                    row.verb,
                    row.path
                );
            }
        }
    }

    #[test]
    fn users_read_themselves_and_nobody_else() {
        let me = someone(&["member"]);
        let target = |id| {
            Target::default()
                .with("target.user.id", Some(id))
                .with("target.user.domain_id", Some("d"))
        };
        assert!(allows("get_user", &me, &target("me")));
        assert!(!allows("get_user", &me, &target("you")));
        let reader = Someone {
            system: true,
            ..someone(&["reader"])
        };
        assert!(allows("get_user", &reader, &target("you")));
    }

    #[test]
    fn a_domain_manager_grants_only_modest_roles_at_home() {
        let manager = Someone {
            domain_id: Some("d"),
            ..someone(&["manager", "member", "reader"])
        };
        let target = |role, home| {
            Target::default()
                .with("target.role.name", Some(role))
                .with("target.role.domain_id", None)
                .with("target.user.domain_id", Some(home))
                .with("target.project.domain_id", Some(home))
        };
        assert!(allows("create_grant", &manager, &target("member", "d")));
        assert!(!allows("create_grant", &manager, &target("admin", "d")));
        assert!(!allows(
            "create_grant",
            &manager,
            &target("member", "elsewhere")
        ));
    }

    #[test]
    fn an_empty_attribute_equals_no_empty_target() {
        let nobody = someone(&["reader", "manager"]);
        let target = Target::default()
            .with("target.project.domain_id", None)
            .with("target.group.domain_id", None);
        assert!(!allows("get_project", &nobody, &target));
        assert!(!allows("create_group", &nobody, &target));
    }
}
