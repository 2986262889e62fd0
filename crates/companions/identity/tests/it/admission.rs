//! What a stranger's login may cost, and what a password must be.

use std::net::SocketAddr;

use chrono::{Duration, Utc};
use http::StatusCode;
use identity::{Compliance, QueueLimits, Settings};
use serde_json::{Value, json};
use web::client::Peer;

use crate::cloud::{Cloud, password, settings};

async fn strict(compliance: Compliance) -> Cloud {
    let settings = Settings {
        compliance,
        ..settings()
    };
    Cloud::with(sql::testing::sqlite().await, settings).await
}

/// Runs a statement on the identity database, as time that passes would.
async fn write(cloud: &Cloud, statement: &str) {
    use sql::sea_orm::ConnectionTrait;
    let written = cloud.db.write().execute_unprepared(statement).await;
    assert_eq!(written.expect("written").rows_affected(), 1, "{statement}");
}

fn ago(days: i64) -> String {
    let at = Utc::now() - Duration::days(days);
    at.format("%Y-%m-%d %H:%M:%S+00:00").to_string()
}

async fn change(cloud: &Cloud, user: &str, old: &str, new: &str) -> crate::cloud::Reply {
    let body = json!({"user": {"password": new, "original_password": old}});
    let path = format!("/v3/users/{user}/password");
    cloud.call("POST", &path, "", None, Some(body)).await
}

#[tokio::test]
async fn a_method_named_a_thousand_times_is_one_check() {
    let slow = Settings {
        password_hash_rounds: 10,
        ..settings()
    };
    let cloud = Cloud::with(sql::testing::sqlite().await, slow).await;
    // The right password: a login ends at the first check that fails.
    let mut auth = password("demo", "demo-secret", None);
    let started = std::time::Instant::now();
    cloud.log_in(auth.clone()).await.expect(201);
    let one = started.elapsed();
    auth["identity"]["methods"] = Value::from(vec!["password"; 1000]);
    let started = std::time::Instant::now();
    let reply = cloud.log_in(auth.clone()).await.expect(201);
    let many = started.elapsed();
    assert!(many < one * 50, "{one:?} for one, {many:?} for a thousand");
    assert_eq!(reply.body["token"]["methods"], json!(["password"]));
    auth["identity"]["methods"] = json!(["password", "totp"]);
    cloud.log_in(auth.clone()).await.expect(401);
    auth["identity"]["methods"] = json!(["password", "token"]);
    cloud.log_in(auth).await.expect(400);
}

#[tokio::test]
async fn a_scope_names_one_thing() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let project = json!({"name": "admin", "domain": {"id": "default"}});
    for scope in [
        json!({"project": project, "system": {"all": true}}),
        json!({"project": project, "domain": {"id": "default"}}),
        json!({"project": project, "unscoped": {}}),
        json!({"project": project, "OS-TRUST:trust": {"id": "x"}}),
        json!({}),
    ] {
        let mut auth = password("admin", "admin-secret", None);
        auth["scope"] = scope.clone();
        let reply = cloud.log_in(auth).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{scope}");
    }
}

#[tokio::test]
async fn a_flood_of_one_address_is_refused_and_others_log_in() {
    let narrow = Settings {
        password_hash_rounds: 10,
        password_queue: QueueLimits {
            per_user: 2,
            per_address: 4,
            total: 100,
        },
        ..settings()
    };
    let cloud = Cloud::with(sql::testing::sqlite().await, narrow).await;
    let from = |address: &str| Peer(SocketAddr::new(address.parse().expect("address"), 9));
    let (evil, good) = (from("192.0.2.66"), from("192.0.2.1"));
    let flood = (0..60).map(|_| cloud.log_in_from(evil, password("demo", "wrong", None)));
    let flood = futures::future::join_all(flood);
    let honest = async {
        let mut tokens = 0;
        for _ in 0..3 {
            let reply = cloud.log_in_from(good, password("demo", "demo-secret", None));
            tokens += usize::from(reply.await.status == StatusCode::CREATED);
        }
        tokens
    };
    let (flood, tokens) = futures::join!(flood, honest);
    assert_eq!(tokens, 3);
    let refused: Vec<_> = flood
        .iter()
        .filter(|reply| reply.status == StatusCode::TOO_MANY_REQUESTS)
        .collect();
    assert!(refused.len() > 30, "{} refused", refused.len());
    let after = refused[0].headers["retry-after"].to_str().expect("text");
    assert!(after.parse::<u64>().expect("seconds") >= 1);
    assert_eq!(refused[0].body["error"]["code"], 429);
}

