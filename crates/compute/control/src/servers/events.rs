//! What other services tell of servers: ports that are plugged or that changed, volumes that grew or got an image.

use std::collections::BTreeMap;

use compute_db::{DbError, servers};
use compute_model::Server;
use compute_rpc::conductor::{self, PortChanged, VolumeReimaged};

use super::{interfaces, vifs, volumes};
use crate::{Context, Control, ControlError, Result, policy};

/// One event of another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub server_id: String,
    /// The port's id, where the event is about one.
    pub tag: Option<String>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Yes,
    /// What it says makes no sense: 400.
    Nonsense,
    /// There is no such server: 404.
    NoServer,
    /// The server is on no host: 422.
    NoHost,
}

/// Takes events; answers for each, in their order.
///
/// # Errors
/// 404 when none of them is about a server that could be told, 403 by policy.
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
    if !taken.contains(&Taken::Yes) {
        return Err(ControlError::NotFound {
            why: "No instances found for any event".to_owned(),
        });
    }
    let mut refreshed: Vec<&str> = Vec::new();
    for (event, taken) in events.iter().zip(&taken) {
        let (Taken::Yes, Some(server)) = (taken, &known[event.server_id.as_str()]) else {
            continue;
        };
        if event.name.starts_with("network-vif-") {
            ring(control, cx, event);
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
            volumes::grown(control, cx, server, volume);
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
    let tag = event.tag.as_deref();
    if event.name == "power-update" && !matches!(tag, Some("POWER_ON" | "POWER_OFF")) {
        return Taken::Nonsense;
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
