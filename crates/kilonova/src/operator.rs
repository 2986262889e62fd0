//! The operators' door: a socket in the state folder, where the process that runs the cloud says how it is and answers
//! the binary's own verbs, also when all other connections are taken. Who may open it is decided by the folder's
//! permissions. It speaks HTTP.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::routing::get;
use axum::{Json, Router};
use telemetry::Checks;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auditor::Auditor;
use crate::health;

/// Where an audit is asked for.
const AUDIT: &str = "/audit";

/// What the process answers to a verb: sentences, or why it could not.
type Answer = Result<Vec<String>, String>;

/// How long an answer may take. An audit looks three times, and at every guest.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// How long the end of the process waits for an answer under way.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// Where the door is.
pub fn path(folder: &Path) -> PathBuf {
    folder.join("run/operator.sock")
}

/// Opens the door. A socket that a killed process left is replaced: the folder's lock is ours.
///
/// # Errors
/// The socket cannot be made.
pub fn open(folder: &Path) -> Result<UnixListener> {
    let path = path(folder);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot replace {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", path.display()))?;
    Ok(listener)
}

/// Answers until `stop`: health, metrics and audits.
pub fn serve(
    tasks: &TaskTracker,
    listener: UnixListener,
    checks: Checks,
    auditor: Arc<Auditor>,
    stop: CancellationToken,
) {
    // Audits take turns: each looks at everything.
    let turn = Arc::new(Mutex::new(auditor));
    let audit = move || {
        let turn = turn.clone();
        async move {
            let auditor = turn.lock().await;
            let found: Answer = auditor.steady().await.map_err(|error| format!("{error:#}"));
            Json(found)
        }
    };
    let router = Router::new()
        .route(AUDIT, get(audit))
        .merge(health::operators(checks));
    tasks.spawn(async move {
        let late = stop.clone();
        let late = async move {
            late.cancelled().await;
            tokio::time::sleep(STOP_WAIT).await;
        };
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        tokio::select! {
            served = served.into_future() => {
                if let Err(error) = served {
                    tracing::error!(%error, "the operators' door closed");
                }
            }
            () = late => tracing::warn!("an operator's question is left without answer"),
        }
    });
}

/// What the process that works in this folder finds that belongs to nobody; none when there is no such process.
///
/// # Errors
/// It does not answer, or could not look.
pub async fn audit(folder: &Path) -> Result<Option<Vec<String>>> {
    let path = path(folder);
    if UnixStream::connect(&path).await.is_err() {
        return Ok(None);
    }
    let door = reqwest::Client::builder()
        .unix_socket(path.as_path())
        .timeout(ANSWER_TIMEOUT)
        .build()?;
    let asked = door.get(format!("http://localhost{AUDIT}")).send().await;
    let text = asked
        .context("the running kilonova does not answer")?
        .bytes()
        .await;
    let text = text.context("the running kilonova ended before it answered")?;
    let answer: Answer = serde_json::from_slice(&text)
        .context("the running kilonova is another version, which does not know that question")?;
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(why) => bail!("the running kilonova: {why}"),
    }
}
