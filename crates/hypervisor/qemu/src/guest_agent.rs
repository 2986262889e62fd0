//! A client of the agent in a guest (qemu-ga), by the socket of its port: a JSON object a line.
//!
//! What it says comes from inside the guest and is believed in nothing: an answer has so many bytes and so much time, it is
//! read into closed types, and what it says of a failure is shown cut to a line.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hypervisor::DriverError;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// An agent that runs answers at once; one that was just started by a busy guest needs a moment.
const SYNC: Duration = limit(5);
/// What a change of a password may take.
const PASSWORD: Duration = limit(20);
/// A freeze writes what the guest has not written yet.
const FREEZE: Duration = limit(30);
const THAW: Duration = limit(10);

/// Tests need not wait so long for one that says nothing.
const fn limit(seconds: u64) -> Duration {
    match cfg!(test) {
        true => Duration::from_millis(seconds * 100),
        false => Duration::from_secs(seconds),
    }
}

/// Bytes of an answer, and of everything that comes before it.
const LONGEST: usize = 64 << 10;
/// Before each delimited answer.
const DELIMITER: u8 = 0xFF;

/// Why the agent did not do it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("it does not answer")]
    Silent,
    #[error("the guest has no port for it: it was started without one")]
    NoPort,
    #[error("it ended the connection")]
    Closed,
    #[error("its answer has no end")]
    TooLong,
    #[error("its answer makes no sense")]
    Nonsense,
    /// Its own words, cut.
    #[error("it says {0}")]
    Refused(String),
    #[error("its port cannot be used: {0}")]
    Io(ErrorKind),
}

impl Trouble {
    /// Wraps for the driver's caller.
    pub fn during(self, what: &'static str) -> DriverError {
        DriverError::GuestAgent {
            what,
            why: self.to_string(),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Trouble::NoPort,
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => {
                Trouble::Closed
            }
            kind => Trouble::Io(kind),
        }
    }
}

/// All that an answer can be.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "return")]
    result: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    desc: String,
}

/// A connection to the agent, in step with it.
#[derive(Debug)]
pub(crate) struct GuestAgent {
    stream: UnixStream,
    /// Read, and not yet looked at.
    read: Vec<u8>,
}

impl GuestAgent {
    /// Connects, and drops what the agent still had to say to somebody before.
    pub async fn connect(path: &Path) -> Result<Self, Trouble> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let next = u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        // Other processes may have asked before. A reader that keeps numbers as floats gives it back as it was.
        let id = ((u64::from(std::process::id()) << 32) | next) % (1 << 50);
        in_time(SYNC, async {
            let mut agent = GuestAgent {
                stream: UnixStream::connect(path).await?,
                read: Vec::new(),
            };
            // No JSON: it ends what a half-sent command of before left in the agent.
            agent.stream.write_all(&[DELIMITER]).await?;
            let command = json!({"execute": "guest-sync-delimited", "arguments": {"id": id}});
            agent.say(&command).await?;
            let mut left = LONGEST;
            loop {
                agent.until(DELIMITER, &mut left).await?;
                let line = agent.until(b'\n', &mut left).await?;
                if matches!(answer(&line), Ok(found) if found == json!(id)) {
                    return Ok(agent);
                }
            }
        })
        .await
    }

    /// Gives a user of the guest another password.
    pub async fn set_password(&mut self, user: &str, password: &str) -> Result<(), Trouble> {
        let arguments =
            json!({"username": user, "password": BASE64.encode(password), "crypted": false});
        let said = self
            .ask("guest-set-user-password", arguments, PASSWORD)
            .await;
        match said {
            Ok(Value::Object(_)) => Ok(()),
            Ok(_) => Err(Trouble::Nonsense),
            // Its own words may hold the password, whole or in part.
            Err(Trouble::Refused(_)) => Err(Trouble::Refused("that it cannot".to_owned())),
            Err(trouble) => Err(trouble),
        }
    }

    /// Has the file systems written and held still; gives how many. Until the thaw the guest writes nothing.
    pub async fn freeze(&mut self) -> Result<u64, Trouble> {
        let said = self.ask("guest-fsfreeze-freeze", json!({}), FREEZE).await?;
        said.as_u64().ok_or(Trouble::Nonsense)
    }

    /// Lets them go on. None that is still is success.
    pub async fn thaw(&mut self) -> Result<u64, Trouble> {
        let said = self.ask("guest-fsfreeze-thaw", json!({}), THAW).await?;
        said.as_u64().ok_or(Trouble::Nonsense)
    }

    async fn ask(
        &mut self,
        command: &'static str,
        arguments: Value,
        limit: Duration,
    ) -> Result<Value, Trouble> {
        in_time(limit, async {
            self.say(&json!({"execute": command, "arguments": arguments}))
                .await?;
            let line = self.until(b'\n', &mut LONGEST.clone()).await?;
            answer(&line)
        })
        .await
    }

    async fn say(&mut self, command: &Value) -> Result<(), Trouble> {
        let mut line = command.to_string();
        line.push('\n');
        Ok(self.stream.write_all(line.as_bytes()).await?)
    }

    /// What comes before the next `end`, at most `left` bytes.
    async fn until(&mut self, end: u8, left: &mut usize) -> Result<Vec<u8>, Trouble> {
        while *left > 0 {
            if let Some(at) = self.read.iter().position(|byte| *byte == end) {
                let mut before: Vec<u8> = self.read.drain(..=at).collect();
                before.pop();
                *left = left.saturating_sub(at + 1);
                return Ok(before);
            }
            if self.read.len() >= *left {
                break;
            }
            let mut some = [0; 4096];
            match self.stream.read(&mut some).await? {
                0 => return Err(Trouble::Closed),
                count => self.read.extend_from_slice(&some[..count]),
            }
        }
        Err(Trouble::TooLong)
    }
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Trouble>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Trouble::Silent),
    }
}

fn answer(line: &[u8]) -> Result<Value, Trouble> {
    let read: Answer = serde_json::from_slice(line).map_err(|_| Trouble::Nonsense)?;
    match (read.result, read.error) {
        (Some(result), None) => Ok(result),
        (None, Some(refusal)) => {
            let text = hypervisor::quoted(&refusal.desc);
            Err(Trouble::Refused(text))
        }
        _ => Err(Trouble::Nonsense),
    }
}

#[cfg(test)]
mod tests;
