//! The language against the answers of the real oslo.policy, and what is ours: files, scopes, swaps.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use serde_json::Value;

use super::file::{self, Text};
use super::{Denied, Policy, PolicyError, Rule, Scope, Subject, Target, compile};

#[derive(Default)]
struct Somebody {
    attributes: HashMap<String, String>,
    roles: Vec<String>,
    service_roles: Vec<String>,
}

impl Subject for Somebody {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
    fn roles(&self) -> &[String] {
        &self.roles
    }
    fn service_roles(&self) -> &[String] {
        &self.service_roles
    }
}

fn somebody(roles: &[&str], attributes: &[(&str, &str)]) -> Somebody {
    let own = |text: &&str| (*text).to_owned();
    Somebody {
        attributes: attributes
            .iter()
            .map(|(name, value)| (own(name), own(value)))
            .collect(),
        roles: roles.iter().map(own).collect(),
        service_roles: Vec::new(),
    }
}

fn from_json(value: &Value) -> Somebody {
    let mut subject = Somebody::default();
    for (name, value) in value.as_object().unwrap() {
        let list = || {
            value
                .as_array()
                .unwrap()
                .iter()
                .map(|role| role.as_str().unwrap().to_owned())
                .collect()
        };
        match name.as_str() {
            "roles" => subject.roles = list(),
            "service_roles" => subject.service_roles = list(),
            name => drop(
                subject
                    .attributes
                    .insert(name.to_owned(), value.as_str().unwrap().to_owned()),
            ),
        }
    }
    subject
}

const RULES: &[Rule] = &[
    Rule {
        name: "admin",
        check: "role:admin",
        scope_types: &[],
        description: "",
        operations: &[],
    },
    Rule {
        name: "member_or_admin",
        check: "(role:member and project_id:%(project_id)s) or rule:admin",
        scope_types: &[Scope::Project],
        description: "",
        operations: &[("GET", "/servers")],
    },
];

#[test]
fn every_answer_is_that_of_oslo_policy() {
    let book: Value = serde_json::from_str(include_str!("oslo/answers.json")).unwrap();
    let callers: Vec<_> = book["callers"]
        .as_array()
        .unwrap()
        .iter()
        .map(from_json)
        .collect();
    let targets: Vec<Target<'_>> = book["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| {
            let values = target.as_object().unwrap().iter();
            values.fold(Target::new(), |target, (name, value)| {
                target.with(name, value.as_str().unwrap())
            })
        })
        .collect();
    let named = file::read(&book["named"].to_string()).unwrap();
    let mut allowed = 0;
    let mut refused_to_parse = Vec::new();
    let cases = book["cases"].as_array().unwrap();
    for case in cases {
        let (text, expected) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        let mut rules = named.clone();
        rules.push(("case".to_owned(), Text::Rule(text.to_owned())));
        let compiled = match compile(&[], &rules) {
            Ok(compiled) => compiled,
            Err(_) => {
                // oslo.policy lets such a rule deny everybody.
                assert!(!expected.contains('1'), "{text:?} is a rule");
                refused_to_parse.push(text);
                continue;
            }
        };
        let check = &compiled.rules["case"].check;
        let answers = callers.iter().flat_map(|caller| {
            let compiled = &compiled;
            targets.iter().map(move |target| {
                if compiled.passes(check, caller, target) {
                    '1'
                } else {
                    '0'
                }
            })
        });
        let answers: String = answers.collect();
        assert_eq!(answers, expected, "{text:?}");
        allowed += answers.matches('1').count();
    }
    assert!(
        cases.len() > 500 && allowed > 2000,
        "{} cases, {allowed} allowed",
        cases.len()
    );
    assert_eq!(refused_to_parse.len(), 12, "{refused_to_parse:?}");
}

#[test]
fn a_scope_that_a_rule_does_not_list_is_denied() {
    let policy = Policy::new(&[RULES]).unwrap();
    let target = Target::project("p1");
    let admin = somebody(&["admin"], &[("project_id", "p2")]);
    assert_eq!(policy.enforce("member_or_admin", &admin, &target), Ok(()));
    let system = somebody(&["admin"], &[("system_scope", "all")]);
    assert_eq!(policy.enforce("admin", &system, &target), Ok(()));
    let denied = policy
        .enforce("member_or_admin", &system, &target)
        .unwrap_err();
    assert_eq!(
        denied.to_string(),
        "Policy doesn't allow member_or_admin to be performed."
    );
    let domain = somebody(&["admin"], &[("domain_id", "d1")]);
    assert!(policy.enforce("member_or_admin", &domain, &target).is_err());
}