#[tokio::test]
async fn no_byte_of_a_password_is_passed_over() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let long = "p".repeat(100);
    let user = json!({"name": "long", "password": long});
    let id = cloud.make("users", "user", user).await;
    cloud
        .log_in(password("long", &long, None))
        .await
        .expect(201);
    for wrong in ["p".repeat(72), "p".repeat(99), "p".repeat(101)] {
        cloud
            .log_in(password("long", &wrong, None))
            .await
            .expect(401);
    }
    // As an earlier version stored it: all but the first 72 bytes were cut off.
    let old = bcrypt::hash(&long.as_bytes()[..72], 4).expect("hash");
    let stored = format!("UPDATE users SET password_hash = '{old}' WHERE id = '{id}'");
    write(&cloud, &stored).await;
    cloud
        .log_in(password("long", &long, None))
        .await
        .expect(201);
    cloud
        .log_in(password("long", &"p".repeat(72), None))
        .await
        .expect(401);
    cloud
        .log_in(password("long", &long, None))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_password_is_used_for_a_while_and_not_again() {
    let cloud = strict(Compliance {
        minimum_password_age: 1,
        unique_last_password_count: 3,
        password_regex: Some("^[a-z]+[0-9]$".to_owned()),
        password_regex_description: Some("letters and a digit".to_owned()),
        ..Compliance::default()
    })
    .await;
    let weak = json!({"user": {"name": "u", "password": "weak"}});
    let refused = cloud.post("/v3/users", weak).await.expect(400);
    assert!(refused.message().contains("letters and a digit"));
    let user = json!({"name": "u", "password": "one1"});
    let id = cloud.make("users", "user", user).await;
    // An administrator gave it, so it may be changed at once; what the user chose, may not.
    change(&cloud, &id, "one1", "two2").await.expect(204);
    let soon = change(&cloud, &id, "two2", "three3").await.expect(400);
    assert!(soon.message().contains("minimum password age"));
    let older = format!(
        "UPDATE users SET password_created_at = '{}' WHERE id = '{id}'",
        ago(2)
    );
    write(&cloud, &older).await;
    let again = change(&cloud, &id, "two2", "one1").await.expect(400);
    assert!(again.message().contains("must be unique is 3"));
    change(&cloud, &id, "two2", "three3").await.expect(204);
    write(&cloud, &older).await;
    change(&cloud, &id, "three3", "four4").await.expect(204);
    write(&cloud, &older).await;
    change(&cloud, &id, "four4", "one1").await.expect(204);
    let shown = cloud
        .get("/v3/domains/default/config/security_compliance")
        .await;
    let shown = shown.expect(200).body;
    let group = &shown["config"]["security_compliance"];
    assert_eq!(group["password_regex"], "^[a-z]+[0-9]$");
}

#[tokio::test]
async fn a_given_password_is_changed_first_and_an_idle_account_sleeps() {
    let cloud = strict(Compliance {
        change_password_upon_first_use: true,
        disable_user_account_days_inactive: Some(30),
        lockout_failure_attempts: Some(1),
        ..Compliance::default()
    })
    .await;
    let user = json!({"name": "u", "password": "given"});
    let id = cloud.make("users", "user", user).await;
    let reply = cloud.log_in(password("u", "given", None)).await.expect(401);
    assert!(reply.message().contains("expired"), "{}", reply.message());
    change(&cloud, &id, "given", "mine").await.expect(204);
    cloud.log_in(password("u", "mine", None)).await.expect(201);
    let idle = format!(
        "UPDATE users SET last_active_at = '{}' WHERE id = '{id}'",
        ago(31)
    );
    write(&cloud, &idle).await;
    cloud.log_in(password("u", "mine", None)).await.expect(401);
    let path = format!("/v3/users/{id}");
    let shown = cloud.get(&path).await.expect(200);
    assert_eq!(shown.body["user"]["enabled"], false);
    let exempt = json!({"user": {"options": {"ignore_user_inactivity": true}}});
    cloud.patch(&path, exempt).await.expect(200);
    cloud.log_in(password("u", "mine", None)).await.expect(201);
    // The user of a service is bound by none of it: a stranger cannot lock the cloud out of itself.
    cloud
        .log_in(password("nova", "wrong", None))
        .await
        .expect(401);
    let own = password("nova", "nova-secret", Some("service"));
    cloud.log_in(own).await.expect(201);
}

#[tokio::test]
async fn a_user_with_rules_for_several_methods_needs_them_all() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let path = format!("/v3/users/{}", cloud.id("users", "demo").await);
    let rules = json!({"multi_factor_auth_rules": [["password", "application_credential"]]});
    cloud
        .patch(&path, json!({"user": {"options": rules}}))
        .await
        .expect(200);
    cloud
        .log_in(password("demo", "demo-secret", None))
        .await
        .expect(401);
    for options in [
        json!({"multi_factor_auth_rules": [["totp"]]}),
        json!({"colour": true}),
    ] {
        cloud
            .patch(&path, json!({"user": {"options": options}}))
            .await
            .expect(400);
    }
    let off = json!({"user": {"options": {"multi_factor_auth_enabled": false}}});
    cloud.patch(&path, off).await.expect(200);
    cloud
        .log_in(password("demo", "demo-secret", None))
        .await
        .expect(201);
}

/// A login of demo with a password, a passcode, or both.
fn proofs(password: Option<&str>, passcode: Option<&str>) -> serde_json::Value {
    let user = json!({"name": "demo", "domain": {"id": "default"}});
    let mut identity = json!({"methods": []});
    for (method, field, secret) in [
        ("password", "password", password),
        ("totp", "passcode", passcode),
    ] {
        let Some(secret) = secret else { continue };
        let mut user = user.clone();
        user[field] = json!(secret);
        identity[method] = json!({"user": user});
        let methods = identity["methods"].as_array_mut().expect("a list");
        methods.push(json!(method));
    }
    json!({"identity": identity})
}

