//! Slow clients and the threads that all services share.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use serde_json::json;

use super::{ALICE, Glance, until};

/// A body of which one piece comes and then nothing more.
fn stuck() -> Body {
    let first = stream::once(async { Ok::<_, std::io::Error>(Bytes::from_static(b"first")) });
    Body::from_stream(futures::StreamExt::chain(first, stream::pending()))
}

/// A runtime whose shared blocking pool is one thread: whoever keeps it stops everybody.
fn on_one_shared_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("runtime");
    runtime.block_on(test);
    runtime.shutdown_background();
}

#[test]
fn a_stuck_upload_keeps_no_thread_of_those_that_all_share() {
    on_one_shared_thread(async {
        let glance = Glance::start().await;
        let id = glance.create(ALICE, json!({})).await;
        let uploading = async {
            glance.data(ALICE, &id, "file", stuck()).await;
        };
        let others = async {
            until(&glance, &id, |image| image["status"] == "saving").await;
            let shared = tokio::task::spawn_blocking(|| 7);
            let answered = tokio::time::timeout(Duration::from_secs(20), shared).await;
            assert_eq!(answered.expect("a free thread").expect("it ran"), 7);
            let file = async { glance.active(ALICE, json!({}), b"another's").await };
            let uploaded = tokio::time::timeout(Duration::from_secs(20), file).await;
            uploaded.expect("others upload meanwhile");
        };
        tokio::select! {
            () = uploading => panic!("it never ends"),
            () = others => {}
        }
    });
}
