//! The default rules of each service beside those of the real one, asked by the same people about the same things.
//!
//! `make conformance-policies` installs the real packages, has oslo.policy answer, and runs this with the answers.

use std::collections::{BTreeMap, BTreeSet};

use kilonova::docs::{Face, faces};
use serde::Deserialize;
use serde_json::{Map, Value, from_str};
use web::policy::{Policy, Rule, Scope, Subject, Target};

/// Names the file that `tools/conformance/policies.py` wrote.
const FILE: &str = "KILONOVA_TEST_POLICIES";

/// A service, its rule, and a reason.
type Note = (&'static str, &'static str, &'static str);

const DEVICES: &str =
    "ports of the service's own devices are made by itself alone, not by owners of networks";
const DISKS: &str =
    "compute works with the volumes of servers as itself: no token of a user outlives its request";
const EVENTS: &str = "the sequence of events is not in Nova";
const FETCHES: &str =
    "compute fetches the images of servers as itself: no token of a user outlives its request";
const JOURNAL: &str = "the journal of operations is not in Nova";
const PART: &str = "a part of other rules";
const STRICT: &str = "a token for a domain or the system makes no administrator of servers, also where this is asked by itself";

/// Rules that decide differently, on purpose.
#[rustfmt::skip]
const DIFFERENT: &[Note] = &[
    ("compute", "admin_api", STRICT),
    ("compute", "admin_or_owner", STRICT),
    ("compute", "context_is_admin", STRICT),
    ("compute", "project_manager_or_admin", STRICT),
    ("compute", "project_member_or_admin", STRICT),
    ("compute", "project_reader_or_admin", STRICT),
    ("compute", "service_or_admin", STRICT),
    ("image", "download_image", FETCHES),
    ("image", "get_image", FETCHES),
    ("image", "get_image_location", "where data lies is told to services and administrators: its address may open other images too"),
    ("network", "create_port:device_owner", DEVICES),
    ("network", "get_floatingip", "compute shows the addresses of servers, and asks as itself"),
    ("network", "update_port:device_owner", DEVICES),
    ("volume", "volume:attachment_complete", DISKS),
    ("volume", "volume:attachment_create", DISKS),
    ("volume", "volume:attachment_delete", DISKS),
    ("volume", "volume:attachment_update", DISKS),
    ("volume", "volume:create", DISKS),
    ("volume", "volume:create_from_image", DISKS),
    ("volume", "volume:create_snapshot", DISKS),
    ("volume", "volume:delete", DISKS),
    ("volume", "volume:delete_snapshot", DISKS),
    ("volume", "volume:get", DISKS),
    ("volume", "volume:get_all", DISKS),
    ("volume", "volume:get_snapshot", DISKS),
    ("volume", "volume:multiattach", DISKS),
    ("volume", "volume:multiattach_bootable_volume", DISKS),
    ("volume", "volume_extension:volume_actions:attach", DISKS),
    ("volume", "volume_extension:volume_actions:begin_detaching", DISKS),
    ("volume", "volume_extension:volume_actions:detach", DISKS),
    ("volume", "volume_extension:volume_actions:initialize_connection", DISKS),
    ("volume", "volume_extension:volume_actions:reserve", DISKS),
    ("volume", "volume_extension:volume_actions:roll_detaching", DISKS),
    ("volume", "volume_extension:volume_actions:terminate_connection", DISKS),
    ("volume", "volume_extension:volume_actions:unreserve", DISKS),
    ("volume", "volume_extension:volume_admin_actions:extend_volume_completion", DISKS),
    ("volume", "volume_extension:volume_encryption_metadata", DISKS),
    ("volume", "volume_extension:volume_image_metadata:show", DISKS),
    ("volume", "volume_extension:volume_tenant_attribute", DISKS),
];

/// Rules that the real service does not have.
#[rustfmt::skip]
const OURS_ALONE: &[Note] = &[
    ("compute", "os_compute_api:os-kilonova-events:index", EVENTS),
    ("compute", "os_compute_api:os-kilonova-operations:abandon", JOURNAL),
    ("compute", "os_compute_api:os-kilonova-operations:list", JOURNAL),
    ("compute", "os_compute_api:os-kilonova-operations:retry", JOURNAL),
    ("compute", "os_compute_api:os-kilonova-operations:show", JOURNAL),
    ("compute", "os_compute_api:os-kilonova-operations:undo", JOURNAL),
    ("network", "project_member", PART),
    ("network", "project_reader", PART),
    ("network", "servers_device", PART),
    ("network", "update_security_group_rule", "tags of rules are changed by it; Neutron, which has no such rule, asks `default`"),
    ("network", "update_port_binding", "without it Neutron asks `default`, and a port's project could change its binding"),
    ("volume", "project_member", PART),
    ("volume", "project_reader", PART),
    ("volume", "service_api", PART),
];

#[derive(Deserialize)]
struct People {
    callers: Vec<Caller>,
    /// By service.
    targets: BTreeMap<String, Vec<Map<String, Value>>>,
}

#[derive(Deserialize)]
struct Caller {
    name: String,
    roles: Vec<String>,
    #[serde(default)]
    service_roles: Vec<String>,
    #[serde(flatten)]
    attributes: BTreeMap<String, String>,
}

impl Subject for Caller {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    fn lacks(&self, name: &str) -> bool {
        ["domain_id", "project_id", "system_scope"].contains(&name)
            && self.attribute(name).is_none()
    }

    fn roles(&self) -> &[String] {
        &self.roles
    }

    fn service_roles(&self) -> &[String] {
        &self.service_roles
    }
}

/// A rule of a real service.
#[derive(Deserialize)]
struct Real {
    check: String,
    scopes: Vec<String>,
    /// Of oslo.policy: a digit for each caller and target, callers first.
    answers: String,
}

/// All callers with all targets of a service.
struct Cases<'a>(Vec<(&'a Caller, &'a Map<String, Value>)>);

impl<'a> Cases<'a> {
    fn of(people: &'a People, service: &str) -> Self {
        let pair = |caller| {
            people.targets[service]
                .iter()
                .map(move |target| (caller, target))
        };
        Self(people.callers.iter().flat_map(pair).collect())
    }

    /// The answers of a policy, a digit each.
    fn answers(&self, policy: &Policy, rule: &str) -> String {
        let digit = |(caller, target): &(&Caller, &Map<String, Value>)| match policy
            .enforce(rule, *caller, &facts(target))
            .is_ok()
        {
            true => '1',
            false => '0',
        };
        self.0.iter().map(digit).collect()
    }

    /// Where answers differ.
    fn differing(&self, ours: &str, theirs: &str) -> Vec<Case<'a>> {
        assert_eq!(ours.len(), theirs.len(), "the file is of other people");
        let answers = ours.chars().zip(theirs.chars());
        let cases = self.0.iter().zip(answers).filter(|(_, (a, b))| a != b);
        cases
            .map(|((caller, target), (ours, _))| Case {
                caller: &caller.name,
                target,
                allowed: ours == '1',
            })
            .collect()
    }
}

