//! Who may do what: Keystone's default rules as a table ([`table`]), in the language of [`web::policy`].

use std::path::Path;

use web::policy::{Policy, PolicyError};

pub mod table;

/// The defaults with an operator's changes.
pub fn load(file: Option<&Path>) -> Result<Policy, PolicyError> {
    Policy::load(&[table::SHARED, table::RULES], file)
}

#[cfg(test)]
mod tests {
    use web::policy::{Subject, Target};

    use super::*;

    struct Someone {
        roles: Vec<String>,
        domain_id: Option<&'static str>,
        system: bool,
    }

    impl Subject for Someone {
        fn attribute(&self, name: &str) -> Option<&str> {
            match name {
                "user_id" => Some("me"),
                "domain_id" | "token.domain.id" => self.domain_id,
                "system_scope" => self.system.then_some("all"),
                _ => None,
            }
        }

        fn lacks(&self, name: &str) -> bool {
            name == "domain_id" && self.domain_id.is_none()
        }

        fn roles(&self) -> &[String] {
            &self.roles
        }

        fn service_roles(&self) -> &[String] {
            &[]
        }
    }

    fn someone(roles: &[&str]) -> Someone {
        Someone {
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            domain_id: None,
            system: false,
        }
    }

    fn allows(rule: &str, who: &Someone, target: &Target<'_>) -> bool {
        let policy = load(None).expect("the defaults are in the language");
        policy
            .enforce(&format!("identity:{rule}"), who, target)
            .is_ok()
    }

    #[test]
    fn every_route_names_a_rule_of_the_table() {
        for row in crate::routes::table() {
            if let Some(rule) = row.rule {
                let name = format!("identity:{rule}");
                assert!(
                    table::RULES.iter().any(|rule| rule.name == name),
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
            Target::new()
                .with("target.user.id", id)
                .with("target.user.domain_id", "d")
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
        let target = |role: &'static str, home: &'static str| {
            Target::new()
                .with("target.role.name", role)
                .with_option("target.role.domain_id", None::<&str>)
                .with("target.user.domain_id", home)
                .with("target.project.domain_id", home)
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
        let target = Target::new()
            .with_option("target.project.domain_id", None::<&str>)
            .with_option("target.group.domain_id", None::<&str>);
        assert!(!allows("get_project", &nobody, &target));
        assert!(!allows("create_group", &nobody, &target));
    }

    #[test]
    fn a_manager_lists_roles_only_with_a_token_for_a_domain() {
        let of_a_domain = Someone {
            domain_id: Some("d"),
            ..someone(&["manager"])
        };
        assert!(allows("list_roles", &of_a_domain, &Target::new()));
        assert!(!allows(
            "list_roles",
            &someone(&["manager"]),
            &Target::new()
        ));
    }
}
