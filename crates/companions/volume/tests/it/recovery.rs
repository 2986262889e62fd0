//! Two processes on one database, and what a stop leaves.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{ALICE, Cinder};

#[tokio::test]
async fn what_was_accepted_is_done_after_a_restart() {
    for db in sql::testing::engines().await {
        let mut cinder = Cinder::on(db.clone(), |_| {}).await;
        let gone = cinder.volume(ALICE, json!({})).await;
        // Nobody works on the journal from here on.
        cinder.stop.cancel();
        while cinder.tasks.join_next().await.is_some() {}
        let made = cinder.begin(ALICE, json!({})).await;
        let made = made["id"].as_str().expect("an id");
        cinder
            .delete(ALICE, &format!("/volumes/{gone}"))
            .await
            .is(202);
        assert_eq!(cinder.show(ALICE, made).await["status"], "creating");
        let opened = volume::Volumes::open(db, cinder.settings.clone()).await;
        let other = opened.expect("opens again");
        let stop = CancellationToken::new();
        other.start(None, stop.clone()).await.detach_all();
        cinder.becomes(made, "available").await;
        cinder.is_gone(&format!("/volumes/{gone}")).await;
        cinder.is_clean().await;
        stop.cancel();
    }
}

#[tokio::test]
async fn two_processes_share_the_work() {
    for (db, again) in sql::testing::pairs().await {
        let cinder = Cinder::on(db, |settings| settings.limits.volumes = -1).await;
        let opened = volume::Volumes::open(again, cinder.settings.clone()).await;
        let other = opened.expect("opens beside it");
        let stop = CancellationToken::new();
        other.start(None, stop.clone()).await.detach_all();
        let mut ids = Vec::new();
        for _ in 0..12 {
            let made = cinder.begin(ALICE, json!({})).await;
            ids.push(made["id"].as_str().expect("an id").to_owned());
        }
        for id in &ids {
            cinder.becomes(id, "available").await;
            cinder
                .delete(ALICE, &format!("/volumes/{id}"))
                .await
                .is(202);
        }
        for id in &ids {
            cinder.is_gone(&format!("/volumes/{id}")).await;
        }
        cinder.is_clean().await;
        stop.cancel();
    }
}
