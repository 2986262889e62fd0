//! A client of QEMU's machine protocol: JSON, a line each, over a unix socket. Commands carry ids and have time limits;
//! events go to whoever listens; file descriptors travel beside a command.
//!
//! A QEMU that a guest took over says what it likes: lines have a limit, and the connection ends with the first one that
//! is no message.

use std::collections::HashMap;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, Shutdown, sendmsg, shutdown};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{broadcast, oneshot};
use tokio::task::AbortHandle;

/// A healthy QEMU answers in a millisecond; a machine that swaps may need seconds.
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes of the longest line. The longest answers are lists of a guest's devices and block nodes, some hundred KiB for the
/// largest guests; QEMU itself takes no longer message than 64 MiB (`MAX_TOKEN_SIZE` of its JSON parser).
const LINE: usize = 16 << 20;
/// Characters of a line that are shown when it is no message.
const SHOWN: usize = 200;
/// Characters of QEMU's words that an error carries: its messages are sentences.
const WORDS: usize = 2000;

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    #[error("the connection is closed")]
    Closed,
    #[error("no answer to {0} in time")]
    Timeout(String),
    /// QEMU's own class and text, 2000 characters at most.
    #[error("{command}: {text}")]
    Refused {
        command: String,
        class: String,
        text: String,
    },
    #[error("connection failed")]
    Io(#[from] std::io::Error),
    /// The first 200 characters.
    #[error("unexpected line: {0:?}")]
    Protocol(String),
}

/// Something QEMU said unasked.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: String,
    pub data: Value,
    /// It was read while one of our commands was at work that causes such events. Decided at reading, since an
    /// event precedes the answer of the command that caused it.
    pub commanded: bool,
}

/// One line from QEMU.
#[derive(Debug, PartialEq)]
enum Line {
    Greeting,
    Answer {
        id: u64,
        result: Result<Value, (String, String)>,
    },
    Event {
        name: String,
        data: Value,
    },
}

type Waiting = HashMap<u64, oneshot::Sender<Result<Value, (String, String)>>>;
type Answers = Arc<Mutex<Waiting>>;

/// A connection to one QEMU. Dropping it closes the socket; the guest runs on.
#[derive(Debug)]
pub struct Qmp {
    writer: tokio::sync::Mutex<OwnedWriteHalf>,
    answers: Answers,
    next_id: AtomicU64,
    events: broadcast::WeakSender<Event>,
    commanding: Arc<AtomicUsize>,
    reader: AbortHandle,
}

impl Drop for Qmp {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// While it lives, events of the kinds that commands cause are marked as ours.
pub struct Commanding(Arc<AtomicUsize>);

impl Drop for Commanding {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Qmp {
    /// Connects, reads the greeting, leaves negotiation mode. QEMU answers when its machine is built. The receiver
    /// closes when QEMU closes the connection.
    pub async fn connect(path: &Path) -> Result<(Self, broadcast::Receiver<Event>), QmpError> {
        let (reader, writer) = UnixStream::connect(path).await?.into_split();
        let mut reader = BufReader::new(reader);
        loop {
            let line = next_line(&mut reader).await?.ok_or(QmpError::Closed)?;
            match parse(&line) {
                Some(Line::Greeting) => break,
                Some(_) => {}
                None => return Err(QmpError::Protocol(cut(&line, SHOWN))),
            }
        }
        let (sender, receiver) = broadcast::channel(256);
        let answers = Answers::default();
        let commanding = Arc::new(AtomicUsize::new(0));
        let events = sender.downgrade();
        let task = tokio::spawn(read(reader, answers.clone(), sender, commanding.clone()));
        let qmp = Self {
            writer: tokio::sync::Mutex::new(writer),
            answers,
            next_id: AtomicU64::new(1),
            events,
            commanding,
            reader: task.abort_handle(),
        };
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok((qmp, receiver))
    }

    /// Marks events from now on as caused by us.
    pub fn commanding(&self) -> Commanding {
        self.commanding.fetch_add(1, Ordering::SeqCst);
        Commanding(self.commanding.clone())
    }

    /// Events from now on; None when the connection is gone.
    pub fn events(&self) -> Option<broadcast::Receiver<Event>> {
        self.events.upgrade().map(|sender| sender.subscribe())
    }

    /// Runs a command and returns its result.
    ///
    /// # Errors
    /// `Refused` with QEMU's own words; else nothing is known of what it did.
    pub async fn execute(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        self.send(command, arguments, None, ANSWER).await
    }

    /// The same for a command that waits for another machine.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub async fn execute_within(
        &self,
        command: &str,
        arguments: Value,
        limit: Duration,
    ) -> Result<Value, QmpError> {
        self.send(command, arguments, None, limit).await
    }

    /// Hands a file descriptor over under a name that later commands use.
    pub async fn pass_fd(&self, name: &str, fd: BorrowedFd<'_>) -> Result<(), QmpError> {
        self.send("getfd", json!({"fdname": name}), Some(fd), ANSWER)
            .await
            .map(drop)
    }

    /// Hands a file descriptor over as `/dev/fdset/<set>`, which commands take as a file's name.
    pub async fn add_fd(&self, set: u32, fd: BorrowedFd<'_>) -> Result<(), QmpError> {
        self.send("add-fd", json!({"fdset-id": set}), Some(fd), ANSWER)
            .await
            .map(drop)
    }