struct Case<'a> {
    caller: &'a str,
    target: &'a Map<String, Value>,
    /// By us, and not by them; or the other way round.
    allowed: bool,
}

impl Case<'_> {
    /// In Python an attribute that a caller has not equals one that the target has not; here nothing does.
    fn is_none_for_none(&self) -> bool {
        !self.allowed && self.target.values().any(Value::is_null)
    }
}

impl std::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let target = self.target["name"].as_str().unwrap_or_default();
        let here = if self.allowed { "allowed" } else { "denied" };
        write!(f, "{} on {target:?}: {here} here", self.caller)
    }
}

fn facts(target: &Map<String, Value>) -> Target<'_> {
    let facts = target.iter().filter(|(name, _)| *name != "name");
    facts.fold(Target::new(), |facts, (name, value)| {
        facts.with_option(name, value.as_str())
    })
}

/// Their rules for our evaluator.
fn read(rules: &BTreeMap<String, Real>) -> Policy {
    let scope = |name: &String| match name.as_str() {
        "system" => Scope::System,
        "domain" => Scope::Domain,
        "project" => Scope::Project,
        other => panic!("no scope: {other}"),
    };
    let table: Vec<Rule> = rules
        .iter()
        .map(|(name, rule)| Rule {
            name: name.clone().leak(),
            check: rule.check.clone().leak(),
            scope_types: rule.scopes.iter().map(scope).collect::<Vec<_>>().leak(),
            description: "",
            operations: &[],
        })
        .collect();
    Policy::new(&[table.leak()]).expect("the rules of the real service are in the language")
}

