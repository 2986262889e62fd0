//! Application credentials, trusts and stored secrets.

use serde_json::{Value, json};

use crate::cloud::{Cloud, password};

fn by_credential(made: &Value) -> Value {
    let made = &made["application_credential"];
    json!({"identity": {"methods": ["application_credential"], "application_credential": {
        "id": made["id"], "secret": made["secret"],
    }}})
}

#[tokio::test]
async fn an_application_credential_works_until_it_is_deleted_and_makes_no_others() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let me = cloud.id("users", "demo").await;
        let place = format!("/v3/users/{me}/application_credentials");
        let demo = cloud.demo().await;
        let ask = |name: &str| {
            Some(json!({"application_credential": {"name": name, "roles": [{"name": "reader"}]}}))
        };
        let made = cloud
            .call("POST", &place, &demo, None, ask("robot"))
            .await
            .expect(201)
            .body;
        cloud
            .call("POST", &place, &demo, None, ask("robot"))
            .await
            .expect(409);
        let login = cloud.log_in(by_credential(&made)).await.expect(201);
        let token = login.subject();
        let unnamed = json!({"application_credential": {"name": "all", "roles": []}});
        let all = cloud.call("POST", &place, &demo, None, Some(unnamed)).await;
        let roles = all.expect(201).body["application_credential"]["roles"].clone();
        assert!(
            roles.as_array().is_some_and(|roles| roles.len() > 1),
            "{roles}"
        );
        assert_eq!(
            login.body["token"]["roles"].as_array().map(Vec::len),
            Some(1)
        );
        assert_eq!(
            login.body["token"]["application_credential"]["restricted"],
            true
        );
        cloud
            .call("POST", &place, &token, None, ask("child"))
            .await
            .expect(403);
        let mut scoped = by_credential(&made);
        scoped["scope"] = json!({"project": {"id": "x"}});
        cloud.log_in(scoped).await.expect(401);
        let listed = cloud
            .call("GET", &place, &demo, None, None)
            .await
            .expect(200)
            .body;
        assert!(listed["application_credentials"][0].get("secret").is_none());
        let id = made["application_credential"]["id"].as_str().expect("id");
        assert!(cloud.works(&token).await);
        cloud
            .call("DELETE", &format!("{place}/{id}"), &demo, None, None)
            .await
            .expect(204);
        assert!(!cloud.works(&token).await);
        cloud.log_in(by_credential(&made)).await.expect(401);
    }
}

#[tokio::test]
async fn a_token_bound_to_access_rules_opens_no_service_that_cannot_check_them() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let place = format!(
        "/v3/users/{}/application_credentials",
        cloud.id("users", "demo").await
    );
    let rules = json!([{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]);
    let body = json!({"application_credential": {"name": "narrow", "access_rules": rules}});
    let demo = cloud.demo().await;
    let made = cloud
        .call("POST", &place, &demo, None, Some(body))
        .await
        .expect(201)
        .body;
    let token = cloud
        .log_in(by_credential(&made))
        .await
        .expect(201)
        .subject();
    assert!(
        cloud
            .identity
            .authenticator()
            .authenticate(&token, None)
            .await
            .is_err()
    );
    let listed = cloud
        .call(
            "GET",
            &place.replace("application_credentials", "access_rules"),
            &demo,
            None,
            None,
        )
        .await;
    assert_eq!(
        listed.expect(200).body["access_rules"][0]["service"],
        "compute"
    );
}

