//! Lists: filters, order, pages.

use serde_json::{Value, json};

use super::{ADMIN, ALICE, Glance};

async fn names(glance: &Glance, token: &str, query: &str) -> Vec<String> {
    let body = glance
        .get(token, &format!("/v2/images?{query}"))
        .await
        .is(200)
        .json();
    let images = body["images"].as_array().expect("images").clone();
    images
        .iter()
        .map(|image| image["name"].as_str().unwrap_or("-").to_owned())
        .collect()
}

async fn filled(db: sql::Database) -> Glance {
    let glance = Glance::on(db, |_| {}).await;
    for (name, data, more) in [
        ("a", 10, json!({"tags": ["x", "y"], "os_distro": "debian"})),
        (
            "b",
            30,
            json!({"tags": ["x"], "disk_format": "ami", "container_format": "ami"}),
        ),
        ("c", 20, json!({"os_hidden": true})),
        ("d", 40, json!({"protected": true, "min_ram": 7})),
    ] {
        let mut body = json!({"name": name});
        body.as_object_mut()
            .expect("object")
            .extend(more.as_object().cloned().expect("object"));
        glance.active(ALICE, body, &vec![1; data]).await;
    }
    glance.create(ALICE, json!({"name": "e"})).await;
    glance
}

#[tokio::test]
async fn every_filter_finds_what_it_says() {
    for db in sql::testing::engines().await {
        let glance = filled(db).await;
        let all = glance.get(ALICE, "/v2/images").await.json();
        let first: Value = all["images"][3].clone();
        let id = first["id"].as_str().expect("id");
        let checksum = first["checksum"].as_str().unwrap_or_default();
        for (query, expected) in [
            ("", "edba"),
            ("name=a", "a"),
            ("name=in:a,e", "ea"),
            (
                &format!("id={id}"),
                first["name"].as_str().unwrap_or_default(),
            ),
            (
                &format!("checksum={checksum}&sort=name:asc"),
                first["name"].as_str().unwrap_or_default(),
            ),
            ("status=queued", "e"),
            ("status=in:queued,saving", "e"),
            ("status=nonsense", ""),
            ("container_format=ami", "b"),
            ("disk_format=in:raw,ami", "edba"),
            ("size_min=20", "db"),
            ("size_max=10", "a"),
            ("size_min=20&size_max=30", "b"),
            ("tag=x", "ba"),
            ("tag=x&tag=y", "a"),
            ("protected=true", "d"),
            ("min_ram=7", "d"),
            ("os_hidden=true", "c"),
            ("os_distro=debian", "a"),
            ("os_distro=fedora", ""),
            ("owner=alice", "edba"),
            ("owner=bob", ""),
            ("visibility=shared", "edba"),
            ("visibility=private", ""),
            ("created_at=gt:2020-01-01T00:00:00Z", "edba"),
            ("created_at=lt:2020-01-01T00:00:00Z", ""),
            ("updated_at=gte:2999-01-01", ""),
        ] {
            let found = names(&glance, ALICE, query).await.concat();
            assert_eq!(found, expected, "{query} on {:?}", glance.db.engine());
        }
        glance.get(ALICE, "/v2/images?marker=nothing").await.is(400);
    }
}

#[tokio::test]
async fn pages_follow_each_other_in_every_order() {
    for db in sql::testing::engines().await {
        let glance = filled(db).await;
        for (sort, expected) in [
            ("sort=name:asc", "abde"),
            ("sort=size:asc", "eabd"),
            ("sort=size:desc", "dbae"),
            ("sort=disk_format:asc,name:desc", "beda"),
            ("sort_key=status&sort_key=name&sort_dir=asc", "abde"),
            ("sort_key=created_at&sort_dir=asc", "abde"),
            ("", "edba"),
        ] {
            let mut found = String::new();
            let mut next = format!("/v2/images?limit=1&{sort}");
            for _ in 0..6 {
                let page = glance.get(ALICE, &next).await.is(200).json();
                for image in page["images"].as_array().expect("images") {
                    found += image["name"].as_str().expect("name");
                }
                match page["next"].as_str() {
                    Some(link) => next = link.to_owned(),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{sort} on {:?}", glance.db.engine());
        }
        let page = glance
            .get(ALICE, "/v2/images?limit=2&name=in:a,b")
            .await
            .json();
        assert_eq!(page["first"], "/v2/images?limit=2&name=in:a%2Cb");
        let empty = glance.get(ALICE, "/v2/images?limit=0").await.is(200).json();
        assert_eq!(empty["images"], json!([]));
        assert!(empty.get("next").is_none());
    }
}

#[tokio::test]
async fn community_images_are_listed_only_when_asked_for() {
    let glance = Glance::start().await;
    glance
        .create(ADMIN, json!({"name": "p", "visibility": "public"}))
        .await;
    glance
        .create(ADMIN, json!({"name": "c", "visibility": "community"}))
        .await;
    glance.create(ADMIN, json!({"name": "s"})).await;
    glance
        .create(ADMIN, json!({"name": "x", "visibility": "private"}))
        .await;
    glance
        .create(ALICE, json!({"name": "own", "visibility": "community"}))
        .await;
    assert_eq!(names(&glance, ALICE, "sort=name").await, ["p", "own"]);
    assert_eq!(
        names(&glance, ALICE, "sort=name&visibility=community").await,
        ["own", "c"]
    );
    assert_eq!(
        names(&glance, ALICE, "sort=name&visibility=all").await,
        ["p", "own", "c"]
    );
    assert_eq!(
        names(&glance, ADMIN, "sort=name").await,
        ["x", "s", "p", "c"]
    );
}
