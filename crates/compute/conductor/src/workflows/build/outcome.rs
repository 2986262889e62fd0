//! How builds went on a host, for the scheduler: it turns to hosts that failed last.
//!
//! A count that is not written changes no server, so a database that fails here fails no build.

use compute_db::{DbError, hosts};
use workflow::StepContext;

use crate::env::Env;

/// A host failed to build a server.
pub async fn failed(cx: &StepContext, node_id: Option<&str>) {
    let Some(node_id) = node_id else { return };
    let counted = sql::retry(|| async {
        let tx = cx.begin().await?;
        hosts::build_failed(&tx, node_id).await?;
        tx.commit().await?;
        Ok::<(), DbError>(())
    })
    .await;
    log(counted);
}

/// A host built a server: what failed before is forgotten.
pub async fn went_well(env: &Env, cx: &StepContext, node_id: Option<&str>) {
    let Some(node_id) = node_id else { return };
    let forgotten = sql::retry(|| async {
        // Nearly always there is nothing to forget, and looking is cheaper than writing.
        if !hosts::has_failed_builds(env.db.read(), node_id).await? {
            return Ok(());
        }
        let tx = cx.begin().await?;
        hosts::build_succeeded(&tx, node_id).await?;
        tx.commit().await?;
        Ok::<(), DbError>(())
    })
    .await;
    log(forgotten);
}

fn log(done: Result<(), DbError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "how a build went was not counted");
    }
}