#[tokio::test]
async fn access_rules_bind_here_too_and_are_told_only_to_those_who_know_them() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let me = cloud.id("users", "demo").await;
    let home = format!("/v3/users/{me}");
    let place = format!("{home}/application_credentials");
    let rules = json!([
        {"service": "identity", "method": "GET", "path": "/v3/users/{user_id}"},
        {"service": "compute", "method": "GET", "path": "/v3/auth/projects"},
    ]);
    let demo = cloud.demo().await;
    let narrow = json!({"name": "narrow", "access_rules": rules, "unrestricted": true});
    let body = json!({ "application_credential": narrow });
    let made = cloud
        .call("POST", &place, &demo, None, Some(body))
        .await
        .expect(201)
        .body;
    let token = cloud
        .log_in(by_credential(&made))
        .await
        .expect(201)
        .subject();
    let ask = |verb: &'static str, path: String, body| {
        let (cloud, token) = (&cloud, &token);
        async move { cloud.call(verb, &path, token, None, body).await }
    };
    ask("GET", home.clone(), None).await.expect(200);
    ask("GET", place.clone(), None).await.expect(401);
    ask("GET", "/v3/auth/projects".to_owned(), None)
        .await
        .expect(401);
    let wide = json!({"application_credential": {"name": "wide"}});
    ask("POST", place, Some(wide)).await.expect(401);
    let password = json!({"user": {"password": "new", "original_password": "demo-secret"}});
    ask("PATCH", home, Some(password)).await.expect(401);

    let blind = cloud
        .call("GET", "/v3/auth/tokens", &cloud.admin, Some(&token), None)
        .await;
    blind.expect(404);
    cloud
        .call("HEAD", "/v3/auth/tokens", &cloud.admin, Some(&token), None)
        .await
        .expect(404);
    assert_eq!(cloud.validated(&token, "0.9").await, 404);
    assert_eq!(cloud.validated(&token, "1.0").await, 200);
    assert_eq!(cloud.validated(&demo, "").await, 200);
}

#[tokio::test]
async fn a_trust_lends_roles_and_ends_with_its_deletion() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let trustee = cloud
            .make("users", "user", json!({"name": "agent", "password": "pw"}))
            .await;
        let (trustor, project) = (
            cloud.id("users", "demo").await,
            cloud.id("projects", "demo").await,
        );
        let body = json!({"trust": {
            "trustor_user_id": trustor, "trustee_user_id": trustee, "project_id": project,
            "impersonation": true, "roles": [{"name": "reader"}],
        }});
        let demo = cloud.demo().await;
        let made = cloud
            .call("POST", "/v3/OS-TRUST/trusts", &demo, None, Some(body))
            .await
            .expect(201)
            .body;
        let id = made["trust"]["id"].as_str().expect("id");
        let mut auth = password("agent", "pw", None);
        auth["scope"] = json!({"OS-TRUST:trust": {"id": id}});
        let login = cloud.log_in(auth).await.expect(201);
        assert_eq!(login.body["token"]["user"]["id"], trustor);
        assert_eq!(
            login.body["token"]["roles"].as_array().map(Vec::len),
            Some(1)
        );
        let token = login.subject();
        assert!(cloud.works(&token).await);
        cloud
            .call(
                "DELETE",
                &format!("/v3/OS-TRUST/trusts/{id}"),
                &demo,
                None,
                None,
            )
            .await
            .expect(204);
        assert!(!cloud.works(&token).await);
    }
}

#[tokio::test]
async fn credentials_are_for_their_owner_only() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let demo = cloud.demo().await;
    let me = cloud.id("users", "demo").await;
    let body = Some(json!({"credential": {"type": "cert", "blob": "very secret"}}));
    let own = cloud
        .call("POST", "/v3/credentials", &demo, None, body)
        .await
        .expect(201)
        .body;
    assert_eq!(
        (&own["credential"]["user_id"], &own["credential"]["blob"]),
        (&json!(me), &json!("very secret"))
    );
    let admin = cloud.id("users", "admin").await;
    let theirs = Some(json!({"credential": {"type": "cert", "blob": "x", "user_id": admin}}));
    cloud
        .call("POST", "/v3/credentials", &demo, None, theirs)
        .await
        .expect(403);
    cloud
        .post(
            "/v3/credentials",
            json!({"credential": {"type": "cert", "blob": "admin's"}}),
        )
        .await
        .expect(201);
    let seen = cloud
        .call("GET", "/v3/credentials", &demo, None, None)
        .await
        .expect(200)
        .body;
    assert_eq!(seen["credentials"].as_array().map(Vec::len), Some(1));
    let project = cloud.id("projects", "demo").await;
    let place = format!("/v3/users/{me}/credentials/OS-EC2");
    let pair = cloud
        .call(
            "POST",
            &place,
            &demo,
            None,
            Some(json!({"tenant_id": project})),
        )
        .await
        .expect(201)
        .body;
    let access = pair["credential"]["access"].as_str().expect("access");
    let shown = cloud
        .call("GET", &format!("{place}/{access}"), &demo, None, None)
        .await
        .expect(200)
        .body;
    assert_eq!(shown["credential"]["secret"], pair["credential"]["secret"]);
}
