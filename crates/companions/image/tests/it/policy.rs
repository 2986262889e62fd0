//! An operator's rules, and what the service users of the cloud may.

use http::Method;
use serde_json::json;

use super::{ADMIN, ALICE, BOB, Glance, SERVICE};

pub async fn with_rules(text: &'static str) -> (Glance, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("policy.yaml");
    std::fs::write(&file, text).expect("written");
    let glance = Glance::on(sql::testing::sqlite().await, |settings| {
        settings.policy_file = Some(file);
    })
    .await;
    (glance, folder)
}

async fn image(glance: &Glance, token: &str, visibility: &str) -> String {
    let body = json!({"name": "i", "visibility": visibility, "disk_format": "raw", "container_format": "bare"});
    let made = glance.post(token, "/v2/images", body).await.is(201);
    made.json()["id"].as_str().expect("id").to_owned()
}

#[tokio::test]
async fn an_administrator_is_whom_the_rule_says() {
    let (glance, _folder) = with_rules("context_is_admin: role:operator\n").await;
    let id = image(&glance, ALICE, "private").await;
    let path = format!("/v2/images/{id}");
    glance.get(ADMIN, &path).await.is(404);
    let operator = "ops:operator,reader";
    glance.get(operator, &path).await.is(200);
    let all = glance.get(operator, "/v2/images").await.is(200).json();
    assert_eq!(all["images"].as_array().expect("list").len(), 1);
}

#[tokio::test]
async fn the_rule_of_showing_an_image_holds_in_lists() {
    let (glance, _folder) = with_rules("get_image: project_id:%(owner)s\n").await;
    let id = image(&glance, ADMIN, "public").await;
    image(&glance, ALICE, "private").await;
    glance.get(ALICE, &format!("/v2/images/{id}")).await.is(404);
    let seen = glance.get(ALICE, "/v2/images").await.is(200).json();
    assert_eq!(seen["images"].as_array().expect("list").len(), 1, "{seen}");
}

#[tokio::test]
async fn a_service_fetches_images_of_all_projects_and_changes_none() {
    let glance = Glance::start().await;
    let id = image(&glance, ALICE, "private").await;
    let path = format!("/v2/images/{id}");
    glance.get(SERVICE, &path).await.is(200);
    glance.get(SERVICE, &format!("{path}/file")).await.is(204);
    glance.get(BOB, &path).await.is(404);
    let rename = json!([{"op": "replace", "path": "/name", "value": "x"}]);
    glance.patch(SERVICE, &id, rename).await.is(403);
    glance
        .ask(SERVICE, Method::DELETE, &path, None)
        .await
        .is(403);
    let body = json!({"name": "mine", "disk_format": "raw", "container_format": "bare"});
    glance.post(SERVICE, "/v2/images", body).await.is(403);
}