fn compare(face: &Face, people: &People, theirs: &BTreeMap<String, Real>, wrong: &mut Vec<String>) {
    let service = face.name;
    let cases = Cases::of(people, service);
    let policy = Policy::new(&face.rules).expect("the rules are in the language");
    let real = read(theirs);
    let mut alone = BTreeSet::new();
    let mut different = BTreeSet::new();
    for (name, rule) in theirs {
        let evaluated = cases.answers(&real, name);
        for case in cases.differing(&evaluated, &rule.answers) {
            if !case.is_none_for_none() {
                wrong.push(format!(
                    "{service} {name}: the evaluator and oslo.policy disagree about {case}"
                ));
            }
        }
    }
    for rule in policy.rules() {
        let Some(_) = theirs.get(rule.name) else {
            alone.insert(rule.name);
            continue;
        };
        let ours = cases.answers(&policy, rule.name);
        let found = cases.differing(&ours, &cases.answers(&real, rule.name));
        if found.is_empty() {
            continue;
        }
        different.insert(rule.name);
        if !noted(DIFFERENT, service).contains(rule.name) {
            let all: Vec<_> = found.iter().map(ToString::to_string).collect();
            wrong.push(format!("{service} {}: {}", rule.name, all.join("; ")));
        }
    }
    for (what, table, found) in [
        ("decides differently", DIFFERENT, different),
        ("is ours alone", OURS_ALONE, alone),
    ] {
        let noted = noted(table, service);
        for rule in noted.symmetric_difference(&found) {
            let found = found.contains(rule);
            wrong.push(format!(
                "{service} {rule}: it {what}: found {found}, in the table {}",
                noted.contains(rule)
            ));
        }
    }
    let has = |name: &str| policy.rules().any(|rule| rule.name == name);
    let missing: Vec<_> = theirs.keys().filter(|name| !has(name)).collect();
    let shared = theirs.len() - missing.len();
    println!("{service}: {shared} rules compared; not here: {missing:?}");
}

fn noted(table: &[Note], service: &str) -> BTreeSet<&'static str> {
    let own = table.iter().filter(|(of, ..)| *of == service);
    own.map(|(_, rule, _)| *rule).collect()
}

#[test]
#[ignore = "needs the answers of the real services: make conformance-policies"]
fn rules_decide_as_those_of_the_real_services() {
    #[allow(clippy::disallowed_methods)] // what the test is given, as services of tests are
    let file = std::env::var(FILE).expect("make conformance-policies sets it");
    let text = std::fs::read_to_string(file).expect("a file");
    let real: BTreeMap<String, BTreeMap<String, Real>> = from_str(&text).expect("answers");
    let people: People = from_str(include_str!("policies/people.json")).expect("people");
    let mut wrong = Vec::new();
    // Placement has no rule yet.
    for face in faces().iter().filter(|face| !face.rules.is_empty()) {
        compare(face, &people, &real[face.name], &mut wrong);
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
