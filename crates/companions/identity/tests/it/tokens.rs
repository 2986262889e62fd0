//! Getting tokens, using them, and how they end.

use std::time::Instant;

use identity::{Compliance, Identity, Settings};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::cloud::{Cloud, bootstrap, password, settings};

#[tokio::test]
async fn a_token_shows_its_scope_its_implied_roles_and_a_catalog_with_the_project_filled_in() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        cloud
            .identity
            .bootstrap(&bootstrap())
            .await
            .expect("a second time");
        let reply = cloud
            .log_in(password("admin", "admin-secret", Some("admin")))
            .await
            .expect(201);
        let token = &reply.body["token"];
        let mut roles: Vec<&str> = token["roles"]
            .as_array()
            .expect("roles")
            .iter()
            .map(|role| role["name"].as_str().expect("name"))
            .collect();
        roles.sort_unstable();
        assert_eq!(roles, ["admin", "manager", "member", "reader"]);
        let project = token["project"]["id"].as_str().expect("project");
        assert_eq!(token["catalog"].as_array().expect("catalog").len(), 1);
        let endpoint = &token["catalog"][0]["endpoints"][0];
        assert_eq!(endpoint["url"], format!("http://cloud/volume/v3/{project}"));
        assert_eq!(
            (&endpoint["region"], &endpoint["region_id"]),
            (&json!("RegionOne"), &json!("RegionOne"))
        );
        assert!(reply.subject().len() <= 255);
        let bare = cloud
            .call(
                "GET",
                "/v3/auth/tokens?nocatalog",
                &cloud.admin,
                Some(&cloud.admin),
                None,
            )
            .await;
        assert!(bare.expect(200).body["token"].get("catalog").is_none());
    }
}

#[tokio::test]
async fn wrong_credentials_all_look_the_same() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let demo = cloud.id("users", "demo").await;
    let mut bodies = vec![
        cloud
            .log_in(password("demo", "wrong", Some("demo")))
            .await
            .expect(401)
            .body,
        cloud
            .log_in(password("nobody", "wrong", Some("demo")))
            .await
            .expect(401)
            .body,
        cloud
            .log_in(password("demo", "demo-secret", Some("admin")))
            .await
            .expect(401)
            .body,
    ];
    cloud
        .patch(
            &format!("/v3/users/{demo}"),
            json!({"user": {"enabled": false}}),
        )
        .await
        .expect(200);
    bodies.push(
        cloud
            .log_in(password("demo", "demo-secret", Some("demo")))
            .await
            .expect(401)
            .body,
    );
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "{bodies:?}"
    );
    assert_eq!(bodies[0]["error"]["title"], "Unauthorized");
}

#[tokio::test]
async fn a_domain_beside_an_id_is_accepted_and_no_scope_means_the_default_project() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let (user, project) = (
        cloud.id("users", "demo").await,
        cloud.id("projects", "demo").await,
    );
    let domain = json!({"id": "default", "name": "Default"});
    let mut auth = json!({
        "identity": {"methods": ["password"], "password": {"user": {"id": user, "domain": domain, "password": "demo-secret"}}},
        "scope": {"project": {"id": project, "domain": domain}},
    });
    cloud.log_in(auth.clone()).await.expect(201);
    auth.as_object_mut().expect("object").remove("scope");
    let default = cloud.log_in(auth.clone()).await.expect(201);
    assert_eq!(default.body["token"]["project"]["id"], project);
    auth["scope"] = json!("unscoped");
    let unscoped = cloud.log_in(auth).await.expect(201);
    assert!(
        unscoped.body["token"].get("project").is_none()
            && unscoped.body["token"].get("catalog").is_none()
    );
}

