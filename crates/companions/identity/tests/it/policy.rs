//! Who may do what, and what those hear who may not.

use rest::Access;
use serde_json::json;

use crate::cloud::{Cloud, password};

#[tokio::test]
async fn a_member_reads_themselves_and_their_project_and_nothing_else() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let demo = cloud.demo().await;
    let (me, other) = (
        cloud.id("users", "demo").await,
        cloud.id("users", "admin").await,
    );
    let (mine, theirs) = (
        cloud.id("projects", "demo").await,
        cloud.id("projects", "admin").await,
    );
    for (path, status) in [
        (format!("/v3/users/{me}"), 200),
        (format!("/v3/users/{other}"), 403),
        (format!("/v3/projects/{mine}"), 200),
        (format!("/v3/projects/{theirs}"), 403),
        ("/v3/users/unknown".to_owned(), 403),
        ("/v3/users".to_owned(), 403),
        ("/v3/regions".to_owned(), 200),
        ("/v3/auth/projects".to_owned(), 200),
    ] {
        let reply = cloud.call("GET", &path, &demo, None, None).await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.body);
    }
    let refused = cloud
        .call("GET", "/v3/users", &demo, None, None)
        .await
        .expect(403);
    assert_eq!(
        refused.message(),
        "You are not authorized to perform the requested action: identity:list_users."
    );
    let body = Some(json!({"user": {"name": "x"}}));
    cloud
        .call("POST", "/v3/users", &demo, None, body)
        .await
        .expect(403);
}

#[tokio::test]
async fn a_domain_manager_manages_people_at_home_only() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let domain = cloud
        .make("domains", "domain", json!({"name": "home"}))
        .await;
    let boss = cloud
        .make(
            "users",
            "user",
            json!({"name": "boss", "password": "pw", "domain_id": domain}),
        )
        .await;
    let (manager, admin) = (
        cloud.id("roles", "manager").await,
        cloud.id("roles", "admin").await,
    );
    let member = cloud.id("roles", "member").await;
    cloud
        .put(&format!(
            "/v3/domains/{domain}/users/{boss}/roles/{manager}"
        ))
        .await
        .expect(204);
    let auth = json!({
        "identity": {"methods": ["password"], "password": {"user": {"id": boss, "password": "pw"}}},
        "scope": {"domain": {"id": domain}},
    });
    let token = cloud.log_in(auth).await.expect(201).subject();
    let post = async |path: &str, body| cloud.call("POST", path, &token, None, Some(body)).await;
    let project = post("/v3/projects", json!({"project": {"name": "p"}}))
        .await
        .expect(201);
    assert_eq!(project.body["project"]["domain_id"], domain);
    let user = post(
        "/v3/users",
        json!({"user": {"name": "u", "domain_id": domain}}),
    )
    .await
    .expect(201);
    post(
        "/v3/users",
        json!({"user": {"name": "u", "domain_id": "default"}}),
    )
    .await
    .expect(403);
    let grant = |role: &str| {
        let (project, user) = (&project.body["project"]["id"], &user.body["user"]["id"]);
        format!(
            "/v3/projects/{}/users/{}/roles/{role}",
            project.as_str().expect("id"),
            user.as_str().expect("id")
        )
    };
    cloud
        .call("PUT", &grant(&member), &token, None, None)
        .await
        .expect(204);
    cloud
        .call("PUT", &grant(&admin), &token, None, None)
        .await
        .expect(403);
    let seen = cloud
        .call("GET", "/v3/users", &token, None, None)
        .await
        .expect(200);
    assert!(
        seen.body["users"]
            .as_array()
            .expect("list")
            .iter()
            .all(|user| user["domain_id"] == domain)
    );
}

#[tokio::test]
async fn without_a_token_only_versions_are_shown() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let root = cloud.call("GET", "/", "", None, None).await.expect(300);
    assert_eq!(
        root.body["versions"]["values"][0]["links"][0]["href"],
        "http://cloud/v3/"
    );
    cloud.call("GET", "/v3", "", None, None).await.expect(200);
    let refused = cloud
        .call("GET", "/v3/projects", "", None, None)
        .await
        .expect(401);
    assert!(
        refused.headers["www-authenticate"]
            .to_str()
            .expect("text")
            .starts_with("Keystone uri=")
    );
    cloud
        .call("GET", "/v3/projects", "gAAAAnonsense", None, None)
        .await
        .expect(401);
    cloud
        .call("GET", "/v3/nowhere", "", None, None)
        .await
        .expect(404);
    cloud
        .call("PUT", "/v3/projects", "", None, None)
        .await
        .expect(405);
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let reply = cloud
        .get("/v3/OS-FEDERATION/identity_providers")
        .await
        .expect(501);
    assert_eq!(
        reply.message(),
        "GET /v3/OS-FEDERATION/identity_providers is not built yet."
    );
}

#[tokio::test]
async fn every_guarded_route_refuses_a_stranger() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    for call in identity::calls() {
        if matches!(call.access, Access::Rule(_)) {
            let (verb, path) = (call.verb.to_string(), call.path.replace(['{', '}'], ""));
            let reply = cloud.call(&verb, &path, "", None, Some(json!({}))).await;
            assert_eq!(reply.status.as_u16(), 401, "{verb} {path}");
        }
    }
    cloud
        .log_in(password("demo", "demo-secret", None))
        .await
        .expect(201);
}

#[tokio::test]
async fn an_administrator_of_a_domain_is_none_of_the_cloud() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let home = json!({"name": "home"});
    let domain = cloud.make("domains", "domain", home).await;
    let boss = json!({"name": "boss", "password": "pw", "domain_id": domain});
    let boss = cloud.make("users", "user", boss).await;
    let admin = cloud.id("roles", "admin").await;
    let grant = format!("/v3/domains/{domain}/users/{boss}/roles/{admin}");
    cloud.put(&grant).await.expect(204);
    let auth = json!({
        "identity": {"methods": ["password"], "password": {"user": {"id": boss, "password": "pw"}}},
        "scope": {"domain": {"id": domain}},
    });
    let token = cloud.log_in(auth).await.expect(201).subject();
    let ask = async |verb: &str, path: &str, body| {
        let reply = cloud.call(verb, path, &token, None, body).await;
        reply.status.as_u16()
    };
    let user = json!({"user": {"name": "u", "domain_id": domain}});
    assert_eq!(ask("POST", "/v3/users", Some(user)).await, 201);
    for (path, body) in [
        ("/v3/domains", json!({"domain": {"name": "x"}})),
        ("/v3/regions", json!({"region": {"description": "x"}})),
        ("/v3/roles", json!({"role": {"name": "x"}})),
        ("/v3/services", json!({"service": {"type": "x"}})),
    ] {
        assert_eq!(ask("POST", path, Some(body)).await, 403, "{path}");
    }
    let on_system = format!("/v3/system/users/{boss}/roles/{admin}");
    assert_eq!(ask("PUT", &on_system, None).await, 403);
    assert_eq!(ask("GET", "/v3/services", None).await, 403);
}

#[test]
fn every_call_names_a_rule_of_the_table() {
    let rules = || identity::POLICY_TABLES.iter().flat_map(|table| *table);
    for line in identity::calls() {
        if let Access::Rule(rule) = line.access {
            let name = format!("identity:{rule}");
            assert!(
                rules().any(|rule| rule.name == name),
                "{} {} names {rule}",
                line.verb,
                line.path
            );
        }
    }
}
