//! Telling compute what happened to volumes of servers.
//!
//! An event is a row, written in the transaction of what it tells of, and removed when compute acknowledged it: a restart
//! in between loses nothing, and compute may hear one twice.

use std::time::Duration;

use sql::sea_orm::{DbErr, EntityTrait, QueryOrder, QuerySelect};
use tokio_util::sync::CancellationToken;

use crate::db::store::{self, Tx};
use crate::shared::Core;
use crate::tables::Word;
use crate::tables::event::{Column, Entity, EventKind, Model};

/// Notes an event. After the commit, [`Core::told`] makes it go at once.
pub async fn tell(tx: &Tx, kind: EventKind, server_id: &str, volume_id: &str) -> Result<(), DbErr> {
    let row = Model {
        id: store::new_id(),
        kind,
        server_id: server_id.to_owned(),
        volume_id: volume_id.to_owned(),
        created_at: store::now(),
    };
    store::insert(tx, row).await
}

/// Events read at once.
const BATCH: u64 = 100;

/// Wait before a refused event is tried again, at first and at last.
const WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Sends waiting events until told to stop.
pub async fn deliver(core: &Core, stop: CancellationToken) {
    let mut wait = WAIT;
    loop {
        let all_done = match round(core).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "cannot read the events for compute");
                false
            }
        };
        wait = if all_done {
            WAIT
        } else {
            (wait * 2).min(LONGEST_WAIT)
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = core.told.notified(), if all_done => {}
            () = tokio::time::sleep(if all_done { LONGEST_WAIT } else { wait }) => {}
        }
    }
}

/// Sends what waits; whether nothing is left.
async fn round(core: &Core) -> Result<bool, DbErr> {
    let Some(sink) = core.sink.get() else {
        return Ok(true);
    };
    let waiting = Entity::find()
        .order_by_asc(Column::CreatedAt)
        .limit(BATCH)
        .all(core.db.read())
        .await?;
    let full = waiting.len() as u64 == BATCH;
    for event in waiting {
        let (server, volume) = (&event.server_id, &event.volume_id);
        let name = event.kind.word();
        if let Err(error) = sink.send(&name, server, volume).await {
            tracing::warn!(
                error,
                name,
                server,
                volume,
                "compute did not take an event, it is sent again"
            );
            return Ok(false);
        }
        store::remove::<Entity>(core.db.write(), &event.id).await?;
    }
    Ok(!full)
}
