//! Nothing is accepted and ignored: what bodies may say, and what the options of resources do.

use rest::accepted::Fate;
use serde_json::{Value, json};

use crate::cloud::Cloud;

/// The path, the key and a body of each resource that has something refused or is closed.
async fn made(cloud: &Cloud) -> Vec<(&'static str, String, Value)> {
    let admin = cloud.id("users", "admin").await;
    let demo = cloud.id("users", "demo").await;
    let service = cloud
        .make("services", "service", json!({"type": "volume"}))
        .await;
    let limit = json!({"service_id": service, "resource_name": "volumes", "default_limit": 1});
    vec![
        ("user", "/v3/users".to_owned(), json!({"name": "new"})),
        (
            "trust",
            "/v3/OS-TRUST/trusts".to_owned(),
            json!({"impersonation": false, "trustor_user_id": admin, "trustee_user_id": demo}),
        ),
        (
            "application_credential",
            format!("/v3/users/{admin}/application_credentials"),
            json!({"name": "key"}),
        ),
        (
            "registered_limit",
            "/v3/registered_limits".to_owned(),
            limit,
        ),
        (
            "endpoint_group",
            "/v3/OS-EP-FILTER/endpoint_groups".to_owned(),
            json!({"name": "g", "filters": {"interface": "public"}}),
        ),
    ]
}

fn wrapped(resource: &str, body: &Value) -> Value {
    match resource {
        "registered_limit" => json!({"registered_limits": [body]}),
        resource => json!({ resource: body }),
    }
}

#[tokio::test]
async fn what_is_not_built_says_so_and_what_describes_what_is_done_is_taken() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        let made = made(&cloud).await;
        for accepts in identity::accepted() {
            for (name, fate) in accepts.attributes {
                let Fate::NotBuilt { unless, why } = fate else {
                    assert!(
                        !matches!(fate, Fate::Refused { .. }),
                        "{name}: how is it refused?"
                    );
                    continue;
                };
                let found = made
                    .iter()
                    .find(|(resource, ..)| *resource == accepts.resource);
                let (resource, path, body) = found.expect("it is made somewhere");
                let with = |value: Value| {
                    let mut body = body.clone();
                    body[name] = value;
                    wrapped(resource, &body)
                };
                let wish = match name {
                    "federated" => json!([{"idp_id": "x", "protocols": []}]),
                    _ => json!(true),
                };
                let reply = cloud.post(path, with(wish)).await.expect(501);
                assert!(reply.message().contains(why), "{}", reply.message());
                assert!(reply.message().contains(name), "{}", reply.message());
                for taken in unless {
                    let value = serde_json::from_str(taken).expect("JSON");
                    cloud.post(path, with(value)).await.expect(201);
                }
            }
        }
    }
}

#[tokio::test]
async fn names_that_a_closed_resource_does_not_have_are_refused_and_others_are_kept() {
    let cloud = Cloud::on(sql::testing::sqlite().await).await;
    for (resource, path, mut body) in made(&cloud).await {
        body["colour"] = json!("red");
        let reply = cloud.post(&path, wrapped(resource, &body)).await;
        match resource {
            "user" => {
                let reply = reply.expect(201);
                assert_eq!(reply.body["user"]["colour"], "red");
            }
            "trust" => drop(reply.expect(201)),
            _ => {
                let reply = reply.expect(400);
                assert_eq!(
                    reply.message(),
                    "Additional properties are not allowed ('colour' was unexpected)"
                );
            }
        }
    }
    let admin = cloud.id("users", "admin").await;
    let path = format!("/v3/users/{admin}/application_credentials");
    for extra in [
        json!({"project_id": "elsewhere"}),
        json!({"access_rules": [{"service": "compute", "path": "/v2.1/servers", "method": "GET", "colour": "red"}]}),
    ] {
        let mut body = json!({"name": "key"});
        body.as_object_mut()
            .expect("object")
            .extend(extra.as_object().expect("object").clone());
        let body = json!({"application_credential": body});
        cloud.post(&path, body).await.expect(400);
    }
}

#[tokio::test]
async fn what_is_immutable_is_neither_changed_nor_removed_until_that_is_taken_away() {
    for db in sql::testing::engines().await {
        let cloud = Cloud::on(db).await;
        for (kind, one) in [
            ("roles", "role"),
            ("projects", "project"),
            ("domains", "domain"),
        ] {
            let body = json!({"name": "fixed", "enabled": false, "options": {"immutable": true}});
            let id = cloud.make(kind, one, body).await;
            let path = format!("/v3/{kind}/{id}");
            let changed = |body: Value| cloud.patch(&path, json!({ one: body }));
            let refused = format!(
                "immutable {one} resource: `{id}. Set resource option \"immutable\" to false first."
            );
            for change in [
                json!({"name": "other"}),
                json!({"options": {}}),
                json!({"options": {"immutable": true}}),
                json!({"options": {"immutable": false}, "name": "other"}),
            ] {
                let reply = changed(change).await.expect(403);
                assert_eq!(reply.message(), format!("Unable to update {refused}"));
            }
            let reply = cloud.delete(&path).await.expect(403);
            assert_eq!(reply.message(), format!("Unable to delete {refused}"));
            if one == "project" {
                let reply = cloud.put(&format!("{path}/tags/blue")).await.expect(403);
                assert!(reply.message().starts_with("Cannot create project tags"));
            }
            for wrong in [json!({"colour": true}), json!({"immutable": "yes"})] {
                let body = json!({ one: {"name": "wrong", "options": wrong} });
                cloud.post(&format!("/v3/{kind}"), body).await.expect(400);
            }
            changed(json!({"options": {"immutable": null}}))
                .await
                .expect(200);
            changed(json!({"name": "other"})).await.expect(200);
            cloud.delete(&path).await.expect(204);
        }
    }
}