#[tokio::test]
async fn a_rescoped_token_ends_with_the_one_it_was_made_from() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let first = cloud
        .log_in(password("admin", "admin-secret", Some("admin")))
        .await
        .expect(201);
    let auth = json!({
        "identity": {"methods": ["token"], "token": {"id": first.subject()}},
        "scope": {"system": {"all": true}},
    });
    let second = cloud.log_in(auth).await.expect(201);
    let (old, new) = (&first.body["token"], &second.body["token"]);
    assert_eq!(old["expires_at"], new["expires_at"]);
    assert_eq!(old["audit_ids"][0], new["audit_ids"][1]);
    assert_eq!(new["system"], json!({"all": true}));
    assert_eq!(new["methods"], json!(["password", "token"]));
}

#[tokio::test]
async fn a_token_outlives_a_restart_and_a_rotation_of_keys() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let demo = cloud.demo().await;
        cloud.identity.rotate_token_keys().expect("rotates");
        let again = Identity::open(cloud.db.clone(), cloud.settings.clone())
            .await
            .expect("opens");
        let caller = again
            .authenticator()
            .authenticate(&demo, None)
            .await
            .expect("still good");
        assert_eq!(caller.project_name.as_deref(), Some("demo"));
        let stranger = Identity::open(cloud.db.clone(), settings())
            .await
            .expect("opens");
        assert!(
            stranger
                .authenticator()
                .authenticate(&demo, None)
                .await
                .is_err(),
            "foreign keys"
        );
    }
}

#[tokio::test]
async fn a_token_dies_at_once_with_whatever_it_depends_on() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let (user, project) = (
            cloud.id("users", "demo").await,
            cloud.id("projects", "demo").await,
        );
        let member = cloud.id("roles", "member").await;
        let grant = format!("/v3/projects/{project}/users/{user}/roles/{member}");
        let user_path = format!("/v3/users/{user}");
        let project_path = format!("/v3/projects/{project}");

        let token = cloud.demo().await;
        assert!(cloud.works(&token).await);
        cloud
            .call("DELETE", "/v3/auth/tokens", &token, Some(&token), None)
            .await
            .expect(204);
        assert!(!cloud.works(&token).await, "revoked");

        let token = cloud.demo().await;
        assert!(cloud.works(&token).await);
        cloud
            .patch(&user_path, json!({"user": {"password": "new-secret"}}))
            .await
            .expect(200);
        assert!(!cloud.works(&token).await, "password changed");
        cloud
            .patch(&user_path, json!({"user": {"password": "demo-secret"}}))
            .await
            .expect(200);

        let token = cloud.demo().await;
        assert!(cloud.works(&token).await);
        cloud
            .patch(&user_path, json!({"user": {"enabled": false}}))
            .await
            .expect(200);
        assert!(!cloud.works(&token).await, "disabled");
        cloud
            .patch(&user_path, json!({"user": {"enabled": true}}))
            .await
            .expect(200);
        assert!(!cloud.works(&token).await, "and never comes back");

        let token = cloud.demo().await;
        assert!(cloud.works(&token).await);
        cloud.delete(&grant).await.expect(204);
        assert!(!cloud.works(&token).await, "role taken away");
        cloud.put(&grant).await.expect(204);

        let token = cloud.demo().await;
        assert!(cloud.works(&token).await);
        cloud
            .patch(&project_path, json!({"project": {"enabled": false}}))
            .await
            .expect(200);
        assert!(!cloud.works(&token).await, "project disabled");
        cloud
            .patch(&project_path, json!({"project": {"enabled": true}}))
            .await
            .expect(200);

        let token = cloud.demo().await;
        cloud.delete(&user_path).await.expect(204);
        assert!(!cloud.works(&token).await, "user deleted");
    }
}

#[tokio::test]
async fn ones_own_password_changes_by_knowing_the_old_one() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let path = format!("/v3/users/{}/password", cloud.id("users", "demo").await);
    let token = cloud.demo().await;
    let change = |old: &str| Some(json!({"user": {"original_password": old, "password": "fresh"}}));
    cloud
        .call("POST", &path, &token, None, change("wrong"))
        .await
        .expect(401);
    assert!(cloud.works(&token).await);
    cloud
        .call("POST", &path, "", None, change("demo-secret"))
        .await
        .expect(204);
    assert!(!cloud.works(&token).await);
    cloud
        .log_in(password("demo", "demo-secret", Some("demo")))
        .await
        .expect(401);
    cloud
        .log_in(password("demo", "fresh", Some("demo")))
        .await
        .expect(201);
}

