//! `/os-kilonova-operations`: the journal for operators.

use compute_control::testing;
use http::StatusCode;
use serde_json::json;

use crate::bare::{Cloud, PROJECT, message};

const LATEST: u16 = 104;

/// A cloud with a server that has a stuck operation: both ids.
async fn stuck() -> (Cloud, String, String) {
    let cloud = Cloud::start().await;
    testing::host(&cloud.control, "h1").await;
    let server = testing::server(&cloud.control, PROJECT, "h1").await;
    let id = testing::operation(&cloud.control, &server.id).await;
    testing::get_stuck(&cloud.control, &id).await;
    (cloud, server.id, id)
}

#[tokio::test]
async fn operators_see_what_is_stuck_and_nothing_that_is_secret() {
    let (cloud, server, id) = stuck().await;
    let path = format!("/os-kilonova-operations?server_id={server}&status=stuck");
    let (code, listed) = cloud.get("admin", LATEST, &path).await;
    assert_eq!(code, StatusCode::OK);
    let found = &listed["operations"][0];
    assert_eq!(
        (&found["id"], &found["status"], &found["last_error"]),
        (&json!(id), &json!("stuck"), &json!("no way"))
    );
    let (code, shown) = cloud
        .get("admin", LATEST, &format!("/os-kilonova-operations/{id}"))
        .await;
    assert_eq!(code, StatusCode::OK);
    assert_eq!(shown["operation"]["server_id"], json!(server));
    assert_eq!(shown["operation"]["steps"], json!([]));
    assert!(!shown.to_string().contains("canary"), "{shown}");
    let (code, answer) = cloud
        .get("admin", LATEST, "/os-kilonova-operations/none")
        .await;
    assert_eq!(code, StatusCode::NOT_FOUND);
    assert_eq!(message(&answer), "Operation none could not be found.");
    let (code, _) = cloud
        .get("admin", LATEST, "/os-kilonova-operations?status=odd")
        .await;
    assert_eq!(code, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_operation_is_set_going_turned_round_and_given_up_by_operators_alone() {
    let (cloud, _, id) = stuck().await;
    let path = format!("/os-kilonova-operations/{id}/action");
    for action in ["retry", "undo", "abandon"] {
        let body = json!({ action: null });
        let (code, _) = cloud.post("member", LATEST, &path, body).await;
        assert_eq!(code, StatusCode::FORBIDDEN, "{action}");
    }
    for path in [
        "/os-kilonova-operations".to_owned(),
        format!("/os-kilonova-operations/{id}"),
    ] {
        assert_eq!(
            cloud.get("member", LATEST, &path).await.0,
            StatusCode::FORBIDDEN
        );
    }
    let post = async |body| cloud.post("admin", LATEST, &path, body).await;
    assert_eq!(post(json!({"retry": null})).await.0, StatusCode::ACCEPTED);
    // It runs now: not to be given up, but to be turned round.
    let (code, answer) = post(json!({"abandon": null})).await;
    assert_eq!(code, StatusCode::CONFLICT);
    assert_eq!(
        message(&answer),
        format!("Operation {id} is running, not stuck.")
    );
    assert_eq!(post(json!({"undo": null})).await.0, StatusCode::ACCEPTED);
    testing::get_stuck(&cloud.control, &id).await;
    let (code, answer) = post(json!({"abandon": {"reason": "burnt"}})).await;
    assert_eq!(code, StatusCode::OK);
    let left = answer["left"].to_string();
    assert!(left.contains("h1"), "{left}");
    assert_eq!(post(json!({"retry": null})).await.0, StatusCode::CONFLICT);
}
