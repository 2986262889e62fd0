//! Consoles: what the guest wrote, and tokens that open its screen or serial line.

use std::time::Duration;

use bus::{CallError, Options};
use compute_db::consoles::{self as tokens, ConsoleToken};
use compute_model::Server;
use compute_model::lifecycle::Refusal;
use compute_model::state::{PowerState, TaskState};
use compute_rpc::agent::{self, ConsoleEndpoint, ConsoleKind, ConsoleOutput, Endpoint};
use compute_rpc::{code, sealed};
use sha2::{Digest, Sha256};

use super::act::not_ready;
use super::load;
use crate::{Context, Control, ControlError, Result, policy};

/// How long a host has to answer: a user waits for it.
const HOST_TIMEOUT: Duration = Duration::from_secs(20);

/// The end of what the guest wrote to its console; all that is kept without `lines`.
///
/// # Errors
/// 404, 403 by policy, 409 for a server that is on no host yet, 501 where the driver keeps none.
pub async fn output(
    control: &Control,
    cx: &Context,
    id: &str,
    lines: Option<usize>,
) -> Result<String> {
    let server = load(control, cx, id).await?;
    let host = host_of(&server)?;
    let message = ConsoleOutput {
        server_id: server.id.clone(),
        lines,
    };
    let options = Options::from(cx.for_bus()).deadline(HOST_TIMEOUT);
    control
        .bus
        .call(&agent::address(host), message, options)
        .await
        .map_err(|error| refused(&server, &error))
}

/// A way to look at a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    NoVnc,
    Serial,
}

impl Kind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::NoVnc => "novnc",
            Kind::Serial => "serial",
        }
    }

    /// The word in 409 messages.
    fn action(self) -> &'static str {
        match self {
            Kind::NoVnc => "get_vnc_console",
            Kind::Serial => "get_serial_console",
        }
    }
}

/// Whether the caller could open a console of the server, if there were one.
///
/// # Errors
/// 404, 403 by policy.
pub async fn may_open(control: &Control, cx: &Context, id: &str) -> Result<()> {
    load(control, cx, id).await.map(drop)
}

/// Makes a token that opens the console once and for a short time, and gives the address with it.
///
/// # Errors
/// 404, 403 by policy, 409 for a server without running guest.
pub async fn open(control: &Control, cx: &Context, id: &str, kind: Kind) -> Result<String> {
    let server = load(control, cx, id).await?;
    let busy = [TaskState::Deleting, TaskState::Migrating];
    if let Some(task) = server.task_state.filter(|task| busy.contains(task)) {
        return Err(Refusal::State {
            word: kind.action(),
            id: server.id.clone(),
            attribute: "task_state",
            state: task.to_string(),
        }
        .into());
    }
    let host = host_of(&server)?;
    if !matches!(server.power_state, PowerState::Running | PowerState::Paused) {
        return Err(not_ready(&server.id));
    }
    let base = match kind {
        Kind::NoVnc => &control.settings.novnc_base_url,
        Kind::Serial => &control.settings.serial_base_url,
    };
    let token = uuid::Uuid::new_v4().to_string();
    let now = sql::micros(chrono::Utc::now());
    let ttl = chrono::TimeDelta::from_std(control.settings.console_token_ttl);
    let kept = ConsoleToken {
        token_hash: hashed(&token),
        server_id: server.id.clone(),
        epoch: server.epoch,
        host: host.to_owned(),
        kind: kind.as_str().to_owned(),
        access_url_base: base.clone(),
        expires_at: now + ttl.unwrap_or(chrono::TimeDelta::MAX / 2),
        sealed_token: Some(sealed::seal(&token, cx.token())),
    };
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        tokens::insert(&tx, &kept, now).await?;
        tx.commit().await?;
        Ok::<_, ControlError>(())
    })
    .await?;
    Ok(match kind {
        // The page passes `path` on to the proxy: the token is inside of it.
        Kind::NoVnc => format!("{base}?path=%3Ftoken%3D{token}"),
        Kind::Serial => format!("{base}?token={token}"),
    })
}

/// What a token leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub server_id: String,
    pub host: String,
    /// 0 for an endpoint that is a file.
    pub port: u16,
    pub internal_access_path: Option<String>,
}

/// Resolves a token without using it up.
///
/// # Errors
/// 404 for a token that is unknown, used or expired; 403 by policy.
pub async fn resolve(control: &Control, cx: &Context, token: &str) -> Result<Connection> {
    policy::allow(control, cx)?;
    let missing = || ControlError::NotFound {
        why: "Token not found".to_owned(),
    };
    let found = tokens::peek(control.db.read(), &hashed(token), chrono::Utc::now()).await?;
    let found = found.ok_or_else(missing)?;
    let message = ConsoleEndpoint {
        server_id: found.server_id.clone(),
        kind: match found.kind.as_str() {
            "serial" => ConsoleKind::Serial,
            _ => ConsoleKind::Vnc,
        },
    };
    let options = Options::from(cx.for_bus()).deadline(HOST_TIMEOUT);
    let endpoint = control
        .bus
        .call(&agent::address(&found.host), message, options)
        .await
        .map_err(|error| match error.refusal() {
            Some(_) => missing(),
            None => away(&error),
        })?;
    Ok(match endpoint {
        Endpoint::Tcp(host, port) => Connection {
            server_id: found.server_id,
            host,
            port,
            internal_access_path: None,
        },
        Endpoint::Unix(path) => Connection {
            server_id: found.server_id,
            host: found.host,
            port: 0,
            internal_access_path: Some(path.display().to_string()),
        },
    })
}

/// The form in which tokens are kept: whoever reads the table cannot open a console.
fn hashed(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

fn host_of(server: &Server) -> Result<&str> {
    server.host.as_deref().ok_or_else(|| not_ready(&server.id))
}

fn refused(server: &Server, error: &CallError) -> ControlError {
    match error.refusal().map(|failure| failure.code.as_str()) {
        Some(code::UNSUPPORTED) => ControlError::Unsupported {
            why: "Unable to get console log, functionality not implemented".to_owned(),
        },
        Some(code::NOT_FOUND) => ControlError::NotFound {
            why: "Unable to get console".to_owned(),
        },
        Some(_) => not_ready(&server.id),
        None => away(error),
    }
}

/// The error names the host: it is for the log.
fn away(error: &CallError) -> ControlError {
    tracing::warn!(%error, "the host of a console does not answer");
    ControlError::Unavailable {
        why: "The host of the instance does not answer.".to_owned(),
    }
}
