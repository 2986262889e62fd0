//! What operators do to operations, beside a cloud that may run.

use axum::Router;
use compute_model::TaskState;
use compute_rpc::workflows::{ACT, ACT_VERSION, DELETE, DELETE_VERSION};
use serde_json::json;

use super::*;
use crate::Control;
use crate::testing::{self, get_stuck};

async fn control() -> Control {
    let control = testing::control(Router::new(), Router::new(), Router::new()).await;
    testing::host(&control, "node-1").await;
    control
}

/// A server with an operation under way.
async fn under_way(control: &Control, kind: (&'static str, u16)) -> (Server, String) {
    let server = testing::server(control, "project", "node-1").await;
    testing::change(control, &server.id, |server| {
        server.task_state = Some(TaskState::PoweringOff);
    })
    .await;
    let state =
        json!({"server_id": server.id, "asked": {"request_id": "req-1"}, "password": "secret"});
    let id = workflow::insert(control.db.write(), kind, &server.id, &state).await;
    (server, id.expect("a row").to_string())
}

async fn row(control: &Control, id: &str) -> Server {
    servers::find(control.db.read(), id).await.expect("a row")
}

#[tokio::test]
async fn a_stuck_operation_is_listed_shown_and_set_going_again() {
    let control = control().await;
    let (server, id) = under_way(&control, (ACT, ACT_VERSION)).await;
    assert!(matches!(
        retry(&control.db, "not-an-id").await,
        Err(ControlError::NotFound { .. })
    ));
    get_stuck(&control, &id).await;
    let stuck = Wanted {
        stuck: true,
        ..Wanted::default()
    };
    let listed = list(&control.db, stuck).await.expect("a list");
    assert_eq!(listed.len(), 1);
    let (shown, steps) = show(&control.db, &id).await.expect("it is there");
    assert_eq!(shown, listed[0]);
    assert_eq!(
        (
            shown.status,
            shown.server_id.as_str(),
            shown.request_id.as_deref()
        ),
        ("stuck", server.id.as_str(), Some("req-1"))
    );
    assert!(shown.last_error.expect("why").contains("no way"));
    assert!(steps.is_empty());
    retry(&control.db, &id).await.expect("set going");
    assert!(list(&control.db, stuck).await.expect("a list").is_empty());
    let going = list(&control.db, Wanted::default()).await.expect("a list");
    assert_eq!(going[0].status, "running");
}

#[tokio::test]
async fn an_operation_that_waits_or_is_stuck_can_be_turned_round_and_a_delete_cannot() {
    let control = control().await;
    let (_, act) = under_way(&control, (ACT, ACT_VERSION)).await;
    get_stuck(&control, &act).await;
    undo(&control.db, &act).await.expect("turned round");
    let (shown, _) = show(&control.db, &act).await.expect("it is there");
    assert_eq!((shown.status, shown.cancelled), ("running", true));
    let (_, delete) = under_way(&control, (DELETE, DELETE_VERSION)).await;
    assert!(matches!(
        undo(&control.db, &delete).await,
        Err(ControlError::Conflict { .. })
    ));
}

#[tokio::test]
async fn an_abandoned_operation_leaves_its_server_in_error_and_says_what_is_left() {
    let control = control().await;
    let (server, id) = under_way(&control, (ACT, ACT_VERSION)).await;
    let refused = abandon(&control.db, &id, None).await;
    assert!(
        matches!(refused, Err(ControlError::Conflict { .. })),
        "it runs"
    );
    assert_eq!(
        row(&control, &server.id).await.task_state,
        Some(TaskState::PoweringOff)
    );
    get_stuck(&control, &id).await;
    let left = abandon(&control.db, &id, Some("the host burnt")).await;
    let left = left.expect("given up");
    assert!(left.iter().any(|what| what.contains("node-1")), "{left:?}");
    let after = row(&control, &server.id).await;
    assert_eq!((after.vm_state, after.task_state), (VmState::Error, None));
    assert!(after.epoch > server.epoch, "what comes late is refused");
    let fault = after.fault.expect("a fault");
    assert!(fault.details.expect("details").contains("the host burnt"));
    let (shown, _) = show(&control.db, &id).await.expect("it is there");
    assert_eq!(shown.status, "abandoned");
    assert!(matches!(
        retry(&control.db, &id).await,
        Err(ControlError::Conflict { .. })
    ));
}

#[tokio::test]
async fn an_abandoned_operation_leaves_the_server_to_another_one_that_works_on_it() {
    let control = control().await;
    let (server, id) = under_way(&control, (ACT, ACT_VERSION)).await;
    get_stuck(&control, &id).await;
    let state = json!({"server_id": server.id});
    let delete = workflow::insert(
        control.db.write(),
        (DELETE, DELETE_VERSION),
        &server.id,
        &state,
    );
    delete.await.expect("a row");
    testing::change(&control, &server.id, |server| {
        server.task_state = Some(TaskState::Deleting);
    })
    .await;
    abandon(&control.db, &id, None).await.expect("given up");
    let after = row(&control, &server.id).await;
    assert_eq!(after.task_state, Some(TaskState::Deleting));
    assert_eq!(after.fault, None);
}
