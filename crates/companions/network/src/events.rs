//! Telling compute what happened to ports.
//!
//! An event is a row, written in the transaction of what it tells of, and removed when compute acknowledged it: a
//! restart in between loses nothing, and compute may hear one twice.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use sql::sea_orm::{EntityTrait, QueryOrder, QuerySelect};
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::db::store::{self, Tx};
use crate::fault::{Chain, Result};
use crate::owners;
use crate::sink::EventSink;
use crate::tables::{events, ports};

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Plugged,
    Unplugged,
    Deleted,
    Changed,
}

impl Event {
    fn word(self) -> &'static str {
        match self {
            Event::Plugged => "network-vif-plugged",
            Event::Unplugged => "network-vif-unplugged",
            Event::Deleted => "network-vif-deleted",
            Event::Changed => "network-changed",
        }
    }
}

/// Whether compute wants to hear of this port.
pub fn concerns_compute(port: &ports::Model) -> bool {
    owners::is_server(&port.device_owner) && crate::attributes::kinds::is_uuid(&port.device_id)
}

/// Notes an event about a server's port; nothing for other ports.
pub async fn tell(tx: &Tx, core: &Core, event: Event, port: &ports::Model) -> Result<()> {
    if !concerns_compute(port) {
        return Ok(());
    }
    let row = events::Model {
        id: store::new_id(),
        kind: event.word().to_owned(),
        server_id: port.device_id.clone(),
        port_id: port.id.clone(),
        created_at: store::now(),
    };
    store::insert(tx, row).await?;
    // The permit stays until the sender looks, so it does not matter that the transaction is still open; a look
    // that comes too early is followed by the one after the commit (see `http::commit`).
    core.told.notify_one();
    Ok(())
}

/// Events sent side by side: compute answers from memory, so a few are enough to keep it busy.
const AT_ONCE: usize = 8;

/// Events read at once.
const BATCH: u64 = 100;

/// Longest wait before a refused event is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Sends waiting events until told to stop.
pub async fn deliver(core: Arc<Core>, stop: CancellationToken) {
    let mut wait = Duration::from_millis(50);
    loop {
        let all_done = match round(&core).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(error = %Chain(&error), "cannot read the events for compute");
                false
            }
        };
        if all_done {
            wait = Duration::from_millis(50);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = core.told.notified(), if all_done => {}
            () = tokio::time::sleep(if all_done { LONGEST_WAIT } else { wait }) => {
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
    }
}

/// Sends what waits; whether nothing is left.
async fn round(core: &Core) -> Result<bool> {
    let Some(sink) = core.sink.read().await.clone() else {
        return Ok(true);
    };
    loop {
        let waiting = events::Entity::find()
            .order_by_asc(events::Column::CreatedAt)
            .limit(BATCH)
            .all(core.db.read())
            .await?;
        if waiting.is_empty() {
            return Ok(true);
        }
        let sent: Vec<Option<String>> = futures::stream::iter(waiting)
            .map(|event| send(sink.clone(), event))
            .buffered(AT_ONCE)
            .collect()
            .await;
        let failed = sent.iter().any(Option::is_none);
        let done: Vec<String> = sent.into_iter().flatten().collect();
        if !done.is_empty() {
            use sql::sea_orm::{ColumnTrait, QueryFilter};
            events::Entity::delete_many()
                .filter(events::Column::Id.is_in(done))
                .exec(core.db.write())
                .await?;
        }
        if failed {
            return Ok(false);
        }
    }
}

/// Sends one event; its id when acknowledged.
async fn send(sink: Arc<dyn EventSink>, event: events::Model) -> Option<String> {
    let (server, port) = (&event.server_id, &event.port_id);
    let sent = match event.kind.as_str() {
        "network-vif-plugged" => sink.vif_plugged(server, port).await,
        "network-vif-unplugged" => sink.vif_unplugged(server, port).await,
        "network-vif-deleted" => sink.vif_deleted(server, port).await,
        _ => sink.changed(server, port).await,
    };
    match sent {
        Ok(()) => Some(event.id),
        Err(error) => {
            tracing::warn!(%error, event = event.kind, server, port, "compute did not take an event, it is sent again");
            None
        }
    }
}
