//! After a crash: uploads are given up, staged imports go on, nothing is lost or left.

use axum::body::Body;
use serde_json::json;
use sql::sea_orm::ConnectionTrait;

use super::{ALICE, Glance, until};

/// Puts the image where a crash could have left it.
async fn crashed(glance: &Glance, id: &str, status: &str, data: &str) {
    let text = format!("UPDATE images SET status = '{status}', data = '{data}' WHERE id = '{id}'");
    glance
        .db
        .write()
        .execute_unprepared(&text)
        .await
        .expect("updated");
}

#[tokio::test]
async fn an_upload_that_a_crash_interrupted_is_given_up() {
    let mut glance = Glance::start().await;
    let whole = glance.active(ALICE, json!({}), b"whole").await;
    let folder = glance.settings.image_dir.clone();
    for (status, file) in [
        ("saving", "incoming/one"),
        ("saving", "two"),
        ("uploading", "incoming/three"),
        ("importing", "incoming/four"),
    ] {
        let id = glance.create(ALICE, json!({})).await;
        let name = file.rsplit('/').next().expect("name");
        crashed(&glance, &id, status, name).await;
        std::fs::write(folder.join(file), b"half").expect("written");
        glance.restart().await;
        let image = glance.show(ALICE, &id).await;
        assert_eq!(image["status"], "queued", "{file}");
        assert!(!folder.join(file).exists(), "{file}");
        glance
            .data(ALICE, &id, "file", Body::from("again"))
            .await
            .is(204);
    }
    std::fs::write(folder.join("stray"), b"nobody's").expect("written");
    assert_eq!(
        glance
            .images
            .audit()
            .await
            .expect("audit")
            .files_without_image
            .len(),
        1
    );
    glance.restart().await;
    glance.is_clean().await;
    let file = glance
        .get(ALICE, &format!("/v2/images/{whole}/file"))
        .await
        .is(200);
    assert_eq!(file.bytes, b"whole");
}

/// Waits until the import's task has succeeded.
async fn ended(glance: &Glance, id: &str) {
    for _ in 0..500 {
        let tasks = glance
            .get(ALICE, &format!("/v2/images/{id}/tasks"))
            .await
            .is(200)
            .json();
        if tasks["tasks"][0]["status"] == "success" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the task never ended");
}

#[tokio::test]
async fn a_staged_image_and_its_import_survive_a_crash() {
    let mut glance = Glance::start().await;
    let id = glance.create(ALICE, json!({})).await;
    glance
        .data(ALICE, &id, "stage", Body::from("staged"))
        .await
        .is(204);
    glance.restart().await;
    assert_eq!(glance.show(ALICE, &id).await["status"], "uploading");
    let import = json!({"method": {"name": "glance-direct"}});
    glance
        .post(ALICE, &format!("/v2/images/{id}/import"), import)
        .await
        .is(202);
    ended(&glance, &id).await;
    // A crash between the last step of the data and the end of the task.
    let unfinished = format!("UPDATE tasks SET status = 'processing' WHERE image_id = '{id}'");
    glance
        .db
        .write()
        .execute_unprepared(&unfinished)
        .await
        .expect("updated");
    glance.restart().await;
    ended(&glance, &id).await;
    // The same again, with the crash between the import's acceptance and its end.
    let data = glance
        .images
        .local_file(&id)
        .await
        .expect("asked")
        .expect("there");
    let name = data
        .file_name()
        .expect("name")
        .to_str()
        .expect("text")
        .to_owned();
    let folder = glance.settings.image_dir.clone();
    std::fs::rename(&data, folder.join("staging").join(&name)).expect("moved back");
    crashed(&glance, &id, "importing", &name).await;
    let unfinished = format!("UPDATE tasks SET status = 'processing' WHERE image_id = '{id}'");
    glance
        .db
        .write()
        .execute_unprepared(&unfinished)
        .await
        .expect("updated");
    glance.restart().await;
    until(&glance, &id, |image| image["status"] == "active").await;
    glance.is_clean().await;
}

#[tokio::test]
async fn the_audit_finds_an_image_whose_file_is_gone() {
    let glance = Glance::start().await;
    let id = glance.active(ALICE, json!({}), b"data").await;
    let file = glance
        .images
        .local_file(&id)
        .await
        .expect("asked")
        .expect("there");
    std::fs::remove_file(file).expect("removed");
    let audit = glance.images.audit().await.expect("audit");
    assert_eq!(audit.images_without_file, [id]);
}
