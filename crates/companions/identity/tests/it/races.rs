//! Callers at once, on every engine: what is left is used once, and no change is lost. And texts that
//! not every engine keeps.

use futures::future::join_all;
use http::StatusCode;
use serde_json::json;
use sql::sea_orm::{ConnectionTrait, Statement};

use crate::cloud::{Cloud, bootstrap, password, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trust_of_two_uses_is_used_twice() {
    for db in sql::testing::engines().await {
        let engine = db.engine();
        let cloud = Cloud::on(db).await;
        let trustee = json!({"name": "agent", "password": "pw"});
        let trustee = cloud.make("users", "user", trustee).await;
        let (trustor, project) = (
            cloud.id("users", "demo").await,
            cloud.id("projects", "demo").await,
        );
        let body = json!({"trust": {
            "trustor_user_id": trustor, "trustee_user_id": trustee, "project_id": project,
            "impersonation": false, "roles": [{"name": "reader"}], "remaining_uses": 2,
        }});
        let demo = cloud.demo().await;
        let made = cloud
            .call("POST", "/v3/OS-TRUST/trusts", &demo, None, Some(body))
            .await
            .expect(201)
            .body;
        let mut auth = password("agent", "pw", None);
        auth["scope"] = json!({"OS-TRUST:trust": {"id": made["trust"]["id"]}});
        let logins = join_all((0..8).map(|_| cloud.log_in(auth.clone()))).await;
        let granted = logins
            .iter()
            .filter(|reply| reply.status == StatusCode::CREATED);
        assert_eq!(granted.count(), 2, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tags_that_are_added_at_once_are_all_there() {
    for db in sql::testing::engines().await {
        let engine = db.engine();
        let cloud = Cloud::on(db).await;
        let project = cloud.id("projects", "demo").await;
        let paths: Vec<String> = (0..10)
            .map(|number| format!("/v3/projects/{project}/tags/t{number}"))
            .collect();
        for added in join_all(paths.iter().map(|path| cloud.put(path))).await {
            added.expect(201);
        }
        let listed = cloud.get(&format!("/v3/projects/{project}/tags")).await;
        let tags = listed.expect(200).body["tags"].clone();
        assert_eq!(
            tags.as_array().map(Vec::len),
            Some(10),
            "{engine:?}: {tags}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_password_and_a_name_that_change_at_once_both_change() {
    for db in sql::testing::engines().await {
        let engine = db.engine();
        let cloud = Cloud::on(db).await;
        let user = json!({"name": "worker", "password": "pw-0"});
        let id = cloud.make("users", "user", user).await;
        let path = format!("/v3/users/{id}");
        for round in 1..8 {
            let secret = format!("pw-{round}");
            let (one, other) = tokio::join!(
                cloud.patch(&path, json!({"user": {"password": secret}})),
                cloud.patch(
                    &path,
                    json!({"user": {"description": format!("d-{round}")}})
                ),
            );
            one.expect(200);
            other.expect(200);
            let login = cloud.log_in(password("worker", &secret, None)).await;
            assert_eq!(login.status, StatusCode::CREATED, "{engine:?} {round}");
            let shown = cloud.get(&path).await.expect(200).body;
            assert_eq!(
                shown["user"]["description"],
                format!("d-{round}"),
                "{engine:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_first_starts_at_once_make_one_of_everything() {
    for url in sql::testing::urls().await {
        let settings = settings();
        let start = async || {
            let db = sql::Database::open(&url).await.expect("opened");
            let opened = identity::Identity::open(db.clone(), settings.clone()).await;
            let identity = opened.expect("opens");
            identity.bootstrap(&bootstrap()).await.expect("bootstraps");
            db
        };
        let mut started = join_all((0..4).map(|_| start())).await;
        let db = started.pop().expect("one of them");
        let cloud = Cloud::with(db, settings).await;
        for (kind, count) in [
            ("users", 3),
            ("services", 1),
            ("endpoints", 3),
            ("roles", 5),
        ] {
            let listed = cloud.get(&format!("/v3/{kind}")).await.expect(200).body;
            let found = listed[kind].as_array().map(Vec::len);
            assert_eq!(found, Some(count), "{url}: {}", listed[kind]);
        }
    }
}

#[tokio::test]
async fn a_nul_is_refused_with_the_name_of_its_field() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let refused = [
            cloud
                .post("/v3/users", json!({"user": {"name": "a\u{0}b"}}))
                .await,
            cloud.log_in(password("a\u{0}b", "x", None)).await,
            cloud.get("/v3/users?name=a%00b").await,
            cloud.get("/v3/projects/a%00b").await,
        ];
        let fields = [
            "user.name",
            "auth.identity.password.user.name",
            "name",
            "path",
        ];
        for (reply, field) in refused.into_iter().zip(fields) {
            let reply = reply.expect(400);
            let blamed = format!("Invalid input for field/attribute {field}.");
            assert!(reply.message().starts_with(&blamed), "{}", reply.body);
        }
    }
}

#[tokio::test]
async fn trusts_that_ended_long_ago_are_forgotten_and_others_are_not() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let trustee = cloud.id("users", "nova").await;
        let trustor = cloud.id("users", "demo").await;
        let project = cloud.id("projects", "demo").await;
        let demo = cloud.demo().await;
        let lend = async || {
            let body = json!({"trust": {
                "trustor_user_id": trustor, "trustee_user_id": trustee, "project_id": project,
                "impersonation": false, "roles": [{"name": "reader"}],
            }});
            let path = "/v3/OS-TRUST/trusts";
            let made = cloud.call("POST", path, &demo, None, Some(body)).await;
            let made = made.expect(201).body;
            made["trust"]["id"].as_str().expect("an id").to_owned()
        };
        let (old, lately, living) = (lend().await, lend().await, lend().await);
        for (id, days) in [(&old, 40), (&lately, 10)] {
            let path = format!("/v3/OS-TRUST/trusts/{id}");
            cloud
                .call("DELETE", &path, &demo, None, None)
                .await
                .expect(204);
            let then = chrono::Utc::now() - chrono::TimeDelta::days(days);
            let statement = format!(
                "UPDATE trusts SET deleted_at = '{}' WHERE id = '{id}'",
                then.format("%Y-%m-%d %H:%M:%S")
            );
            let changed = cloud.db.write().execute_unprepared(&statement).await;
            changed.expect("aged");
        }
        lend().await;
        for (id, left) in [(&old, 0), (&lately, 1), (&living, 1)] {
            let question = format!("SELECT id FROM trusts WHERE id = '{id}'");
            let engine = cloud.db.read().get_database_backend();
            let question = Statement::from_string(engine, question);
            let rows = cloud.db.read().query_all_raw(question).await.expect("rows");
            assert_eq!(rows.len(), left, "{engine:?}: {id}");
        }
    }
}
