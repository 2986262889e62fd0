//! Objects, properties, tags and types of resources of a namespace.

use serde_json::json;

use super::{append, at, message, names, namespace, whole};
use crate::{ADMIN, ALICE, Glance};

#[tokio::test]
async fn objects_come_change_and_go() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        namespace(&glance, "n", json!({"visibility": "public"})).await;
        let properties = json!({"size": {"title": "Size", "type": "integer"}});
        let body = json!({"name": "Disk", "description": "A disk.", "properties": properties});
        let made = glance
            .post(ADMIN, &at("n", "/objects"), body.clone())
            .await
            .is(201)
            .json();
        assert_eq!(made["self"], "/v2/metadefs/namespaces/n/objects/Disk");
        assert_eq!(made["required"], json!([]));
        let shown = glance
            .get(ALICE, &at("n", "/objects/Disk"))
            .await
            .is(200)
            .json();
        assert_eq!(shown, made);
        let refused = glance.post(ADMIN, &at("n", "/objects"), body).await.is(409);
        assert_eq!(
            message(&refused),
            "A metadata definition object with name=Disk already exists in namespace=n."
        );

        let body = json!({"name": "Volume", "required": ["size"]});
        let path = at("n", "/objects/Disk");
        let changed = glance
            .put(ADMIN, &path, Some(body.clone()))
            .await
            .is(200)
            .json();
        assert_eq!(changed["name"], "Volume");
        assert_eq!(changed["required"], json!(["size"]));
        assert_eq!(changed["properties"], json!({}));
        assert!(changed.get("description").is_none());
        assert_eq!(changed["created_at"], made["created_at"]);
        let gone = glance.put(ADMIN, &path, Some(body.clone())).await.is(404);
        assert_eq!(
            message(&gone),
            "The metadata definition object with name=Disk was not found in namespace=n."
        );
        // Case tells names apart.
        for name in ["volume", "b", "c"] {
            glance
                .post(ADMIN, &at("n", "/objects"), json!({"name": name}))
                .await
                .is(201);
        }
        let refused = glance
            .put(ADMIN, &at("n", "/objects/b"), Some(body))
            .await
            .is(409);
        assert!(message(&refused).contains("with the same name=Volume in namespace=n"));

        let list = glance.get(ALICE, &at("n", "/objects")).await.is(200).json();
        assert_eq!(list["schema"], "v2/schemas/metadefs/objects");
        assert_eq!(
            names(&list["objects"], "name"),
            ["c", "b", "volume", "Volume"]
        );
        for (query, expected) in [
            ("?limit=2", vec!["c", "b"]),
            ("?limit=2&marker=b", vec!["volume", "Volume"]),
            ("?sort_dir=asc&limit=1", vec!["Volume"]),
            ("?sort_key=name&sort_dir=desc&limit=1&marker=c", vec!["b"]),
            ("?sort_key=updated_at&limit=1", vec!["c"]),
        ] {
            let list = glance
                .get(ALICE, &at("n", &format!("/objects{query}")))
                .await
                .is(200);
            let found = names(&list.json()["objects"], "name");
            assert_eq!(found, expected, "{query} on {:?}", glance.db.engine());
        }
        glance
            .get(ALICE, &at("n", "/objects?marker=nothing"))
            .await
            .is(404);

        glance.delete(ADMIN, &at("n", "/objects/b")).await.is(204);
        glance.delete(ADMIN, &at("n", "/objects/b")).await.is(404);
        glance.get(ALICE, &at("n", "/objects/b")).await.is(404);
        glance.delete(ADMIN, &at("n", "/objects")).await.is(204);
        let list = glance.get(ALICE, &at("n", "/objects")).await.is(200).json();
        assert_eq!(list["objects"], json!([]));
    }
}

