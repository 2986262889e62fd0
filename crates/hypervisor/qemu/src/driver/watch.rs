//! Listening to one guest: what happens without a command becomes an event, and the record learns of its end.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hypervisor::{Cause, EventKind, PowerState};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::Host;
use crate::guest::{Guest, Heard};
use crate::layout::Layout;
use crate::qmp::Event;
use crate::record;

/// Starts listening. The task ends with the guest, or with the driver.
pub(super) fn begin(
    host: &Arc<Host>,
    layout: &Layout,
    guest: &Arc<Guest>,
    events: broadcast::Receiver<Event>,
) {
    let task = tokio::spawn(watch(
        Arc::downgrade(host),
        layout.clone(),
        Arc::downgrade(guest),
        events,
    ));
    guest.watched_by(task.abort_handle());
}

async fn watch(
    host: Weak<Host>,
    layout: Layout,
    guest: Weak<Guest>,
    mut events: broadcast::Receiver<Event>,
) {
    let mut heard = Heard::default();
    loop {
        match events.recv().await {
            Ok(event) => {
                if starves(&event)
                    && let Some(guest) = guest.upgrade()
                {
                    tracing::error!(
                        server = layout.id(),
                        "a guest stands still: its disk is full"
                    );
                    guest.note_starved(true);
                }
                let Some(kind) = heard.take(&event) else {
                    continue;
                };
                let (Some(host), Some(guest)) = (host.upgrade(), guest.upgrade()) else {
                    return;
                };
                if !guest.is_ending() {
                    host.emit(layout.id(), kind, Cause::Guest, None);
                }
            }
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => break,
        }
    }
    ended(&host, &layout, &guest, &heard).await;
}

/// A disk of the guest could not grow for lack of room, so QEMU stopped it until somebody lets it go on.
fn starves(event: &Event) -> bool {
    let said = |name: &str| event.data.get(name);
    event.name == "BLOCK_IO_ERROR"
        && said("nospace").and_then(Value::as_bool) == Some(true)
        && said("action").and_then(Value::as_str) == Some("stop")
}

/// QEMU closed the connection.
async fn ended(host: &Weak<Host>, layout: &Layout, guest: &Weak<Guest>, heard: &Heard) {
    let (Some(host), Some(guest)) = (host.upgrade(), guest.upgrade()) else {
        return;
    };
    if guest.is_ending() {
        return; // whoever ends it does the rest
    }
    if !guest.process.exits_within(Duration::from_secs(10)).await {
        tracing::error!(
            server = layout.id(),
            "QEMU lives but closed its connection; the next command connects again"
        );
        host.forget(layout.id());
        return;
    }
    // Commands for the server wait while the record is brought up to date, and we wait for them.
    let _held = host.locks.lock(layout.id()).await;
    if guest.is_ending() {
        return;
    }
    let still_ours = host
        .lock_guests()
        .get(layout.id())
        .is_some_and(|known| Arc::ptr_eq(known, &guest));
    if !still_ours {
        return; // a command noticed first, or started it anew
    }
    let (power, kind, detail) = heard.verdict();
    host.forget(layout.id());
    host.clear_sockets(layout);
    host.unserve_failed(layout).await;
    settle(layout, power);
    let detail = if kind == EventKind::Crashed {
        format!("{detail}: {}", crate::guest::last_words(layout))
    } else {
        detail
    };
    host.emit(layout.id(), kind, Cause::Guest, Some(detail));
}

fn settle(layout: &Layout, power: PowerState) {
    let settled = record::read(layout).and_then(|known| match known {
        Some(mut known) => {
            known.take(power);
            record::note(layout, &known)
        }
        None => Ok(()),
    });
    if let Err(error) = settled {
        tracing::error!(server = layout.id(), %error, "the end of a guest could not be noted");
    }
}
