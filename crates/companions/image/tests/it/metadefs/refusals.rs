//! What is refused, to whom and in which words; and the schemas that say so beforehand.

use http::Method;
use serde_json::{Value, json};

use super::{NAMESPACES, append, at, message, namespace, whole};
use crate::policy::with_rules;
use crate::{ADMIN, ALICE, BOB, Glance, READER, SERVICE};

const PARTS: [&str; 10] = [
    "",
    "/objects",
    "/objects/Disk",
    "/properties",
    "/properties/cores",
    "/tags",
    "/tags/fast",
    "/resource_types",
    "?resource_type=OS::Glance::Image",
    "/properties/hw_cores?resource_type=OS::Glance::Image",
];

#[tokio::test]
async fn others_do_not_see_a_private_namespace() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let mut body = whole();
        body["visibility"] = json!("private");
        body["owner"] = json!("alice");
        namespace(&glance, "n", body).await;
        for part in PARTS {
            for token in [ALICE, READER, ADMIN] {
                glance.get(token, &at("n", part)).await.is(200);
            }
            for token in [BOB, SERVICE] {
                let refused = glance.get(token, &at("n", part)).await.is(404);
                assert_eq!(message(&refused), "Namespace n not found", "{part}");
            }
            let missing = glance.get(BOB, &at("x", part)).await.is(404);
            assert_eq!(message(&missing), "Namespace x not found", "{part}");
        }
        // Nor does it stand behind a marker.
        let path = format!("{NAMESPACES}?marker=n");
        glance.get(BOB, &path).await.is(404);
        glance.get(ALICE, &path).await.is(200);
    }
}

#[tokio::test]
async fn only_administrators_write() {
    let glance = Glance::start().await;
    let mut private = whole();
    private["visibility"] = json!("private");
    private["owner"] = json!("alice");
    namespace(&glance, "private", private).await;
    namespace(&glance, "public", whole()).await;
    let property = json!({"name": "p", "title": "P", "type": "string"});
    for (method, part, body) in [
        (Method::PUT, "", json!({"namespace": "n"})),
        (Method::DELETE, "", Value::Null),
        (Method::POST, "/objects", json!({"name": "o"})),
        (Method::PUT, "/objects/Disk", json!({"name": "o"})),
        (Method::DELETE, "/objects/Disk", Value::Null),
        (Method::DELETE, "/objects", Value::Null),
        (Method::POST, "/properties", property.clone()),
        (Method::PUT, "/properties/cores", property),
        (Method::DELETE, "/properties/cores", Value::Null),
        (Method::DELETE, "/properties", Value::Null),
        (Method::POST, "/tags", json!({"tags": []})),
        (Method::POST, "/tags/t", Value::Null),
        (Method::PUT, "/tags/fast", json!({"name": "t"})),
        (Method::DELETE, "/tags/fast", Value::Null),
        (Method::DELETE, "/tags", Value::Null),
        (Method::POST, "/resource_types", json!({"name": "r"})),
        (
            Method::DELETE,
            "/resource_types/OS::Nova::Flavor",
            Value::Null,
        ),
    ] {
        let body = Some(body).filter(|body| !body.is_null());
        for (token, name, code) in [
            (ALICE, "private", 403),
            (BOB, "private", 404),
            (BOB, "public", 403),
            (ADMIN, "missing", 404),
        ] {
            let answer = glance
                .ask(token, method.clone(), &at(name, part), body.clone())
                .await;
            assert_eq!(answer.status, code, "{method} {part} of {name} by {token}");
        }
    }
    let body = json!({"namespace": "n"});
    glance.post(ALICE, NAMESPACES, body).await.is(403);
    glance.get(SERVICE, NAMESPACES).await.is(403);
    glance
        .get(SERVICE, "/v2/metadefs/resource_types")
        .await
        .is(403);
}

#[tokio::test]
async fn an_operators_rules_hold_within_what_is_visible() {
    let (glance, _folder) = with_rules("get_metadef_namespace: \"\"\n").await;
    namespace(&glance, "private", json!({"owner": "alice"})).await;
    glance.get(ALICE, &at("private", "")).await.is(200);
    // A rule opens no other project's private namespace.
    glance.get(BOB, &at("private", "")).await.is(404);

    let rules = "get_metadef_namespace: role:admin\nmodify_metadef_tag: \"\"\n";
    let (glance, _folder) = with_rules(rules).await;
    namespace(&glance, "public", whole()).await;
    for part in ["", "/objects", "/tags/fast"] {
        glance.get(ALICE, &at("public", part)).await.is(404);
    }
    let rename = json!({"name": "slow"});
    let path = at("public", "/tags/fast");
    glance.put(ALICE, &path, Some(rename.clone())).await.is(404);
    let list = glance.get(ALICE, NAMESPACES).await.is(200).json();
    assert_eq!(list["namespaces"], json!([]));
    glance.put(ADMIN, &path, Some(rename)).await.is(200);

    let rules = "get_metadef_object: role:admin\nget_metadef_resource_type: role:admin\n";
    let (glance, _folder) = with_rules(rules).await;
    namespace(&glance, "public", whole()).await;
    glance
        .get(ALICE, &at("public", "/objects/Disk"))
        .await
        .is(403);
    let objects = glance.get(ALICE, &at("public", "/objects")).await.is(200);
    assert_eq!(objects.json()["objects"], json!([]));
    let path = at("public", "/resource_types");
    let list = glance.get(ALICE, &path).await.is(200).json();
    assert_eq!(list["resource_type_associations"], json!([]));
    let list = glance.get(ADMIN, &path).await.is(200).json();
    assert_eq!(
        list["resource_type_associations"].as_array().map(Vec::len),
        Some(2)
    );
    let path = at(
        "public",
        "/properties/hw_cores?resource_type=OS::Glance::Image",
    );
    glance.get(ALICE, &path).await.is(403);
}