#[test]
fn a_project_is_not_anothers_and_an_unknown_rule_denies() {
    let policy = Policy::new(&[RULES]).unwrap();
    let member = somebody(&["Member"], &[("project_id", "p1")]);
    assert!(
        policy
            .enforce("member_or_admin", &member, &Target::project("p1"))
            .is_ok()
    );
    assert!(
        policy
            .enforce("member_or_admin", &member, &Target::project("p2"))
            .is_err()
    );
    assert!(
        policy
            .enforce("member_or_admin", &member, &Target::new())
            .is_err()
    );
    assert_eq!(
        policy.enforce("nonsense", &member, &Target::new()),
        Err(Denied {
            rule: "nonsense".to_owned()
        })
    );
    // No project on either side is not the same project.
    let nobody = somebody(&["member"], &[]);
    let nowhere = Target::new().with_option("project_id", None::<&str>);
    assert!(
        policy
            .enforce("member_or_admin", &nobody, &nowhere)
            .is_err()
    );
}

#[test]
fn the_constant_none_is_what_a_caller_has_not() {
    struct OfProject(Vec<String>);
    impl Subject for OfProject {
        fn attribute(&self, name: &str) -> Option<&str> {
            (name == "project_id").then_some("p1")
        }
        fn lacks(&self, name: &str) -> bool {
            matches!(name, "domain_id" | "system_scope")
        }
        fn roles(&self) -> &[String] {
            &self.0
        }
        fn service_roles(&self) -> &[String] {
            &self.0
        }
    }
    let nowhere = Target::new().with_option("domain_id", None::<&str>);
    let passes = |rule: &str| {
        let compiled = compile(&[], &file::read(&format!("rule: \"{rule}\"")).unwrap()).unwrap();
        compiled.passes(
            &compiled.rules["rule"].check,
            &OfProject(Vec::new()),
            &nowhere,
        )
    };
    assert!(passes("domain_id:None") && passes("system:None"));
    assert!(!passes("not domain_id:None"));
    // What the caller has, what no caller has, and what the target says are other questions.
    assert!(!passes("project_id:None") && !passes("colour:None"));
    assert!(!passes("domain_id:%(domain_id)s") && !passes("role:None"));
}

