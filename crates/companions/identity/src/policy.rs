//! Who may do what: Keystone's default rules as a table ([`table`]), in the language of [`web::policy`].

use std::path::Path;

use web::policy::{Policy, PolicyError, Rule};

pub mod table;

/// All rules.
pub const TABLES: &[&[Rule]] = &[table::SHARED, table::RULES];

/// The defaults with an operator's changes.
pub fn load(file: Option<&Path>) -> Result<Policy, PolicyError> {
    Policy::load(TABLES, file)
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

    /// Features that are not built; their routes answer 501 without asking.
    const NOT_BUILT: &[&str] = &[
        "_access_token",
        "_endpoints_for_policy",
        "_identity_provider",
        "_mapping",
        "_policy_association",
        "_policy_for_endpoint",
        "_protocol",
        "_service_provider",
        "authorize_request_token",
        "ec2tokens_validate",
        "s3tokens_validate",
    ];

    /// Rules that nobody asks, and why.
    const NOT_ASKED: &[(&str, &str)] = &[
        (
            "list_domains_for_user",
            "GET /v3/auth/domains is guarded by get_auth_domains",
        ),
        (
            "list_projects_for_user",
            "GET /v3/auth/projects is guarded by get_auth_projects",
        ),
        (
            "revocation_list",
            "the list of revoked PKI tokens went with them",
        ),
    ];

    #[test]
    fn every_rule_is_asked() {
        let code = sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
        let asked = |name: &str| {
            // Rules about the roles of a domain are composed (`api/roles.rs`).
            let plain = name.strip_suffix("_domain_role");
            let plain = plain.map_or(name.to_owned(), |verb| format!("{verb}_role"));
            code.contains(&format!("\"{plain}\""))
        };
        for rule in table::RULES {
            let name = rule.name.trim_start_matches("identity:");
            let excused = NOT_ASKED.iter().any(|(known, _)| *known == name)
                || NOT_BUILT.iter().any(|part| name.contains(part));
            assert_ne!(
                asked(name),
                excused,
                "{name}: asked, or excused with a reason, not both"
            );
        }
    }

    /// The code of this crate, the rules and these tests left out.
    fn sources(folder: &Path) -> String {
        let mut all = String::new();
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                all += &sources(&path);
            } else if !path.ends_with("policy/table.rs") && !path.ends_with("src/policy.rs") {
                all += &std::fs::read_to_string(&path).expect("text");
            }
        }
        all
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
