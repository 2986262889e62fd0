//! Namespaces.

use serde_json::{Value, json};

use super::{NAMESPACES, at, names, namespace, whole};
use crate::{ADMIN, ALICE, BOB, Glance};

#[tokio::test]
async fn a_namespace_is_made_with_all_that_stands_in_it() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let mut body = whole();
        body["namespace"] = json!("OS::Machines");
        let made = glance.post(ADMIN, NAMESPACES, body.clone()).await.is(201);
        assert_eq!(
            made.headers["location"],
            "/v2/metadefs/namespaces/OS::Machines"
        );
        let made = made.json();
        for (name, value) in body.as_object().expect("object") {
            assert_eq!(&made[name], value, "{name}");
        }
        assert_eq!(made["self"], "/v2/metadefs/namespaces/OS::Machines");
        assert_eq!(made["schema"], "/v2/schemas/metadefs/namespace");
        assert_eq!(made["owner"], "admin");
        assert_eq!(made["protected"], false);

        let shown = glance
            .get(ALICE, &at("OS::Machines", ""))
            .await
            .is(200)
            .json();
        assert_eq!(shown["created_at"], made["created_at"]);
        assert_eq!(shown["properties"], body["properties"]);
        assert_eq!(shown["tags"], body["tags"]);
        let kinds = &shown["resource_type_associations"];
        assert_eq!(
            names(kinds, "name"),
            ["OS::Glance::Image", "OS::Nova::Flavor"]
        );
        assert_eq!(kinds[0]["prefix"], "hw_");
        assert_eq!(kinds[0]["properties_target"], "image");
        assert!(kinds[1].get("prefix").is_none());
        let object = &shown["objects"][0];
        assert_eq!(
            object["self"],
            "/v2/metadefs/namespaces/OS::Machines/objects/Disk"
        );
        assert_eq!(object["schema"], "/v2/schemas/metadefs/object");
        assert_eq!(object["required"], json!(["bus"]));
        assert_eq!(object["properties"], body["objects"][0]["properties"]);

        // On images, names of properties have the prefix; on flavors, none.
        let path = at("OS::Machines", "?resource_type=OS::Glance::Image");
        let image = glance.get(ALICE, &path).await.is(200).json();
        assert_eq!(image["properties"]["hw_cores"], body["properties"]["cores"]);
        assert_eq!(image["objects"][0]["required"], json!(["hw_bus"]));
        assert!(image["objects"][0]["properties"]["hw_bus"].is_object());
        let path = at("OS::Machines", "?resource_type=OS::Nova::Flavor");
        let flavor = glance.get(ALICE, &path).await.is(200).json();
        assert_eq!(flavor["properties"], body["properties"]);
    }
}

#[tokio::test]
async fn of_a_namespace_with_a_wrong_part_nothing_stays() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let mut body = whole();
        body["namespace"] = json!("half");
        body["tags"] = json!([{"name": "a"}, {"name": "a"}]);
        let refused = glance.post(ADMIN, NAMESPACES, body).await.is(409);
        assert_eq!(
            super::message(&refused),
            "A metadata tag with name=a already exists in namespace=half."
        );
        glance.get(ADMIN, &at("half", "")).await.is(404);
        let types = glance
            .get(ADMIN, "/v2/metadefs/resource_types")
            .await
            .is(200);
        assert_eq!(types.json()["resource_types"], json!([]));
    }
}

#[tokio::test]
async fn a_namespace_is_changed_as_a_whole_and_renamed() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let made = namespace(&glance, "old", whole()).await;
        namespace(&glance, "taken", json!({})).await;
        let body = json!({"namespace": "new", "description": "Another.", "owner": "bob"});
        let changed = glance
            .put(ADMIN, &at("old", ""), Some(body))
            .await
            .is(200)
            .json();
        assert_eq!(changed["namespace"], "new");
        assert_eq!(changed["description"], "Another.");
        assert_eq!(changed["visibility"], "private");
        assert_eq!(changed["owner"], "bob");
        assert_eq!(changed["created_at"], made["created_at"]);
        assert!(changed.get("display_name").is_none() && changed.get("tags").is_none());
        glance.get(ADMIN, &at("old", "")).await.is(404);
        let shown = glance.get(ADMIN, &at("new", "")).await.is(200).json();
        assert_eq!(shown["tags"], json!([{"name": "fast"}]));

        let body = json!({"namespace": "taken"});
        let refused = glance.put(ADMIN, &at("new", ""), Some(body)).await.is(409);
        assert!(super::message(&refused).ends_with("with the same name of taken"));

        // A client that sends back all that it read changes what it changed, and nothing in the namespace.
        let mut body = shown;
        for name in ["self", "schema", "created_at", "updated_at"] {
            body.as_object_mut().expect("object").remove(name);
        }
        body["display_name"] = json!("New");
        let changed = glance
            .put(ADMIN, &at("new", ""), Some(body.clone()))
            .await
            .is(200);
        assert_eq!(changed.json()["display_name"], "New");
        body["tags"] = json!([]);
        let refused = glance.put(ADMIN, &at("new", ""), Some(body)).await.is(400);
        assert!(super::message(&refused).contains("'tags' is not changed by this call"));
        let body = json!({"namespace": "taken", "tags": [], "properties": {}, "objects": []});
        glance
            .put(ADMIN, &at("taken", ""), Some(body))
            .await
            .is(200);
    }
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_stands_in_it_unless_it_is_protected() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let mut body = whole();
        body["protected"] = json!(true);
        namespace(&glance, "kept", body).await;
        for (rest, what) in [
            ("", "namespace kept"),
            ("/objects", "namespace kept"),
            ("/properties", "namespace kept"),
            ("/tags", "namespace kept"),
            ("/objects/Disk", "object Disk"),
            ("/properties/cores", "property cores"),
            ("/tags/fast", "tag fast"),
            (
                "/resource_types/OS::Nova::Flavor",
                "resource-type-association OS::Nova::Flavor",
            ),
        ] {
            let refused = glance.delete(ADMIN, &at("kept", rest)).await.is(403);
            let words = format!("Metadata definition {what} is protected and cannot be deleted.");
            assert_eq!(super::message(&refused), words);
        }
        let free = json!({"namespace": "kept"});
        glance.put(ADMIN, &at("kept", ""), Some(free)).await.is(200);
        glance.delete(ADMIN, &at("kept", "")).await.is(204);
        glance.get(ADMIN, &at("kept", "")).await.is(404);
        // Types of resources stay; a namespace of the same name is empty.
        let types = glance
            .get(ALICE, "/v2/metadefs/resource_types")
            .await
            .is(200)
            .json();
        let types = names(&types["resource_types"], "name");
        assert_eq!(types, ["OS::Glance::Image", "OS::Nova::Flavor"]);
        namespace(&glance, "kept", json!({})).await;
        let tags = glance.get(ADMIN, &at("kept", "/tags")).await.is(200).json();
        assert_eq!(tags, json!({"tags": []}));
    }
}

