//! What people of one domain cannot do to those of another, and what those who act for somebody
//! cannot make of it.

use identity::{Compliance, Settings};
use serde_json::{Value, json};

use crate::cloud::{Cloud, Reply, password, settings};

/// A domain with a user, a project, a group, and a manager with a token for the domain.
struct Domain {
    id: String,
    user: String,
    project: String,
    group: String,
    token: String,
}

async fn domain(cloud: &Cloud, name: &str) -> Domain {
    let id = cloud.make("domains", "domain", json!({"name": name})).await;
    let home = |more: Value| {
        let mut body = json!({"name": name, "domain_id": id});
        let all = body.as_object_mut().expect("object");
        all.extend(more.as_object().cloned().unwrap_or_default());
        body
    };
    let user = cloud.make("users", "user", home(json!({}))).await;
    let project = cloud.make("projects", "project", home(json!({}))).await;
    let group = cloud.make("groups", "group", home(json!({}))).await;
    let boss = json!({"name": "boss", "password": "pw"});
    let boss = cloud.make("users", "user", home(boss)).await;
    let manager = cloud.id("roles", "manager").await;
    let grant = format!("/v3/domains/{id}/users/{boss}/roles/{manager}");
    cloud.put(&grant).await.expect(204);
    let auth = json!({
        "identity": {"methods": ["password"], "password": {"user": {"id": boss, "password": "pw"}}},
        "scope": {"domain": {"id": id}},
    });
    let token = cloud.log_in(auth).await.expect(201).subject();
    Domain {
        id,
        user,
        project,
        group,
        token,
    }
}

fn ids(reply: &Reply, kind: &str) -> Vec<String> {
    let all = reply.body[kind].as_array().expect("a list").iter();
    all.map(|one| one["id"].as_str().expect("id").to_owned())
        .collect()
}

#[tokio::test]
async fn a_domain_manager_has_no_hand_in_another_domain() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let (mine, theirs) = (domain(&cloud, "mine").await, domain(&cloud, "theirs").await);
        let member = cloud.id("roles", "member").await;
        let Domain {
            id,
            user,
            project,
            group,
            ..
        } = &theirs;
        let change = Some(json!({"user": {"enabled": false}}));
        let rename = |kind: &str| Some(json!({kind: {"name": "taken"}}));
        let into = Some(json!({"project": {"name": "x", "parent_id": project}}));
        for (verb, path, body) in [
            ("GET", format!("/v3/domains/{id}"), None),
            ("PATCH", format!("/v3/domains/{id}"), rename("domain")),
            ("GET", format!("/v3/users/{user}"), None),
            ("PATCH", format!("/v3/users/{user}"), change),
            ("DELETE", format!("/v3/users/{user}"), None),
            ("GET", format!("/v3/users/{user}/projects"), None),
            ("GET", format!("/v3/users/{user}/groups"), None),
            (
                "GET",
                format!("/v3/users/{user}/application_credentials"),
                None,
            ),
            ("GET", format!("/v3/users/{user}/access_rules"), None),
            ("GET", format!("/v3/users/{user}/credentials/OS-EC2"), None),
            ("GET", format!("/v3/projects/{project}"), None),
            (
                "PATCH",
                format!("/v3/projects/{project}"),
                rename("project"),
            ),
            ("DELETE", format!("/v3/projects/{project}"), None),
            ("PUT", format!("/v3/projects/{project}/tags/x"), None),
            ("POST", "/v3/projects".to_owned(), into),
            ("GET", format!("/v3/groups/{group}"), None),
            ("PATCH", format!("/v3/groups/{group}"), rename("group")),
            ("DELETE", format!("/v3/groups/{group}"), None),
            ("GET", format!("/v3/groups/{group}/users"), None),
            (
                "PUT",
                format!("/v3/groups/{group}/users/{}", mine.user),
                None,
            ),
            (
                "PUT",
                format!("/v3/groups/{}/users/{user}", mine.group),
                None,
            ),
            (
                "PUT",
                format!("/v3/projects/{project}/users/{}/roles/{member}", mine.user),
                None,
            ),
            (
                "PUT",
                format!("/v3/projects/{}/users/{user}/roles/{member}", mine.project),
                None,
            ),
            (
                "PUT",
                format!(
                    "/v3/projects/{project}/groups/{}/roles/{member}",
                    mine.group
                ),
                None,
            ),
            (
                "PUT",
                format!("/v3/domains/{id}/users/{}/roles/{member}", mine.user),
                None,
            ),
            (
                "PUT",
                format!(
                    "/v3/OS-INHERIT/domains/{id}/users/{}/roles/{member}/inherited_to_projects",
                    mine.user
                ),
                None,
            ),
            (
                "GET",
                format!("/v3/projects/{project}/users/{user}/roles"),
                None,
            ),
            (
                "PUT",
                format!("/v3/system/users/{}/roles/{member}", mine.user),
                None,
            ),
        ] {
            let reply = cloud.call(verb, &path, &mine.token, None, body).await;
            assert_eq!(reply.status.as_u16(), 403, "{verb} {path}: {}", reply.body);
        }
        // Lists show their own domain, whatever is asked for.
        for kind in ["users", "projects", "groups"] {
            let path = format!("/v3/{kind}?domain_id={id}");
            let listed = cloud.call("GET", &path, &mine.token, None, None).await;
            assert_eq!(
                ids(&listed.expect(200), kind),
                Vec::<String>::new(),
                "{kind}"
            );
        }
        let path = format!("/v3/role_assignments?scope.domain.id={id}");
        let listed = cloud.call("GET", &path, &mine.token, None, None).await;
        assert_eq!(listed.expect(200).body["role_assignments"], json!([]));
    }
}