#[test]
fn an_operators_file_changes_rules_while_requests_run() {
    let path = std::env::temp_dir().join(format!("policy-{}.yaml", uuid::Uuid::new_v4()));
    let missing = Policy::load(&[RULES], Some(&path)).err().unwrap();
    assert!(
        matches!(missing, PolicyError::Unreadable { .. }),
        "{missing}"
    );
    std::fs::write(&path, "").unwrap();
    let policy = Policy::load(&[RULES], Some(&path)).unwrap();
    let (reader, target) = (
        somebody(&["auditor"], &[("project_id", "p1")]),
        Target::project("p1"),
    );
    assert!(policy.enforce("member_or_admin", &reader, &target).is_err());
    std::fs::write(
        &path,
        "\"member_or_admin\": \"rule:mine\"\n\"mine\": \"role:auditor\"\n",
    )
    .unwrap();
    policy.reload().unwrap();
    assert!(policy.enforce("member_or_admin", &reader, &target).is_ok());
    // The scopes are the service's: a file cannot widen them.
    let system = somebody(&["auditor"], &[("system_scope", "all")]);
    assert!(policy.enforce("member_or_admin", &system, &target).is_err());
    std::fs::write(&path, "\"member_or_admin\": \"role:\" or\n").unwrap();
    assert!(policy.reload().is_err());
    assert!(policy.enforce("member_or_admin", &reader, &target).is_ok());
    std::fs::remove_file(&path).unwrap();
    assert!(policy.reload().is_err());
    assert!(policy.enforce("member_or_admin", &reader, &target).is_ok());
    std::fs::write(&path, "# the defaults\n").unwrap();
    policy.reload().unwrap();
    assert!(policy.enforce("member_or_admin", &reader, &target).is_err());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_default_rule_answers_for_missing_ones() {
    let changes = file::read("default: role:helper\nuses: rule:missing\n").unwrap();
    let compiled = compile(&[], &changes).unwrap();
    let helper = somebody(&["helper"], &[]);
    for name in ["uses", "never heard of"] {
        let entry = compiled.entry(name).unwrap();
        assert!(
            compiled.passes(&entry.check, &helper, &Target::new()),
            "{name}"
        );
        assert!(
            !compiled.passes(&entry.check, &somebody(&[], &[]), &Target::new()),
            "{name}"
        );
    }
}

#[test]
fn rules_that_refer_to_themselves_are_refused() {
    for text in [
        "a: rule:a",
        "a: rule:b or @\nb: not rule:c\nc: role:x and rule:a",
        "default: rule:missing",
    ] {
        let error = compile(&[], &file::read(text).unwrap()).err().unwrap();
        assert!(
            matches!(error, PolicyError::Cycle { .. }),
            "{text}: {error}"
        );
    }
    // Used twice is no cycle.
    assert!(
        compile(
            &[],
            &file::read("a: rule:b and rule:c\nb: rule:c\nc: role:x").unwrap()
        )
        .is_ok()
    );
}

#[test]
fn rules_may_be_wide_and_not_deep() {
    let refused = |text: &str| super::parse::rule(text) == Err(super::Malformed::TooDeep);
    let nested = |open: &str, many: usize, close: &str| {
        format!("{}role:a{}", open.repeat(many), close.repeat(many))
    };
    for (open, close, each) in [
        ("(", ")", 1),
        ("not ", "", 1),
        ("not (", ")", 2),
        ("(not not ", ")", 3),
    ] {
        assert!(
            super::parse::rule(&nested(open, 50 / each, close)).is_ok(),
            "{open}"
        );
        assert!(refused(&nested(open, 50 / each + 1, close)), "{open}");
        assert!(refused(&nested(open, 100_000, close)), "{open}");
    }
    let wide = vec!["(not role:a and role:%(b)s)"; 1000].join(" or ");
    assert!(super::parse::rule(&wide).is_ok());
}

#[test]
fn rules_that_take_too_much_to_answer_are_refused() {
    let refused = |text: &str| {
        let error = compile(&[], &file::read(text).unwrap()).err();
        error.is_some_and(|error| matches!(error, PolicyError::TooLarge { .. }))
    };
    let chain = |length: usize| {
        let rules = (0..length).map(|rule| format!("r{rule}: rule:r{}\n", rule + 1));
        format!("{}r{length}: role:x\n", rules.collect::<String>())
    };
    assert!(!refused(&chain(150)));
    assert!(refused(&chain(250)));
    // By far too long for any stack, were it followed to its end.
    assert!(refused(&chain(100_000)));

    let doubling = |levels: usize| {
        let rules =
            (0..levels).map(|level| format!("d{level}: rule:d{0} or rule:d{0}\n", level + 1));
        format!("{}d{levels}: role:x\n", rules.collect::<String>())
    };
    assert!(!refused(&doubling(10)));
    assert!(refused(&doubling(60)), "2^60 checks");

    // Each of these is as deep as a rule may be.
    let deep = "(not ".repeat(24);
    let rules =
        (0..10).map(|rule| format!("p{rule}: \"{deep}rule:p{}{}\"\n", rule + 1, ")".repeat(24)));
    assert!(refused(&rules.collect::<String>()));
}

#[test]
fn what_is_no_rule_is_told() {
    let deep = format!("{}role:a{}", "(".repeat(100_000), ")".repeat(100_000));
    let negated = format!("{}role:a", "not ".repeat(100_000));
    let texts = [
        "role:a or",
        "admin",
        "http://example.org/check",
        "project_id:%(project_id)d",
        "project_id:100%",
        "'a\\n':x",
        "field:networks",
        "field:networks:shared",
        "field:networks:=True",
        "field:port:device_owner=~^(compute|network):",
        &deep,
        &negated,
    ];
    for text in texts {
        let changes = [("rule".to_owned(), Text::Rule(text.to_owned()))];
        let error = compile(&[], &changes).err().unwrap();
        assert!(matches!(error, PolicyError::Malformed { .. }), "{error}");
    }
}

#[test]
fn neutrons_fields_are_attributes_of_the_target() {
    let changes = [
        (
            "external",
            "not field:networks:router:external=True or role:admin",
        ),
        ("router", "field:port:device_owner=~^network:router"),
    ]
    .map(|(name, text)| (name.to_owned(), Text::Rule(text.to_owned())));
    let compiled = compile(&[], &changes).unwrap();
    let passes = |rule: &str, target: &Target<'_>| {
        compiled.passes(&compiled.rules[rule].check, &somebody(&[], &[]), target)
    };
    assert!(passes("external", &Target::new()));
    assert!(passes(
        "external",
        &Target::new().with_bool("router:external", false)
    ));
    assert!(!passes(
        "external",
        &Target::new().with_bool("router:external", true)
    ));
    let device = |owner| Target::new().with("device_owner", owner);
    assert!(passes("router", &device("network:router_gateway")));
    assert!(!passes("router", &device("network:dhcp")));
    assert!(!passes("router", &device("compute:network:router")));
    assert!(!passes("router", &Target::new()));
}