#[tokio::test]
async fn an_expired_token_is_only_good_for_services() {
    let short = Settings {
        token_expiration: 1,
        ..settings()
    };
    let db = sql::testing::sqlite().await;
    let cloud = Cloud::with(db.clone(), short.clone()).await;
    let token = cloud.demo().await;
    let ask = || cloud.call("GET", "/v3/auth/tokens", &token, Some(&token), None);
    while ask().await.status == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let longer = Settings {
        token_expiration: 600,
        ..short
    };
    let cloud = Cloud::with(db, longer).await;
    assert!(!cloud.works(&token).await);
    let nova = cloud
        .log_in(password("nova", "nova-secret", Some("service")))
        .await
        .expect(201)
        .subject();
    let path = "/v3/auth/tokens?allow_expired=1";
    cloud
        .call("GET", path, &nova, Some(&token), None)
        .await
        .expect(200);
    let authenticator = cloud.identity.authenticator();
    let caller = authenticator
        .authenticate(&token, Some(&nova))
        .await
        .expect("accepted for a service");
    assert!(caller.service_roles.iter().any(|role| role == "service"));
    assert!(
        authenticator
            .authenticate(&token, Some(&cloud.demo().await))
            .await
            .is_err(),
        "demo is no service"
    );
}

#[tokio::test]
async fn an_account_is_locked_after_too_many_failures() {
    let strict = Settings {
        compliance: Compliance {
            lockout_failure_attempts: Some(2),
            ..Compliance::default()
        },
        ..settings()
    };
    let cloud = Cloud::with(sql::testing::sqlite().await, strict).await;
    for _ in 0..2 {
        cloud
            .log_in(password("demo", "wrong", Some("demo")))
            .await
            .expect(401);
    }
    cloud
        .log_in(password("demo", "demo-secret", Some("demo")))
        .await
        .expect(401);
    cloud
        .log_in(password("admin", "admin-secret", Some("admin")))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_remembered_token_is_checked_in_microseconds() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let authenticator = cloud.identity.authenticator();
    authenticator
        .authenticate(&cloud.admin, None)
        .await
        .expect("good");
    let started = Instant::now();
    for _ in 0..10_000 {
        authenticator
            .authenticate(&cloud.admin, None)
            .await
            .expect("good");
    }
    let each = started.elapsed() / 10_000;
    println!("{each:?} for a remembered token");
    // 5 us is the aim of a release build; this build is not optimised and the machine is shared.
    assert!(each < std::time::Duration::from_micros(200), "{each:?}");
}

#[tokio::test]
async fn a_second_start_leaves_changed_passwords_alone_unless_told_to_reset_them() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let path = format!("/v3/users/{}", cloud.id("users", "demo").await);
    cloud
        .patch(&path, json!({"user": {"password": "mine"}}))
        .await
        .expect(200);
    cloud.identity.bootstrap(&bootstrap()).await.expect("again");
    cloud
        .log_in(password("demo", "mine", Some("demo")))
        .await
        .expect(201);
    let reset = identity::Bootstrap {
        reset_passwords: true,
        ..bootstrap()
    };
    cloud.identity.bootstrap(&reset).await.expect("again");
    cloud
        .log_in(password("demo", "demo-secret", Some("demo")))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_service_of_this_process_gets_its_token_without_a_password() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let issued = cloud
        .identity
        .token_for("nova", "service")
        .await
        .expect("issued");
    let caller = cloud
        .identity
        .authenticator()
        .authenticate(issued.token.expose_secret(), None)
        .await
        .expect("good");
    assert!(caller.has_role("service") && !caller.has_role("admin"));
    assert_eq!(caller.expires_at, issued.expires_at);
    assert!(
        cloud.identity.token_for("nova", "demo").await.is_err(),
        "no role there"
    );
}