/// The passcode of a secret at a time (RFC 6238), written once more.
fn passcode(secret: &[u8], at: i64) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mut hash = Hmac::<sha1::Sha1>::new_from_slice(secret).expect("any length");
    hash.update(&(at / 30).to_be_bytes());
    let hash = hash.finalize().into_bytes();
    let from = usize::from(hash[19] & 15);
    let four: [u8; 4] = hash[from..from + 4].try_into().expect("four");
    let number = (u32::from_be_bytes(four) & 0x7fff_ffff) % 1_000_000;
    format!("{number:06}")
}

#[tokio::test]
async fn a_passcode_by_the_clock_is_a_method_where_it_is_enabled() {
    for db in sql::testing::engines().await {
        let enabled = Settings {
            methods: ["password", "token", "totp"].map(str::to_owned).to_vec(),
            compliance: Compliance {
                lockout_failure_attempts: Some(3),
                ..Compliance::default()
            },
            ..settings()
        };
        let cloud = Cloud::with(db, enabled).await;
        let demo = cloud.id("users", "demo").await;
        let secret = b"a secret of demo";
        let blob = data_encoding::BASE32.encode(secret);
        let credential = json!({"type": "totp", "blob": blob, "user_id": demo});
        cloud.make("credentials", "credential", credential).await;
        let now = || passcode(secret, chrono::Utc::now().timestamp());
        let wrong = || {
            format!(
                "{:06}",
                (now().parse::<u32>().expect("digits") + 7) % 1_000_000
            )
        };

        let made = cloud.log_in(proofs(None, Some(&now()))).await.expect(201);
        assert_eq!(made.body["token"]["methods"], json!(["totp"]));
        let early = passcode(secret, chrono::Utc::now().timestamp() - 90);
        cloud.log_in(proofs(None, Some(&early))).await.expect(401);
        for nonsense in ["", "12345", "1234567", "abcdef"] {
            let answer = cloud.log_in(proofs(None, Some(nonsense))).await.expect(401);
            assert_eq!(answer.body["error"]["code"], 401);
        }
        cloud.log_in(proofs(None, Some(&now()))).await.expect(201);

        // A rule asks for both. Who knows the password does not guess the passcode for ever: a right password alone
        // forgives nothing.
        let rules = json!({"multi_factor_auth_rules": [["password", "totp"]]});
        let path = format!("/v3/users/{demo}");
        let body = json!({"user": {"options": rules}});
        cloud.patch(&path, body).await.expect(200);
        let both = |passcode: String| proofs(Some("demo-secret"), Some(&passcode));
        let made = cloud.log_in(both(now())).await.expect(201);
        assert_eq!(made.body["token"]["methods"], json!(["password", "totp"]));
        for _ in 0..3 {
            let half = proofs(Some("demo-secret"), None);
            cloud.log_in(half).await.expect(401);
            cloud.log_in(both(wrong())).await.expect(401);
        }
        cloud.log_in(both(now())).await.expect(401);
    }
}

#[tokio::test]
async fn a_passcode_is_no_method_unless_it_is_enabled() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    let demo = cloud.id("users", "demo").await;
    let blob = data_encoding::BASE32.encode(b"a secret");
    let credential = json!({"type": "totp", "blob": blob, "user_id": demo});
    cloud.make("credentials", "credential", credential).await;
    let right = passcode(b"a secret", chrono::Utc::now().timestamp());
    let refused = cloud.log_in(proofs(None, Some(&right))).await.expect(401);
    assert!(
        refused.body["error"]["message"]
            .as_str()
            .is_some_and(|why| why.contains("unsupported method"))
    );
}

#[tokio::test]
async fn failures_at_the_same_time_are_all_counted() {
    for db in sql::testing::engines().await {
        let limited = Settings {
            compliance: Compliance {
                lockout_failure_attempts: Some(5),
                ..Compliance::default()
            },
            ..settings()
        };
        let cloud = Cloud::with(db, limited).await;
        let wrong = (0..5).map(|_| cloud.log_in(password("demo", "wrong", None)));
        for reply in futures::future::join_all(wrong).await {
            reply.expect(401);
        }
        let right = password("demo", "demo-secret", None);
        cloud.log_in(right).await.expect(401);
    }
}

#[tokio::test]
async fn credentials_are_readable_after_their_keys_were_rotated_many_times() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let body =
            json!({"type": "cert", "blob": "secret", "user_id": cloud.id("users", "demo").await});
        let id = cloud.make("credentials", "credential", body).await;
        for _ in 0..4 {
            let renewed = cloud.identity.rotate_credential_keys().await;
            assert_eq!(renewed.expect("rotated"), 1);
        }
        let shown = cloud
            .get(&format!("/v3/credentials/{id}"))
            .await
            .expect(200);
        assert_eq!(shown.body["credential"]["blob"], "secret");
    }
}