#[tokio::test]
async fn properties_come_change_and_go() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        namespace(&glance, "n", whole()).await;
        let body = json!({
            "name": "speed", "title": "Speed", "type": "array", "operators": ["<in>"],
            "items": {"type": "string", "enum": ["slow", "fast"]}, "uniqueItems": true,
            "minItems": 1, "default": ["slow"], "readonly": true,
        });
        let made = glance
            .post(ADMIN, &at("n", "/properties"), body.clone())
            .await
            .is(201);
        assert_eq!(made.json(), body);
        let shown = glance
            .get(ALICE, &at("n", "/properties/speed"))
            .await
            .is(200);
        assert_eq!(shown.json(), body);
        let refused = glance
            .post(ADMIN, &at("n", "/properties"), body.clone())
            .await
            .is(409);
        assert_eq!(
            message(&refused),
            "A metadata definition property with name=speed already exists in namespace=n."
        );
        let all = glance
            .get(ALICE, &at("n", "/properties"))
            .await
            .is(200)
            .json();
        assert_eq!(all["properties"]["speed"], body);
        assert_eq!(all["properties"]["cores"], whole()["properties"]["cores"]);

        // By the name that it has on images.
        let of_images = "?resource_type=OS::Glance::Image";
        let path = at("n", &format!("/properties/hw_cores{of_images}"));
        let shown = glance.get(ALICE, &path).await.is(200).json();
        assert_eq!(shown["name"], "cores");
        for (name, kind, words) in [
            (
                "cores",
                "OS::Glance::Image",
                "Property cores does not start with the expected",
            ),
            ("cores", "OS::Nova::Flavor", "prefix of ''"),
            (
                "cores",
                "Nothing",
                "resource-type=Nothing to namespace=n, was not found",
            ),
        ] {
            let path = at("n", &format!("/properties/{name}?resource_type={kind}"));
            let refused = glance.get(ALICE, &path).await.is(404);
            assert!(message(&refused).contains(words), "{refused:?}");
        }

        let body = json!({"name": "pace", "title": "Pace", "type": "string"});
        let path = at("n", "/properties/speed");
        let changed = glance.put(ADMIN, &path, Some(body.clone())).await.is(200);
        assert_eq!(changed.json(), body);
        let gone = glance.put(ADMIN, &path, Some(body.clone())).await.is(404);
        assert!(message(&gone).contains("property with name=speed was not found"));
        let refused = glance
            .put(ADMIN, &at("n", "/properties/cores"), Some(body))
            .await
            .is(409);
        assert!(message(&refused).contains("with the same name=pace in namespace=n"));

        glance
            .delete(ADMIN, &at("n", "/properties/pace"))
            .await
            .is(204);
        glance
            .delete(ADMIN, &at("n", "/properties/pace"))
            .await
            .is(404);
        glance
            .get(ALICE, &at("n", "/properties/pace"))
            .await
            .is(404);
        glance.delete(ADMIN, &at("n", "/properties")).await.is(204);
        let all = glance
            .get(ALICE, &at("n", "/properties"))
            .await
            .is(200)
            .json();
        assert_eq!(all, json!({"properties": {}}));
    }
}