#[tokio::test]
async fn a_role_of_a_domain_is_given_inside_that_domain_only() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let (mine, theirs) = (domain(&cloud, "mine").await, domain(&cloud, "theirs").await);
        let role = json!({"name": "own", "domain_id": mine.id});
        let role = cloud.make("roles", "role", role).await;
        let user = &mine.user;
        for (place, code) in [
            (format!("projects/{}", mine.project), 204),
            (format!("domains/{}", mine.id), 204),
            (format!("projects/{}", theirs.project), 403),
            (format!("domains/{}", theirs.id), 403),
            ("system".to_owned(), 403),
        ] {
            let grant = format!("/v3/{place}/users/{user}/roles/{role}");
            cloud.put(&grant).await.expect(code);
            let given = cloud.get(&grant).await.status.as_u16();
            assert_eq!(given == 204, code == 204, "{place}: {given}");
        }
    }
}

#[tokio::test]
async fn a_domain_is_not_seen_through_the_ties_of_its_neighbours() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let (mine, theirs) = (domain(&cloud, "mine").await, domain(&cloud, "theirs").await);
    let member = cloud.id("roles", "member").await;
    // An administrator ties people and groups of both together.
    for path in [
        format!("/v3/groups/{}/users/{}", mine.group, mine.user),
        format!("/v3/groups/{}/users/{}", mine.group, theirs.user),
        format!("/v3/groups/{}/users/{}", theirs.group, mine.user),
        format!(
            "/v3/projects/{}/users/{}/roles/{member}",
            mine.project, mine.user
        ),
        format!(
            "/v3/projects/{}/users/{}/roles/{member}",
            theirs.project, mine.user
        ),
    ] {
        cloud.put(&path).await.expect(204);
    }
    for (path, kind, own) in [
        (
            format!("/v3/groups/{}/users", mine.group),
            "users",
            &mine.user,
        ),
        (
            format!("/v3/users/{}/groups", mine.user),
            "groups",
            &mine.group,
        ),
        (
            format!("/v3/users/{}/projects", mine.user),
            "projects",
            &mine.project,
        ),
    ] {
        let seen = cloud.call("GET", &path, &mine.token, None, None).await;
        assert_eq!(ids(&seen.expect(200), kind), [own.as_str()], "{path}");
        let all = cloud.get(&path).await.expect(200);
        assert_eq!(ids(&all, kind).len(), 2, "{path}");
    }
}

#[tokio::test]
async fn tokens_end_with_the_domain_of_their_user_or_project() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let theirs = domain(&cloud, "theirs").await;
    let (me, member) = (
        cloud.id("users", "demo").await,
        cloud.id("roles", "member").await,
    );
    let grant = format!("/v3/projects/{}/users/{me}/roles/{member}", theirs.project);
    cloud.put(&grant).await.expect(204);
    let mut auth = password("demo", "demo-secret", None);
    auth["scope"] = json!({"project": {"id": theirs.project}});
    let mine = cloud.log_in(auth.clone()).await.expect(201).subject();
    assert!(cloud.works(&mine).await && cloud.works(&theirs.token).await);
    let close = json!({"domain": {"enabled": false}});
    let path = format!("/v3/domains/{}", theirs.id);
    cloud.patch(&path, close).await.expect(200);
    assert!(!cloud.works(&mine).await && !cloud.works(&theirs.token).await);
    cloud.log_in(auth).await.expect(401);
    assert!(cloud.works(&cloud.demo().await).await);
}

