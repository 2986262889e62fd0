//! Members: who sees a shared image, and who answers.

use serde_json::{Value, json};

use super::{ADMIN, ALICE, BOB, Glance};

async fn listed(glance: &Glance, query: &str) -> usize {
    let body = glance
        .get(BOB, &format!("/v2/images?{query}"))
        .await
        .is(200)
        .json();
    body["images"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_shared_image_is_listed_once_it_is_accepted() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let id = glance.active(ALICE, json!({}), b"data").await;
        let (image, members) = (
            format!("/v2/images/{id}"),
            format!("/v2/images/{id}/members"),
        );
        let bob = format!("{members}/bob");
        glance.get(BOB, &image).await.is(404);
        let made = glance
            .post(ALICE, &members, json!({"member": "bob"}))
            .await
            .is(200)
            .json();
        assert_eq!(
            (&made["status"], &made["member_id"]),
            (&json!("pending"), &json!("bob"))
        );
        glance
            .post(ALICE, &members, json!({"member": "bob"}))
            .await
            .is(409);
        glance.get(BOB, &image).await.is(200);
        assert_eq!(listed(&glance, "").await, 0);
        assert_eq!(
            listed(&glance, "member_status=pending&visibility=shared").await,
            1
        );
        glance
            .put(ALICE, &bob, Some(json!({"status": "accepted"})))
            .await
            .is(403);
        glance
            .put(BOB, &bob, Some(json!({"status": "perhaps"})))
            .await
            .is(400);
        glance
            .put(BOB, &bob, Some(json!({"status": "accepted"})))
            .await
            .is(200);
        assert_eq!(listed(&glance, "").await, 1);
        assert_eq!(listed(&glance, "member_status=rejected").await, 0);
        glance.get(BOB, &format!("{image}/file")).await.is(200);
        glance
            .put(BOB, &bob, Some(json!({"status": "rejected"})))
            .await
            .is(200);
        assert_eq!(listed(&glance, "member_status=all").await, 1);
        assert_eq!(listed(&glance, "").await, 0);
        glance.delete(BOB, &bob).await.is(403);
        glance.delete(ALICE, &bob).await.is(204);
        glance.delete(ALICE, &bob).await.is(404);
        glance.get(BOB, &image).await.is(404);
    }
}

#[tokio::test]
async fn members_see_only_themselves() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    let members = format!("/v2/images/{id}/members");
    for member in ["bob", "carol"] {
        glance
            .post(ALICE, &members, json!({"member": member}))
            .await
            .is(200);
    }
    let count = |body: Value| body["members"].as_array().map_or(0, Vec::len);
    assert_eq!(count(glance.get(ALICE, &members).await.is(200).json()), 2);
    assert_eq!(count(glance.get(BOB, &members).await.is(200).json()), 1);
    glance.get(BOB, &format!("{members}/bob")).await.is(200);
    glance.get(BOB, &format!("{members}/carol")).await.is(404);
    glance.get(ALICE, &format!("{members}/dave")).await.is(404);
    let carol = format!("{members}/carol");
    glance
        .put(BOB, &carol, Some(json!({"status": "accepted"})))
        .await
        .is(404);
}

#[tokio::test]
async fn only_shared_images_have_members() {
    let glance = Glance::start().await;
    let id = glance.create(ALICE, json!({"visibility": "private"})).await;
    let members = format!("/v2/images/{id}/members");
    glance
        .post(ALICE, &members, json!({"member": "bob"}))
        .await
        .is(403);
    glance.get(ALICE, &members).await.is(403);
    glance.get(BOB, &members).await.is(404);
    let id = glance.create(ALICE, json!({})).await;
    let members = format!("/v2/images/{id}/members");
    for body in [json!({}), json!({"member": ""}), json!({"member": 5})] {
        glance.post(ALICE, &members, body).await.is(400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_number_of_members_is_limited_for_callers_at_once() {
    for db in sql::testing::engines().await {
        let engine = db.engine();
        let glance = Glance::on(db, |settings| settings.member_limit = 3).await;
        let id = glance.create(ALICE, json!({})).await;
        let members = format!("/v2/images/{id}/members");
        let asked = (0..12).map(|number| {
            let project = format!("p{number}");
            glance.post(ALICE, &members, json!({"member": project}))
        });
        let answers = futures::future::join_all(asked).await;
        let added = answers.iter().filter(|answer| answer.status == 200);
        assert_eq!(added.count(), 3, "{engine:?}");
    }
}

#[tokio::test]
async fn a_nul_is_refused_with_the_name_of_its_field() {
    for db in sql::testing::engines().await {
        let glance = Glance::on(db, |_| {}).await;
        let body = json!({"name": "a\u{0}b"});
        let refused = [
            glance.post(ALICE, "/v2/images", body).await.is(400),
            glance.get(ALICE, "/v2/images?name=a%00b").await.is(400),
            glance.get(ALICE, "/v2/images/a%00b").await.is(400),
        ];
        for (answer, field) in refused.iter().zip(["name", "name", "path"]) {
            let text = answer.json()["message"].to_string();
            assert!(
                text.contains(&format!("field/attribute {field}.")),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn the_number_of_members_is_limited() {
    let db = sql::testing::sqlite().await;
    let glance = Glance::on(db, |settings| settings.member_limit = 1).await;
    let id = glance.create(ALICE, json!({})).await;
    let members = format!("/v2/images/{id}/members");
    glance
        .post(ALICE, &members, json!({"member": "bob"}))
        .await
        .is(200);
    glance
        .post(ADMIN, &members, json!({"member": "carol"}))
        .await
        .is(413);
}
