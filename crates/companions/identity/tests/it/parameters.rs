//! Nothing is accepted and ignored: what queries may say, each parameter of the tables by an answer that it changes.

use identity::{Compliance, Settings};
use rest::accepted::Fate;
use serde_json::{Value, json};

use crate::cloud::{Cloud, settings};

/// A part of paths, with what stands behind it.
type Part = (&'static str, String);

/// Proved by other tests.
const ELSEWHERE: [(&str, &str); 1] = [("allow_expired", "tokens.rs")];

/// The path of a call of the tables; none for another verb.
fn path(call: &str, parts: &[Part]) -> Option<String> {
    let path = call.strip_prefix("GET ")?.to_owned();
    Some(parts.iter().fold(path, |path, (name, value)| {
        path.replace(&format!("{{{name}}}"), value)
    }))
}

/// A cloud in which every list of the tables shows something.
async fn filled(cloud: &Cloud) -> Vec<Part> {
    let make = async |kind: &str, one: &str, body: Value| cloud.make(kind, one, body).await;
    let put = async |path: String| drop(cloud.put(&path).await.expect(204));
    let admin = cloud.id("users", "admin").await;
    let demo = cloud.id("users", "demo").await;
    let reader = cloud.id("roles", "reader").await;
    let top = json!({"name": "top", "tags": ["tagged"]});
    let top = make("projects", "project", top).await;
    let below = json!({"name": "below", "parent_id": top});
    let below = make("projects", "project", below).await;
    let group = make("groups", "group", json!({"name": "group"})).await;
    put(format!("/v3/groups/{group}/users/{admin}")).await;
    put(format!("/v3/projects/{below}/users/{demo}/roles/{reader}")).await;

    let endpoints = cloud.get("/v3/endpoints").await.expect(200).body;
    let endpoint = endpoints["endpoints"][0]["id"].as_str().expect("an id");
    let body = json!({"name": "public", "filters": {"interface": "public"}});
    let of_endpoints = make("OS-EP-FILTER/endpoint_groups", "endpoint_group", body).await;
    put(format!(
        "/v3/OS-EP-FILTER/projects/{top}/endpoints/{endpoint}"
    ))
    .await;
    put(format!(
        "/v3/OS-EP-FILTER/endpoint_groups/{of_endpoints}/projects/{top}"
    ))
    .await;

    let services = cloud.get("/v3/services").await.expect(200).body;
    let service = &services["services"][0]["id"];
    let limit = json!({"service_id": service, "resource_name": "servers", "default_limit": 10});
    let limit = json!({"registered_limits": [limit]});
    cloud.post("/v3/registered_limits", limit).await.expect(201);
    let limit = json!({"service_id": service, "resource_name": "servers", "resource_limit": 3, "project_id": top});
    let limit = json!({"limits": [limit]});
    cloud.post("/v3/limits", limit).await.expect(201);

    let credential = json!({"type": "cert", "blob": "{}", "user_id": admin});
    make("credentials", "credential", credential).await;
    make(
        "policies",
        "policy",
        json!({"type": "text/plain", "blob": "x"}),
    )
    .await;
    make("OS-OAUTH1/consumers", "consumer", json!({})).await;
    let trust = json!({"impersonation": false, "trustor_user_id": admin, "trustee_user_id": demo});
    make("OS-TRUST/trusts", "trust", trust).await;
    let rule = json!({"service": "compute", "path": "/v2.1/servers", "method": "GET"});
    let key = json!({"name": "key", "access_rules": [rule]});
    let keys = format!("users/{admin}/application_credentials");
    make(&keys, "application_credential", key).await;

    let parts = vec![
        ("domain_id", "default".to_owned()),
        ("endpoint_group_id", of_endpoints),
        ("endpoint_id", endpoint.to_owned()),
        ("group_id", group),
        ("project_id", top),
        ("user_id", admin),
    ];
    for table in identity::parameters() {
        let grants = table.calls.iter().filter(|call| {
            call.ends_with("/roles") || call.ends_with("/roles/inherited_to_projects")
        });
        let grants = grants.filter(|call| call.contains("users/") || call.contains("groups/"));
        for path in grants.filter_map(|call| path(call, &parts)) {
            put(path.replace("/roles", &format!("/roles/{reader}"))).await;
        }
    }
    let token = cloud.demo().await;
    let gone = cloud.call("DELETE", "/v3/auth/tokens", &token, Some(&token), None);
    gone.await.expect(204);
    parts
}

/// What else the query says, and a value that nothing fits, or that changes what is shown.
fn example(name: &str, parts: &[Part]) -> (String, &'static str) {
    let project = parts.iter().find(|(part, _)| *part == "project_id");
    let of_project = || format!("scope.project.id={}&", project.expect("a project").1);
    let value = match name {
        "effective" | "include_names" | "include_subtree" | "is_domain" | "nocatalog"
        | "parents_as_ids" | "parents_as_list" | "subtree_as_ids" | "subtree_as_list" => "true",
        "enabled" => "false",
        "not-tags" | "not-tags-any" => "tagged",
        "password_expires_at" => "lt:2000-01-01T00:00:00Z",
        "scope.OS-INHERIT:inherited_to" => "projects",
        "scope.system" => "all",
        "since" => "2999-01-01T00:00:00Z",
        _ => "nobody",
    };
    match name {
        "include_subtree" => (of_project(), value),
        _ => (String::new(), value),
    }
}

/// The things of a list.
fn items(body: &Value) -> &[Value] {
    let mut members = body.as_object().expect("an object").values();
    let list = members.find_map(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// An answer without the links, which repeat the query.
fn shown(mut body: Value) -> Value {
    body.as_object_mut().expect("an object").remove("links");
    body
}

#[tokio::test]
async fn every_parameter_changes_the_answer_or_says_why_it_does_not() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let parts = filled(&cloud).await;
        let subject = cloud.demo().await;
        let get = async |path: &str| {
            cloud
                .call("GET", path, &cloud.admin, Some(&subject), None)
                .await
        };
        for table in identity::parameters() {
            for path in table.calls.iter().filter_map(|call| path(call, &parts)) {
                for known in &table.known {
                    let name = known.name;
                    if ELSEWHERE.iter().any(|(other, _)| *other == name) {
                        continue;
                    }
                    let (beside, value) = example(name, &parts);
                    let plain = get(&format!("{path}?{beside}")).await.expect(200).body;
                    let value = match (name, items(&plain)) {
                        // Pages are tested for themselves; a list of one has none.
                        ("limit", list) if list.len() < 2 => continue,
                        ("limit", _) => "1",
                        ("marker", list) if known.fate == Fate::Honoured => {
                            match list.first().and_then(|item| item["id"].as_str()) {
                                Some(id) => id,
                                None => continue,
                            }
                        }
                        _ => value,
                    };
                    let asked = format!("{path}?{beside}{name}={value}");
                    match known.fate {
                        Fate::NotBuilt { why, .. } => {
                            let asked = format!("{path}?{name}=true");
                            let reply = get(&asked).await.expect(501);
                            assert_eq!(reply.message(), format!("{name}: {why}"));
                        }
                        Fate::Hint(_) => {
                            let same = get(&asked).await.expect(200).body;
                            assert_eq!(shown(same), shown(plain), "{asked}");
                        }
                        _ => {
                            let other = get(&asked).await.expect(200).body;
                            assert_ne!(shown(other), shown(plain), "{asked}");
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn users_are_found_by_the_end_of_their_passwords() {
    for db in sql::testing::engines().await {
        let settings = Settings {
            compliance: Compliance {
                password_expires_days: Some(30),
                ..Compliance::default()
            },
            ..settings()
        };
        let cloud = Cloud::with(db, settings).await;
        let body = json!({"name": "new", "password": "new-secret"});
        let user = cloud.make("users", "user", body).await;
        let shown = cloud.get(&format!("/v3/users/{user}")).await.expect(200);
        let end = shown.body["user"]["password_expires_at"].as_str();
        let end = end.expect("it ends").to_owned();
        let found = async |said: &str| {
            let path = format!("/v3/users?name=new&password_expires_at={said}");
            items(&cloud.get(&path).await.expect(200).body).len()
        };
        let (before, after) = ("2000-01-01T00:00:00Z", "2999-01-01T00:00:00Z");
        for (said, count) in [
            (format!("lt:{after}"), 1),
            (format!("lt:{before}"), 0),
            (format!("gt:{before}"), 1),
            (format!("gte:{after}"), 0),
            (format!("lte:{after}"), 1),
            (format!("eq:{end}"), 1),
            (end.clone(), 1),
            (format!("neq:{end}"), 0),
            (format!("gt:{before}&password_expires_at=lt:{before}"), 0),
        ] {
            assert_eq!(found(&said).await, count, "{said}");
        }
        for wrong in ["lt:yesterday", "is:2999-01-01T00:00:00Z", "x"] {
            let path = format!("/v3/users?password_expires_at={wrong}");
            cloud.get(&path).await.expect(400);
        }
    }
}

#[tokio::test]
async fn assignments_that_are_not_inherited_can_be_asked_for_and_what_finds_nothing_is_refused() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        filled(&cloud).await;
        let list = async |query: &str| {
            let path = format!("/v3/role_assignments?{query}");
            items(&cloud.get(&path).await.expect(200).body).to_vec()
        };
        let inherits = |item: &Value| item["scope"].get("OS-INHERIT:inherited_to").is_some();
        let all = list("").await;
        let (inherited, others): (Vec<_>, Vec<_>) = all.into_iter().partition(inherits);
        assert!(!inherited.is_empty() && !others.is_empty());
        assert_eq!(
            list("scope.OS-INHERIT:inherited_to=projects").await,
            inherited
        );
        assert_eq!(list("scope.OS-INHERIT:inherited_to=none").await, others);
        for wrong in [
            "scope.system=all&scope.domain.id=default",
            "scope.system=all&scope.project.id=x",
            "effective&scope.OS-INHERIT:inherited_to=projects&scope.domain.id=default",
        ] {
            let path = format!("/v3/role_assignments?{wrong}");
            cloud.get(&path).await.expect(400);
        }
        cloud
            .get("/v3/role_assignments?effective=0&group.id=x")
            .await
            .expect(200);
    }
}