/// A token of a user to whom the demo user lent a role, acting as the demo user.
async fn borrowed(cloud: &Cloud, role: &str) -> (String, Value) {
    let agent = json!({"name": "agent", "password": "pw"});
    let trustee = cloud.make("users", "user", agent).await;
    let body = json!({"trust": {
        "trustor_user_id": cloud.id("users", "demo").await, "trustee_user_id": trustee,
        "project_id": cloud.id("projects", "demo").await,
        "impersonation": true, "roles": [{"name": role}],
    }});
    let demo = cloud.demo().await;
    let made = cloud
        .call(
            "POST",
            "/v3/OS-TRUST/trusts",
            &demo,
            None,
            Some(body.clone()),
        )
        .await
        .expect(201);
    let mut auth = password("agent", "pw", None);
    auth["scope"] = json!({"OS-TRUST:trust": {"id": made.body["trust"]["id"]}});
    (cloud.log_in(auth).await.expect(201).subject(), body)
}

#[tokio::test]
async fn a_trustee_makes_nothing_that_outlives_the_trust() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let (token, trust) = borrowed(&cloud, "reader").await;
        let me = cloud.id("users", "demo").await;
        let place = format!("/v3/users/{me}/application_credentials");
        let keep = Some(json!({"application_credential": {"name": "mine"}}));
        let refused = cloud.call("POST", &place, &token, None, keep.clone()).await;
        assert_eq!(
            refused.expect(403).message(),
            "Using method 'trust' is not allowed for managing additional application credentials."
        );
        let demo = cloud.demo().await;
        let own = cloud
            .call("POST", &place, &demo, None, keep)
            .await
            .expect(201);
        let id = own.body["application_credential"]["id"]
            .as_str()
            .expect("id");
        let path = format!("{place}/{id}");
        cloud
            .call("DELETE", &path, &token, None, None)
            .await
            .expect(403);
        cloud
            .call("POST", "/v3/OS-TRUST/trusts", &token, None, Some(trust))
            .await
            .expect(403);
        let again = json!({
            "identity": {"methods": ["token"], "token": {"id": token}},
            "scope": {"project": {"name": "demo", "domain": {"id": "default"}}},
        });
        cloud.log_in(again).await.expect(403);
        // Nor is it more than was lent.
        let users = cloud.call("GET", "/v3/users", &token, None, None).await;
        users.expect(403);
    }
}

#[tokio::test]
async fn an_access_key_says_for_ever_by_whose_leave_it_was_made() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let (token, _) = borrowed(&cloud, "member").await;
    let me = cloud.id("users", "demo").await;
    let project = cloud.id("projects", "demo").await;
    let pair = Some(json!({"tenant_id": project}));
    let place = format!("/v3/users/{me}/credentials/OS-EC2");
    let made = cloud.call("POST", &place, &token, None, pair).await;
    let trust = made.expect(201).body["credential"]["trust_id"].clone();
    assert!(trust.is_string());
    let blob = json!({"access": "key", "secret": "s", "trust_id": "another"}).to_string();
    let body = json!({"credential": {"type": "ec2", "project_id": project, "blob": blob}});
    let made = cloud
        .call("POST", "/v3/credentials", &token, None, Some(body))
        .await
        .expect(201)
        .body["credential"]
        .take();
    let blob = |of: &Value| -> Value {
        serde_json::from_str(of["blob"].as_str().expect("text")).expect("JSON")
    };
    assert_eq!(blob(&made)["trust_id"], trust);
    let path = format!("/v3/credentials/{}", made["id"].as_str().expect("id"));
    let change = async |blob: Value| {
        let body = json!({"credential": {"blob": blob.to_string()}});
        cloud.call("PATCH", &path, &token, None, Some(body)).await
    };
    let freed = json!({"access": "key", "secret": "s"});
    let refused = change(freed).await.expect(400);
    assert_eq!(
        refused.message(),
        "trust_id can not be updated for credential."
    );
    let same = json!({"access": "key", "secret": "other", "trust_id": trust});
    change(same).await.expect(200);
    // Nor by a way round, as something else for a while.
    let detour = Some(json!({"credential": {"type": "cert"}}));
    cloud
        .call("PATCH", &path, &token, None, detour)
        .await
        .expect(400);
}

#[tokio::test]
async fn a_restricted_credential_ends_no_trust() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let (_, body) = borrowed(&cloud, "member").await;
    let me = cloud.id("users", "demo").await;
    let demo = cloud.demo().await;
    let place = format!("/v3/users/{me}/application_credentials");
    let robot = Some(json!({"application_credential": {"name": "robot"}}));
    let made = cloud.call("POST", &place, &demo, None, robot).await;
    let made = made.expect(201).body["application_credential"].take();
    let auth = json!({"identity": {"methods": ["application_credential"], "application_credential": {
        "id": made["id"], "secret": made["secret"],
    }}});
    let token = cloud.log_in(auth).await.expect(201).subject();
    let list = format!("/v3/OS-TRUST/trusts?trustor_user_id={me}");
    let trusts = cloud
        .call("GET", &list, &demo, None, None)
        .await
        .expect(200);
    let path = format!("/v3/OS-TRUST/trusts/{}", ids(&trusts, "trusts")[0]);
    cloud
        .call("DELETE", &path, &token, None, None)
        .await
        .expect(403);
    cloud
        .call("POST", "/v3/OS-TRUST/trusts", &token, None, Some(body))
        .await
        .expect(403);
    cloud
        .call("DELETE", &path, &demo, None, None)
        .await
        .expect(204);
}