async fn listed(glance: &Glance, token: &str, query: &str) -> (Vec<String>, Value) {
    let list = glance
        .get(token, &format!("{NAMESPACES}{query}"))
        .await
        .is(200)
        .json();
    (names(&list["namespaces"], "namespace"), list)
}

#[tokio::test]
async fn a_list_shows_what_the_caller_sees_filtered_and_in_pages() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let image = json!([{"name": "OS::Glance::Image", "prefix": "hw_"}]);
        let flavor = json!([{"name": "OS::Nova::Flavor"}]);
        for (name, more) in [
            (
                "a",
                json!({"visibility": "public", "resource_type_associations": image}),
            ),
            (
                "b",
                json!({"owner": "alice", "resource_type_associations": flavor, "display_name": "Z"}),
            ),
            ("c", json!({"owner": "bob", "display_name": "Y"})),
            ("d", json!({"visibility": "public"})),
        ] {
            namespace(&glance, name, more).await;
        }
        for (token, query, expected) in [
            (ADMIN, "", "dcba"),
            (ALICE, "", "dba"),
            (BOB, "", "dca"),
            (ALICE, "?visibility=private", "b"),
            (ALICE, "?visibility=public", "da"),
            (ADMIN, "?visibility=", "dcba"),
            (
                ADMIN,
                "?resource_types=OS::Glance::Image,OS::Nova::Flavor",
                "ba",
            ),
            (ADMIN, "?resource_types=OS::Nova::Flavor", "b"),
            (BOB, "?resource_types=OS::Nova::Flavor", ""),
            (ADMIN, "?sort_key=namespace&sort_dir=asc", "abcd"),
            (ADMIN, "?sort_key=display_name&sort_dir=desc", "bcda"),
            (ADMIN, "?limit=0", ""),
        ] {
            let (found, _) = listed(&glance, token, query).await;
            assert_eq!(
                found.concat(),
                expected,
                "{query} on {:?}",
                glance.db.engine()
            );
        }
        let (_, list) = listed(&glance, ALICE, "").await;
        let kinds = &list["namespaces"][2]["resource_type_associations"];
        assert_eq!(kinds[0]["prefix"], "hw_");
        assert!(
            list["namespaces"][0]
                .get("resource_type_associations")
                .is_none()
        );
        assert_eq!(list["first"], NAMESPACES);
        assert_eq!(list["schema"], "/v2/schemas/metadefs/namespaces");
        assert!(list.get("next").is_none());

        for key in [
            "created_at",
            "updated_at",
            "namespace",
            "display_name",
            "visibility",
            "protected",
            "owner",
        ] {
            for dir in ["asc", "desc"] {
                let (all, _) =
                    listed(&glance, ADMIN, &format!("?sort_key={key}&sort_dir={dir}")).await;
                let mut paged = Vec::new();
                let mut query = format!("?sort_key={key}&sort_dir={dir}&limit=1");
                loop {
                    let (page, list) = listed(&glance, ADMIN, &query).await;
                    paged.extend(page);
                    let first = list["first"].as_str().expect("a link");
                    assert!(
                        first.contains("limit=1") && !first.contains("marker"),
                        "{first}"
                    );
                    let Some(next) = list["next"].as_str() else {
                        break;
                    };
                    query = next.strip_prefix(NAMESPACES).expect("this list").to_owned();
                }
                assert_eq!(paged, all, "{key} {dir} on {:?}", glance.db.engine());
            }
        }
    }
}
