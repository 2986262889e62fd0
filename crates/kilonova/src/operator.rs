//! The operator's door: a socket in the state folder, where the process that runs the cloud answers
//! the binary's own verbs. Who may open it is decided by the folder's permissions.
//!
//! A question is a line, the answer is JSON; then the connection ends.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::Auditor;

/// What the running process is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Question {
    /// What belongs to nobody.
    Audit,
}

/// What it answers: sentences, or why it could not.
type Answer = Result<Vec<String>, String>;

/// The longest question.
const QUESTION_LENGTH: u64 = 1024;

/// How long a question may take to arrive.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take. An audit looks three times, and at every guest.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

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

/// Answers one question after the other until `stop`.
pub fn serve(
    tasks: &TaskTracker,
    listener: UnixListener,
    auditor: Arc<Auditor>,
    stop: CancellationToken,
) {
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let asked = match accepted {
                Ok((stream, _)) => tokio::select! {
                    asked = answer(stream, &auditor) => asked,
                    () = stop.cancelled() => return,
                },
                Err(error) => {
                    // Out of descriptors, most likely: not again at once.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Err(error.into())
                }
            };
            if let Err(error) = asked {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "an operator's question failed"
                );
            }
        }
    });
}

async fn answer(stream: UnixStream, auditor: &Auditor) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    let mut limited = (&mut stream).take(QUESTION_LENGTH);
    tokio::time::timeout(QUESTION_TIMEOUT, limited.read_line(&mut line))
        .await
        .context("no question came")??;
    let answer: Answer = match serde_json::from_str(&line) {
        Ok(Question::Audit) => auditor.steady().await.map_err(|error| format!("{error:#}")),
        Err(error) => Err(format!("this process does not know that question: {error}")),
    };
    stream.write_all(&serde_json::to_vec(&answer)?).await?;
    stream.shutdown().await?;
    Ok(())
}

/// Asks the process that works in this folder; none when there is none.
///
/// # Errors
/// It does not answer, or could not do it.
pub async fn ask(folder: &Path, question: Question) -> Result<Option<Vec<String>>> {
    let Ok(mut stream) = UnixStream::connect(path(folder)).await else {
        return Ok(None);
    };
    let asked = async {
        let mut line = serde_json::to_vec(&question)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        anyhow::Ok(text)
    };
    let text = tokio::time::timeout(ANSWER_TIMEOUT, asked)
        .await
        .context("the running kilonova does not answer")??;
    let answer: Answer =
        serde_json::from_slice(&text).context("the running kilonova ended before it answered")?;
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(why) => bail!("the running kilonova: {why}"),
    }
}