#[tokio::test]
async fn nobody_lends_what_they_do_not_have() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let (me, other) = (
        cloud.id("users", "demo").await,
        cloud.id("users", "admin").await,
    );
    let project = cloud.id("projects", "demo").await;
    let foreign = cloud.id("projects", "admin").await;
    let demo = cloud.demo().await;
    let trust = |trustor: &str, project: &str, role: &str| {
        json!({"trust": {
            "trustor_user_id": trustor, "trustee_user_id": other, "project_id": project,
            "impersonation": true, "roles": [{"name": role}],
        }})
    };
    for (body, status) in [
        (trust(&me, &project, "admin"), 404),
        (trust(&me, &foreign, "member"), 403),
        (trust(&other, &project, "member"), 403),
    ] {
        cloud
            .call("POST", "/v3/OS-TRUST/trusts", &demo, None, Some(body))
            .await
            .expect(status);
    }
    let credential = Some(
        json!({"application_credential": {"name": "x", "roles": [{"name": "admin"}], "project_id": foreign}}),
    );
    let place = |user: &str| format!("/v3/users/{user}/application_credentials");
    cloud
        .call("POST", &place(&me), &demo, None, credential.clone())
        .await
        .expect(400);
    cloud
        .call("POST", &place(&other), &demo, None, credential)
        .await
        .expect(403);
}

#[tokio::test]
async fn a_password_is_not_guessed_by_changing_it() {
    let strict = Settings {
        compliance: Compliance {
            lockout_failure_attempts: Some(2),
            ..Compliance::default()
        },
        ..settings()
    };
    let cloud = Cloud::with(sql::testing::sqlite().await, strict).await;
    let path = format!("/v3/users/{}/password", cloud.id("users", "demo").await);
    let guess = async |old: &str| {
        let body = json!({"user": {"password": "new", "original_password": old}});
        cloud.call("POST", &path, "", None, Some(body)).await
    };
    for _ in 0..2 {
        guess("wrong").await.expect(401);
    }
    guess("demo-secret").await.expect(401);
    cloud
        .log_in(password("demo", "demo-secret", Some("demo")))
        .await
        .expect(401);
}

#[tokio::test]
async fn relatives_of_a_project_are_shown_to_those_who_have_a_part_in_them() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let demo = cloud.id("projects", "demo").await;
    let child = |name: &str| json!({"name": name, "parent_id": demo, "description": "secret"});
    let mine = cloud.make("projects", "project", child("mine")).await;
    let theirs = cloud.make("projects", "project", child("theirs")).await;
    let (me, member) = (
        cloud.id("users", "demo").await,
        cloud.id("roles", "member").await,
    );
    let grant = |project: &str| format!("/v3/projects/{project}/users/{me}/roles/{member}");
    cloud.put(&grant(&mine)).await.expect(204);
    let seen = async |path: &str, token: &str, kind: &str| {
        let reply = cloud.call("GET", path, token, None, None).await.expect(200);
        let all = reply.body["project"][kind]
            .as_array()
            .expect("a list")
            .clone();
        let name = |one: &Value| one["project"]["name"].as_str().expect("name").to_owned();
        let mut names: Vec<String> = all.iter().map(name).collect();
        names.sort();
        names
    };
    let below = format!("/v3/projects/{demo}?subtree_as_list=1");
    let above = |project: &str| format!("/v3/projects/{project}?parents_as_list=1");
    assert_eq!(seen(&below, &cloud.demo().await, "subtree").await, ["mine"]);
    assert_eq!(
        seen(&below, &cloud.admin, "subtree").await,
        ["mine", "theirs"]
    );
    assert_eq!(
        seen(&above(&theirs), &cloud.admin, "parents").await,
        ["demo"]
    );
    // Who has a part in a project only sees nothing of those above.
    let user = json!({"name": "guest", "password": "pw"});
    let guest = cloud.make("users", "user", user).await;
    let grant = format!("/v3/projects/{mine}/users/{guest}/roles/{member}");
    cloud.put(&grant).await.expect(204);
    let token = cloud.log_in(password("guest", "pw", Some("mine"))).await;
    let token = token.expect(201).subject();
    assert!(seen(&above(&mine), &token, "parents").await.is_empty());
}