#[tokio::test]
async fn tags_come_change_and_go() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        namespace(&glance, "n", json!({"visibility": "public"})).await;
        let made = glance
            .ask(ADMIN, http::Method::POST, &at("n", "/tags/a"), None)
            .await
            .is(201);
        assert_eq!(made.json()["name"], "a");
        let shown = glance.get(ALICE, &at("n", "/tags/a")).await.is(200).json();
        assert_eq!(shown, made.json());
        let taken = "A metadata tag with name=a already exists in namespace=n.";
        let refused = glance
            .ask(ADMIN, http::Method::POST, &at("n", "/tags/a"), None)
            .await
            .is(409);
        assert_eq!(message(&refused), taken);

        let tags = async || {
            let list = glance
                .get(ALICE, &at("n", "/tags?sort_key=name&sort_dir=asc"))
                .await
                .is(200);
            names(&list.json()["tags"], "name").concat()
        };
        let many = json!({"tags": [{"name": "b"}, {"name": "c"}]});
        let made = append(&glance, "n", "True", many.clone()).await.is(201);
        assert_eq!(made.json(), many);
        assert_eq!(tags().await, "abc");
        // One that is there already, and nothing is written.
        let again = json!({"tags": [{"name": "x"}, {"name": "a"}]});
        let refused = append(&glance, "n", "yes", again.clone()).await.is(409);
        assert_eq!(message(&refused), taken);
        assert_eq!(tags().await, "abc");
        // Without the header, in the place of all.
        glance.post(ADMIN, &at("n", "/tags"), again).await.is(201);
        assert_eq!(tags().await, "ax");
        append(&glance, "n", "false", many).await.is(201);
        assert_eq!(tags().await, "bc");
        glance
            .post(ADMIN, &at("n", "/tags"), json!({"tags": []}))
            .await
            .is(201);
        assert_eq!(tags().await, "bc");
        let page = glance
            .get(
                ALICE,
                &at("n", "/tags?sort_key=name&sort_dir=asc&limit=1&marker=b"),
            )
            .await;
        assert_eq!(page.is(200).json(), json!({"tags": [{"name": "c"}]}));
        glance
            .get(ALICE, &at("n", "/tags?marker=nothing"))
            .await
            .is(404);

        let changed = glance
            .put(ADMIN, &at("n", "/tags/b"), Some(json!({"name": "d"})))
            .await
            .is(200);
        assert_eq!(changed.json()["name"], "d");
        assert_eq!(tags().await, "cd");
        let gone = glance
            .put(ADMIN, &at("n", "/tags/b"), Some(json!({"name": "d"})))
            .await
            .is(404);
        assert_eq!(
            message(&gone),
            "The metadata definition tag with name=b was not found in namespace=n."
        );
        glance
            .put(ADMIN, &at("n", "/tags/c"), Some(json!({"name": "d"})))
            .await
            .is(409);

        glance.delete(ADMIN, &at("n", "/tags/c")).await.is(204);
        glance.delete(ADMIN, &at("n", "/tags/c")).await.is(404);
        glance.get(ALICE, &at("n", "/tags/c")).await.is(404);
        glance.delete(ADMIN, &at("n", "/tags")).await.is(204);
        assert_eq!(tags().await, "");
    }
}

#[tokio::test]
async fn a_namespace_is_for_the_types_of_resources_that_it_is_associated_with() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        namespace(&glance, "n", json!({"visibility": "public"})).await;
        namespace(&glance, "m", json!({"visibility": "public"})).await;
        let body =
            json!({"name": "OS::Glance::Image", "prefix": "hw_", "properties_target": "image"});
        for name in ["n", "m"] {
            let path = at(name, "/resource_types");
            let made = glance.post(ADMIN, &path, body.clone()).await.is(201).json();
            assert_eq!(made["prefix"], "hw_");
            let list = glance.get(ALICE, &path).await.is(200).json();
            assert_eq!(list, json!({"resource_type_associations": [made]}));
        }
        let refused = glance
            .post(ADMIN, &at("n", "/resource_types"), body)
            .await
            .is(409);
        assert_eq!(
            message(&refused),
            "The metadata definition resource-type association of \
             resource-type=OS::Glance::Image to namespace=n already exists."
        );
        let types = glance
            .get(ALICE, "/v2/metadefs/resource_types")
            .await
            .is(200)
            .json();
        assert_eq!(
            names(&types["resource_types"], "name"),
            ["OS::Glance::Image"]
        );

        let path = at("n", "/resource_types/OS::Glance::Image");
        glance.delete(ADMIN, &path).await.is(204);
        let gone = glance.delete(ADMIN, &path).await.is(404);
        assert_eq!(
            message(&gone),
            "Failed to find resource type OS::Glance::Image to delete"
        );
        let list = glance
            .get(ALICE, &at("m", "/resource_types"))
            .await
            .is(200)
            .json();
        assert_eq!(
            names(&list["resource_type_associations"], "name"),
            ["OS::Glance::Image"]
        );
    }
}