#[test]
fn files_are_read_as_operators_write_them() {
    let yaml = "---\n# What a generator writes:\n#\"commented\": \"role:x\"\n\n\"os_compute_api:servers:create\": \"rule:a\"\n\
                os_compute_api:servers:show:  role:reader   # plain\n'single': 'it''s:%(x)s'\n\"empty\": \"\"  # all\n\
                \"escaped\": \"\\\"x\\\":%(y)s\"\n\"list\": [[\"role:a\", \"role:b\"], \"role:c\"]\n";
    let rules = file::read(yaml).unwrap();
    let text = |name: &str| match &rules.iter().find(|(key, _)| key == name).unwrap().1 {
        Text::Rule(rule) => rule.clone(),
        Text::List(list) => format!("{list:?}"),
    };
    assert_eq!(rules.len(), 6);
    assert_eq!(text("os_compute_api:servers:create"), "rule:a");
    assert_eq!(text("os_compute_api:servers:show"), "role:reader");
    assert_eq!(text("single"), "it's:%(x)s");
    assert_eq!(text("empty"), "");
    assert_eq!(text("escaped"), "\"x\":%(y)s");
    assert_eq!(text("list"), "[[\"role:a\", \"role:b\"], [\"role:c\"]]");
    assert_eq!(file::read("{\"a\": \"@\", \"b\": []}").unwrap().len(), 2);
    assert!(file::read("{}").unwrap().is_empty() && file::read("").unwrap().is_empty());
}

#[test]
fn files_that_could_be_misread_are_refused() {
    let texts = [
        "a:",
        "a: ",
        "a: # nothing",
        "a: !",
        "a: @",
        "a: \"x\" or \"y\"",
        "a: \"x",
        "  a: b:c",
        "a: >\n  role:x",
        "a: role:x\na: role:y",
        "a: role:x\n  or role:y",
        "just text",
        "{\"a\": 1}",
        "{\"a\": [[1]]}",
        "{",
        "- a: b:c",
        ": role:x",
    ];
    for text in texts {
        assert!(file::read(text).is_err(), "{text:?}");
    }
}

#[test]
fn an_administrator_is_whom_one_rule_says() {
    const TABLE: &[Rule] = &[
        Rule {
            name: "context_is_admin",
            check: "role:admin",
            scope_types: &[],
            description: "",
            operations: &[],
        },
        Rule {
            name: "old",
            check: "is_admin:True or not is_admin:False",
            scope_types: &[],
            description: "",
            operations: &[],
        },
    ];
    let folder = std::env::temp_dir().join(format!("policy-{}", uuid::Uuid::new_v4()));
    std::fs::write(
        &folder,
        "context_is_admin: role:operator\nmine: role:mine\n",
    )
    .unwrap();
    let policy = Policy::load(&[TABLE], Some(&folder)).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let passes = |rule: &str, role: &str| {
        let caller = somebody(&[role], &[("is_admin", "True")]);
        policy.enforce(rule, &caller, &Target::new()).is_ok()
    };
    assert!(passes("old", "operator") && policy.is_admin(&somebody(&["operator"], &[])));
    assert!(!passes("old", "admin") && !policy.is_admin(&somebody(&["admin"], &[])));
    assert!(policy.knows("mine") && !policy.knows("yours"));
    assert_eq!(policy.rules_below("mi"), ["ne"]);
}
