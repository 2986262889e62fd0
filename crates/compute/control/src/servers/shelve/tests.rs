//! Servers that leave their host, or come back to one, while somebody asks for their return.

use std::time::Duration;

use axum::extract::Path;
use axum::routing::get;
use axum::{Json, Router};
use compute_model::TaskState;
use compute_model::shelve::Shelved;
use serde_json::json;

use super::*;
use crate::testing;

/// What is left of the server's disk when it is on no host.
const IMAGE: &str = "11111111-1111-4111-8111-111111111111";

fn glance() -> Router {
    let show = async |Path(id): Path<String>| {
        Json(json!({
            "id": id, "name": "n-shelved", "status": "active", "size": 1, "disk_format": "qcow2",
            "container_format": "bare", "min_ram": 0, "min_disk": 0,
        }))
    };
    Router::new().route("/v2/images/{id}", get(show))
}

/// On its host, or away from it.
fn put(server: &mut Server, away: bool) {
    server.task_state = None;
    server.vm_state = match away {
        true => VmState::ShelvedOffloaded,
        false => VmState::Shelved,
    };
    server.host = (!away).then(|| "node-1".to_owned());
    server.node.clone_from(&server.host);
}

/// The kind of workflow that brings a server back, and the image that it is made from, when the server went from one
/// to the other between the look at it and the claim.
async fn met(db: sql::Database, was_away: bool) -> (String, serde_json::Value) {
    let none = Router::new;
    let control = testing::control_on(db, none(), glance(), none()).await;
    testing::host(&control, "node-1").await;
    let id = testing::server(&control, "project", "node-1").await.id;
    testing::change(&control, &id, |server| {
        server.shelved = Some(Shelved {
            image_id: Some(IMAGE.to_owned()),
        });
        put(server, was_away);
    })
    .await;
    let cx = testing::request("os_compute_api:os-shelve:unshelve");
    // Whoever claims the server waits for this; whoever looks at it does not.
    let tx = control.db.begin().await.expect("a transaction");
    let mut row = servers::lock(&tx, &id).await.expect("the server is there");
    let elsewhere = Destination::default();
    let meets = async {
        // It asks the rule about the server that it saw.
        while !cx.guard.was_asked() {
            tokio::task::yield_now().await;
        }
        put(&mut row, !was_away);
        servers::save(&tx, &mut row).await.expect("saved");
        tx.commit().await.expect("committed");
    };
    let asked = async { tokio::join!(unshelve(&control, &cx, &id, &elsewhere), meets) };
    let asked = tokio::time::timeout(Duration::from_secs(60), asked).await;
    let (unshelved, ()) = asked.expect("in time");
    unshelved.expect("accepted");
    let after = servers::find(control.db.read(), &id).await.expect("a row");
    assert_eq!(after.task_state, Some(TaskState::Unshelving));
    let mut journal = testing::journal(&control, &id).await;
    assert_eq!(journal.len(), 1, "{journal:?}");
    journal.remove(0)
}

#[tokio::test]
async fn a_return_that_meets_the_end_of_an_offload_is_from_the_image_of_the_disk() {
    for db in sql::testing::engines().await {
        let (kind, state) = met(db, false).await;
        assert_eq!(kind, UNSHELVE);
        assert_eq!(state["shelved_image"]["id"], IMAGE);
    }
}

#[tokio::test]
async fn a_return_that_meets_one_that_came_back_begins_on_its_host() {
    for db in sql::testing::engines().await {
        let (kind, state) = met(db, true).await;
        assert_eq!(kind, UNSHELVE_HERE);
        assert_eq!(state["image"]["id"], IMAGE);
    }
}