#[tokio::test]
async fn a_body_is_what_its_schema_says() {
    let glance = Glance::start().await;
    namespace(&glance, "n", whole()).await;
    let post = |part: &'static str, body: Value| (Method::POST, part, body);
    let put = |part: &'static str, body: Value| (Method::PUT, part, body);
    let untitled = json!({"p": {"type": "string"}});
    let unknown = json!({"p": {"type": "string", "title": "P", "colour": "red"}});
    let long = "x".repeat(81);
    for ((method, part, body), words) in [
        (
            put("", json!({})),
            "schema 'namespace': 'namespace' is a required property",
        ),
        (
            put("", json!({"namespace": long})),
            "is too long (at 'namespace')",
        ),
        (
            put("", json!({"namespace": ""})),
            "is too short (at 'namespace')",
        ),
        (
            put("", json!({"namespace": "n", "colour": 1})),
            "('colour' was unexpected)",
        ),
        (
            put("", json!({"namespace": "n", "visibility": "shared"})),
            "\"shared\" is not one of [\"public\",\"private\"]",
        ),
        (
            put("", json!({"namespace": "n", "protected": "yes"})),
            "\"yes\" is not of type 'boolean' (at 'protected')",
        ),
        (put("", json!([])), "[] is not of type 'object'"),
        (put("", Value::Null), "Body expected in request."),
        (post("/objects", Value::Null), "Body expected in request."),
        (
            post("/objects", json!({})),
            "schema 'object': 'name' is a required property",
        ),
        (
            post("/objects", json!({"name": "o", "required": ["a", "a"]})),
            "has non-unique elements (at 'required')",
        ),
        (
            post("/objects", json!({"name": "o", "properties": untitled})),
            "'title' is a required property (at 'properties.p')",
        ),
        (
            put("/objects/Disk", json!({"name": "o", "properties": unknown})),
            "schema 'property': Additional properties",
        ),
        (
            post("/properties", json!({"title": "P", "type": "string"})),
            "schema 'property': 'name' is a required property",
        ),
        (
            post(
                "/properties",
                json!({"name": "p", "title": "P", "type": "text"}),
            ),
            "\"text\" is not one of",
        ),
        (
            put(
                "/properties/cores",
                json!({"name": "p", "title": "P", "type": "string", "minLength": -1}),
            ),
            "-1 is less than the minimum of 0 (at 'minLength')",
        ),
        (
            post("/tags", json!({})),
            "schema 'tags': 'tags' is a required property",
        ),
        (
            post("/tags", json!({"tags": [{"name": "a", "b": 1}]})),
            "('b' was unexpected) (at 'tags.0')",
        ),
        (
            post("/tags/t", json!({"name": "t"})),
            "This call takes no body",
        ),
        (
            put("/tags/fast", json!({"name": 1})),
            "schema 'tag': 1 is not of type 'string' (at 'name')",
        ),
        (
            post("/resource_types", json!({"prefix": "a"})),
            "schema 'resource_type_association': 'name' is a required property",
        ),
    ] {
        let body = Some(body).filter(|body| !body.is_null());
        let refused = glance
            .ask(ADMIN, method.clone(), &at("n", part), body)
            .await
            .is(400);
        assert!(
            message(&refused).contains(words),
            "{method} {part}: {}",
            message(&refused)
        );
    }
    let tag = at("n", &format!("/tags/{long}"));
    glance.ask(ADMIN, Method::POST, &tag, None).await.is(400);
    append(&glance, "n", "perhaps", json!({"tags": []}))
        .await
        .is(400);
    for (part, key, value) in [
        ("", "objects", json!([{"description": "no name"}])),
        ("", "objects", json!([{"name": "o", "properties": unknown}])),
        ("", "properties", unknown),
        (
            "",
            "properties",
            json!({long: {"title": "P", "type": "string"}}),
        ),
        ("", "tags", json!([{}])),
        (
            "",
            "resource_type_associations",
            json!([{"name": "r", "colour": 1}]),
        ),
    ] {
        let body = json!({"namespace": "new", key: value});
        let refused = glance
            .post(ADMIN, &format!("{NAMESPACES}{part}"), body)
            .await;
        assert_eq!(refused.status, 400, "{key}: {}", message(&refused));
    }
    glance.get(ADMIN, &at("new", "")).await.is(404);
}

