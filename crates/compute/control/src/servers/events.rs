//! What other services tell of servers: ports that are plugged or that changed, volumes that grew or got an image.

use std::collections::BTreeMap;

use compute_db::{DbError, servers};
use compute_model::Server;
use compute_rpc::conductor::{self, PortChanged, VolumeReimaged};

use super::{interfaces, vifs, volumes};
use crate::{Context, Control, Result, policy};

/// One event of another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub server_id: String,
    /// What it is about: a port's id, a volume's, a power state.
    pub tag: Option<String>,
}

/// Events that say nothing without a tag.
const TAG_REQUIRED: &[&str] = &[
    "accelerator-request-bound",
    "power-update",
    "volume-extended",
];

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Yes,
    /// It needs a tag and has none: 400.
    NoTag,
    /// There is no such server: 404.
    NoServer,
    /// The server is on no host: 422.
    NoHost,
}

/// Takes events; answers for each, in their order.
///
/// # Errors
/// 403 by policy; the database does not answer.
pub async fn take(control: &Control, cx: &Context, events: &[Event]) -> Result<Vec<Taken>> {
    policy::allow(control, cx)?;
    let mut known: BTreeMap<&str, Option<Server>> = BTreeMap::new();
    for event in events {
        if !known.contains_key(event.server_id.as_str()) {
            let found = match servers::find(control.db.read(), &event.server_id).await {
                Ok(server) => Some(server),
                Err(DbError::NotFound(_)) => None,
                Err(error) => return Err(error.into()),
            };
            known.insert(&event.server_id, found);
        }
    }
    let taken: Vec<Taken> = events
        .iter()
        .map(|event| judged(event, known[event.server_id.as_str()].as_ref()))
        .collect();
    let mut refreshed: Vec<&str> = Vec::new();
    for (event, taken) in events.iter().zip(&taken) {
        let (Taken::Yes, Some(server)) = (taken, &known[event.server_id.as_str()]) else {
            continue;
        };
        if event.name.starts_with("network-vif-") {
            ring(control, cx, event);
        }
        if event.name == "power-update"
            && !matches!(event.tag.as_deref(), Some("POWER_ON" | "POWER_OFF"))
        {
            tracing::warn!(server = server.id, tag = ?event.tag, "a power state that is none is passed over");
        }
        if let ("network-vif-deleted", Some(port)) = (event.name.as_str(), &event.tag)
            && let Err(error) = interfaces::port_is_gone(control, cx, &server.id, port).await
        {
            // It then goes with the next start.
            tracing::warn!(server = server.id, port, %error, "a guest keeps the card of a port that is gone");
        }
        if let ("volume-reimaged", Some(volume)) = (event.name.as_str(), &event.tag) {
            let message = VolumeReimaged {
                server_id: server.id.clone(),
                volume_id: volume.clone(),
            };
            control
                .bus
                .post(&conductor::address(), message, cx.for_bus());
        }
        if let ("volume-extended", Some(volume)) = (event.name.as_str(), &event.tag) {
            // Not taken unless it is in the journal: the volume service tells again.
            volumes::grown(control, cx, &server.id, volume).await?;
        }
        let changes = matches!(
            event.name.as_str(),
            "network-changed" | "network-vif-deleted"
        );
        if changes && !refreshed.contains(&server.id.as_str()) {
            refreshed.push(&server.id);
            // The event is taken: a network service in trouble tells again when it recovers.
            if let Err(error) = vifs::refresh(control, server).await {
                tracing::warn!(server = server.id, %error, "addresses are not up to date");
            }
        }
    }
    Ok(taken)
}

fn judged(event: &Event, server: Option<&Server>) -> Taken {
    let Some(server) = server else {
        return Taken::NoServer;
    };
    if event.tag.is_none() && TAG_REQUIRED.contains(&event.name.as_str()) {
        return Taken::NoTag;
    }
    match server.host {
        Some(_) => Taken::Yes,
        None => Taken::NoHost,
    }
}

/// Wakes whoever waits for the server's ports. A lost ring costs a moment: the build looks itself.
fn ring(control: &Control, cx: &Context, event: &Event) {
    let message = PortChanged {
        server_id: event.server_id.clone(),
        port_id: event.tag.clone().unwrap_or_default(),
    };
    control
        .bus
        .post(&conductor::address(), message, cx.for_bus());
}