    /// The same with a mark, by which `query-fdsets` shows it.
    pub async fn add_marked_fd(
        &self,
        set: u32,
        fd: BorrowedFd<'_>,
        mark: &str,
    ) -> Result<(), QmpError> {
        let arguments = json!({"fdset-id": set, "opaque": mark});
        self.send("add-fd", arguments, Some(fd), ANSWER)
            .await
            .map(drop)
    }

    async fn send(
        &self,
        command: &str,
        arguments: Value,
        fd: Option<BorrowedFd<'_>>,
        limit: Duration,
    ) -> Result<Value, QmpError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut line = json!({"execute": command, "arguments": arguments, "id": id}).to_string();
        line.push('\n');
        let (sender, receiver) = oneshot::channel();
        self.lock_answers().insert(id, sender);
        if self.reader.is_finished() {
            self.lock_answers().remove(&id);
            return Err(QmpError::Closed);
        }
        let exchange = async {
            self.write(line.as_bytes(), fd).await?;
            receiver.await.map_err(|_| QmpError::Closed)
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err((class, text)))) => Err(QmpError::Refused {
                command: command.to_owned(),
                class,
                text,
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                self.lock_answers().remove(&id);
                Err(QmpError::Timeout(command.to_owned()))
            }
        }
    }

    /// Whole, or the connection ends: behind a part of a command nothing would be understood.
    async fn write(
        &self,
        mut bytes: &[u8],
        mut fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), QmpError> {
        let writer = self.writer.lock().await;
        let stream: &UnixStream = writer.as_ref();
        let mut begun = Begun {
            stream,
            partial: false,
        };
        while !bytes.is_empty() {
            let raw = fd.map(|fd| [fd.as_raw_fd()]);
            let sent = stream
                .async_io(Interest::WRITABLE, || {
                    let parts = [IoSlice::new(bytes)];
                    let rights = raw.as_ref().map(|raw| ControlMessage::ScmRights(raw));
                    let control = rights.as_slice();
                    sendmsg::<()>(
                        stream.as_raw_fd(),
                        &parts,
                        control,
                        MsgFlags::MSG_NOSIGNAL,
                        None,
                    )
                    .map_err(std::io::Error::from)
                })
                .await?;
            fd = None; // it went with the first byte
            bytes = &bytes[sent..];
            begun.partial = !bytes.is_empty();
        }
        Ok(())
    }

    fn lock_answers(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A command on its way. Dropped in its middle, by a limit of time or an error, it ends the connection.
struct Begun<'a> {
    stream: &'a UnixStream,
    /// A part was sent, and a part was not.
    partial: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if self.partial {
            close(self.stream);
        }
    }
}

/// Ends the connection for both halves: the reader sees its end, and nobody writes any more.
fn close(stream: &UnixStream) {
    // It fails when the other side closed first.
    let _ = shutdown(stream.as_raw_fd(), Shutdown::Both);
}

/// The next line; None at the end.
///
/// # Errors
/// `InvalidData` for one that is too long or no text.
async fn next_line(reader: &mut BufReader<OwnedReadHalf>) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut limited = reader.take(LINE as u64);
    limited.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    let invalid = |why: String| std::io::Error::new(std::io::ErrorKind::InvalidData, why);
    if line.len() >= LINE && line.last() != Some(&b'\n') {
        return Err(invalid(format!(
            "QEMU sent a line of more than {LINE} bytes"
        )));
    }
    let text = String::from_utf8(line).map_err(|error| invalid(error.to_string()))?;
    Ok(Some(text))
}

fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// Reads until QEMU closes or sends what is no message; then everybody who waits for an answer is told, and the event
/// stream ends.
async fn read(
    mut reader: BufReader<OwnedReadHalf>,
    answers: Answers,
    events: broadcast::Sender<Event>,
    commanding: Arc<AtomicUsize>,
) {
    loop {
        let line = match next_line(&mut reader).await {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "the connection to QEMU is closed");
                break;
            }
        };
        match parse(&line) {
            Some(Line::Answer { id, result }) => {
                let waiting = answers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&id);
                if let Some(waiting) = waiting {
                    let _ = waiting.send(result); // nobody waits after a timeout
                }
            }
            Some(Line::Event { name, data }) => {
                let commanded = commanding.load(Ordering::SeqCst) > 0;
                let _ = events.send(Event {
                    name,
                    data,
                    commanded,
                });
            }
            Some(Line::Greeting) => {}
            None => {
                let line = cut(&line, SHOWN);
                tracing::warn!(
                    ?line,
                    "QEMU sent a line that is no message; the connection is closed"
                );
                break;
            }
        }
    }
    close(reader.get_ref().as_ref());
    answers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clear();
}

fn parse(line: &str) -> Option<Line> {
    let mut value: Value = serde_json::from_str(line).ok()?;
    let object = value.as_object_mut()?;
    if object.contains_key("QMP") {
        return Some(Line::Greeting);
    }
    if let Some(name) = object
        .get("event")
        .and_then(Value::as_str)
        .map(str::to_owned)
    {
        return Some(Line::Event {
            name,
            data: object.remove("data").unwrap_or(Value::Null),
        });
    }
    let id = object.get("id").and_then(Value::as_u64)?;
    if let Some(value) = object.remove("return") {
        return Some(Line::Answer {
            id,
            result: Ok(value),
        });
    }
    let error = object.get("error")?;
    let text = |key: &str| {
        let text = error.get(key).and_then(Value::as_str);
        cut(text.unwrap_or_default(), WORDS)
    };
    Some(Line::Answer {
        id,
        result: Err((text("class"), text("desc"))),
    })
}

#[cfg(test)]
mod tests;