#[tokio::test]
async fn what_the_service_says_is_not_for_clients_to_set() {
    let glance = Glance::start().await;
    namespace(&glance, "n", whole()).await;
    let property = json!({"name": "p", "title": "P", "type": "string"});
    for (part, body, names) in [
        (
            "",
            json!({"namespace": "m"}),
            ["self", "schema", "created_at", "updated_at"].as_slice(),
        ),
        (
            "/objects",
            json!({"name": "o"}),
            &["self", "schema", "created_at", "updated_at"],
        ),
        ("/properties", property, &["created_at", "updated_at"]),
        ("/tags", json!({"tags": []}), &["created_at", "updated_at"]),
        (
            "/resource_types",
            json!({"name": "r"}),
            &["created_at", "updated_at"],
        ),
    ] {
        for name in names {
            let mut body = body.clone();
            body[name] = json!("x");
            let path = match part {
                "" => NAMESPACES.to_owned(),
                _ => at("n", part),
            };
            let refused = glance.post(ADMIN, &path, body).await.is(403);
            assert_eq!(
                message(&refused),
                format!("Attribute '{name}' is read-only.")
            );
        }
    }
}

#[tokio::test]
async fn a_query_that_means_nothing_is_refused() {
    let glance = Glance::start().await;
    namespace(&glance, "n", whole()).await;
    for (path, words) in [
        (
            format!("{NAMESPACES}?visibility=shared"),
            "Invalid visibility value: shared",
        ),
        (
            format!("{NAMESPACES}?limit=x"),
            "limit param must be an integer",
        ),
        (
            format!("{NAMESPACES}?limit=-1"),
            "limit param must be positive",
        ),
        (
            format!("{NAMESPACES}?sort_dir=up"),
            "Invalid sort direction: up",
        ),
        (
            format!("{NAMESPACES}?sort_key=colour"),
            "Invalid sort key: colour",
        ),
        (
            format!("{NAMESPACES}?colour=red"),
            "Invalid query parameter: colour",
        ),
        (at("n", "?colour=red"), "Invalid query parameter: colour"),
        (
            at("n", "/objects?colour=red"),
            "Invalid query parameter: colour",
        ),
        (
            at("n", "/objects?sort_key=namespace"),
            "Invalid sort key: namespace",
        ),
        (
            at("n", "/properties?limit=1"),
            "Invalid query parameter: limit",
        ),
        (
            at("n", "/properties/cores?limit=1"),
            "Invalid query parameter: limit",
        ),
        (at("n", "/tags?limit=-1"), "limit param must be positive"),
        (
            at("n", "/resource_types?limit=1"),
            "Invalid query parameter: limit",
        ),
        (
            "/v2/metadefs/resource_types?limit=1".to_owned(),
            "Invalid query parameter: limit",
        ),
    ] {
        let refused = glance.get(ADMIN, &path).await.is(400);
        assert!(
            message(&refused).contains(words),
            "{path}: {}",
            message(&refused)
        );
    }
}

#[tokio::test]
async fn a_namespace_needs_an_owner() {
    let glance = Glance::start().await;
    let nobody = ":admin,reader";
    let body = json!({"namespace": "n"});
    let refused = glance.post(nobody, NAMESPACES, body).await.is(400);
    assert!(message(&refused).starts_with("A namespace needs an owner"));
    let body = json!({"namespace": "n", "owner": "alice"});
    glance.post(nobody, NAMESPACES, body).await.is(201);
    glance.get(ALICE, &at("n", "")).await.is(200);
}

#[tokio::test]
async fn every_schema_is_published() {
    let glance = Glance::start().await;
    let rules = glance
        .get(ALICE, "/v2/schemas/metadefs/nothing")
        .await
        .is(404);
    assert_eq!(message(&rules), "There is no schema 'metadefs/nothing'.");
    for (name, list) in [
        ("namespace", "namespaces"),
        ("object", "objects"),
        ("property", "properties"),
        ("resource_type", "resource_types"),
        ("tag", "tags"),
    ] {
        let one = glance
            .get(ALICE, &format!("/v2/schemas/metadefs/{name}"))
            .await
            .is(200)
            .json();
        assert_eq!(one["additionalProperties"], false, "{name}");
        assert!(one["required"].is_array(), "{name}");
        let many = glance
            .get(ALICE, &format!("/v2/schemas/metadefs/{list}"))
            .await
            .is(200)
            .json();
        let key = many["name"].as_str().expect("a name");
        let item = match name {
            "property" => &many["properties"][key]["additionalProperties"],
            _ => &many["properties"][key]["items"],
        };
        assert_eq!(item["properties"], one["properties"], "{name}");
        assert_eq!(many["definitions"], one["definitions"], "{name}");
    }
}
