//! Starting, finding and ending daemons.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use child::{Confined, Measures, Process};
use qmp::{Qmp, QmpError};
use serde_json::{Value, json};

use crate::place::{Place, Served, monitor};
use crate::socket::{self, Short};
use crate::source::NODE;
use crate::{Error, Limits, Wanted, name_of};

const START: &str = "start";
const OPEN: &str = "open the volume";
const EXPORT: &str = "export the volume";
/// Bytes of a log that are shown in an error.
const WORDS: usize = 600;
/// A daemon that closes its connection ends within this time, and what it said is in its log.
const GONE: Duration = Duration::from_secs(1);

/// A daemon that serves its volume.
#[derive(Debug)]
pub struct Running {
    pub process: Process,
    /// The volume's length when it was opened. Clients see this one until the daemon is ended and ensured again.
    pub bytes: u64,
    /// Where clients come to, when that is a TCP address.
    pub address: Option<SocketAddr>,
    /// It was started by this call.
    pub fresh: bool,
}

/// The daemon of a folder, if it runs and serves a volume. Called within a Tokio runtime.
pub fn running(folder: &Path) -> Option<Running> {
    let place = Place::new(folder);
    // A volume that is served was noted with the daemon's number: the whole machine is not searched for it.
    let served = place.read()?;
    Some(Running {
        process: place.process()?,
        bytes: served.bytes,
        address: served.address,
        fresh: false,
    })
}

/// Makes a daemon do this: one that does is left alone, any other of the folder is ended first. Returns when clients find
/// the volume. `program` is looked for in the usual folders when it has none.
///
/// # Errors
/// Any error leaves no daemon behind.
pub async fn ensure(
    folder: &Path,
    program: &Path,
    wanted: &Wanted,
    measures: Measures,
    limits: Limits,
) -> Result<Running, Error> {
    let place = Place::new(folder);
    let mark = wanted.mark();
    if place.read().is_some_and(|served| served.mark == mark)
        && let Some(found) = running(folder)
    {
        return Ok(found);
    }
    end(folder, limits).await?;
    let result = start(&place, program, (wanted, mark), measures, limits, folder).await;
    if result.is_err()
        && let Err(error) = end(folder, limits).await
    {
        tracing::error!(folder = %folder.display(), %error, "a storage daemon that failed cannot be ended");
    }
    result
}

/// Ends the daemon of a folder, giving it the time to flush what was written. None is success; the folder stays.
///
/// # Errors
/// It does not end although killed, or a file cannot be removed.
pub async fn end(folder: &Path, limits: Limits) -> Result<(), Error> {
    let place = Place::new(folder);
    if let Some(process) = place.process() {
        let what = format!("end storage daemon {}", process.pid);
        process.end(limits.end).await.map_err(Error::io(what))?;
        tracing::debug!(folder = %folder.display(), pid = process.pid, "storage daemon ended");
    }
    place.clear()
}

async fn start(
    place: &Place<'_>,
    program: &Path,
    (wanted, mark): (&Wanted, Value),
    measures: Measures,
    limits: Limits,
    folder: &Path,
) -> Result<Running, Error> {
    place.make()?;
    let path = place.qmp();
    let control =
        socket::unix(&path, None).map_err(Error::io(format!("bind {}", path.display())))?;
    let (clients, address) =
        socket::listen(&wanted.listen).map_err(Error::io(format!("bind {:?}", wanted.listen)))?;
    let process = launch(place, program, wanted, measures, [control, clients], folder)?;
    std::fs::write(place.pid(), process.pid.to_string())
        .map_err(Error::io("note the number of the storage daemon"))?;
    let short = Short::of(&path).map_err(Error::io(format!("reach {}", path.display())))?;
    let connected = tokio::select! {
        biased;
        connected = tokio::time::timeout(limits.start, Qmp::connect(&short.path)) => connected,
        () = process.exited() => Ok(Err(QmpError::Closed)),
    };
    let qmp = match connected {
        Ok(Ok((qmp, _))) => qmp,
        Ok(Err(error)) => return Err(said(place, &process, START, error).await),
        Err(_) => {
            return Err(Error::Late {
                what: START,
                limit: limits.start,
            });
        }
    };
    let bytes = open(place, &process, &qmp, wanted, limits).await?;
    let served = Served {
        mark,
        bytes,
        address,
    };
    let text = serde_json::to_vec(&served).map_err(std::io::Error::other);
    text.and_then(|text| std::fs::write(place.served(), text))
        .map_err(Error::io("note what the storage daemon serves"))?;
    tracing::debug!(folder = %folder.display(), pid = process.pid, bytes, "storage daemon serves");
    Ok(Running {
        process,
        bytes,
        address,
        fresh: true,
    })
}

/// The process, with both sockets as its own.
fn launch(
    place: &Place<'_>,
    program: &Path,
    wanted: &Wanted,
    measures: Measures,
    sockets: [OwnedFd; 2],
    folder: &Path,
) -> Result<Process, Error> {
    let log = place.log();
    let fail = || Error::io(format!("open {}", log.display()));
    let out = File::create(&log).map_err(fail())?;
    let err = out.try_clone().map_err(fail())?;
    let [control, clients] = sockets.each_ref().map(|socket| socket.as_raw_fd());
    let name = name_of(folder);
    let mut server = format!("addr.type=fd,addr.str={clients}");
    if wanted.connections > 0 {
        server.push_str(&format!(",max-connections={}", wanted.connections));
    }
    let args = [
        "--chardev".to_owned(),
        format!("socket,id={name},fd={control},server=on,wait=off"),
        "--monitor".to_owned(),
        monitor(&name),
        "--nbd-server".to_owned(),
        server,
    ];
    let confined = Confined {
        program: program.to_owned(),
        args: args.iter().map(Into::into).collect(),
        folder: "/".into(),
        keep: vec![control, clients],
        measures,
    };
    let started = confined.start(out.into(), err.into());
    let started = started.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::NotInstalled {
            program: program.display().to_string(),
        },
        _ => Error::io(format!("start {}", program.display()))(error),
    })?;
    started
        .watched()
        .map_err(Error::io("watch the storage daemon"))
}

/// Opens the volume and exports it; gives its length.
async fn open(
    place: &Place<'_>,
    process: &Process,
    qmp: &Qmp,
    wanted: &Wanted,
    limits: Limits,
) -> Result<u64, Error> {
    let node = wanted.source.node(wanted.read_only);
    if let Some(secret) = node.secret {
        let added = qmp.execute("object-add", secret).await;
        if let Err(error) = added {
            return Err(said(place, process, OPEN, error).await);
        }
    }
    let added = qmp.execute_within("blockdev-add", node.value, limits.open);
    match added.await {
        Ok(_) => {}
        // It knows the names of all drivers; some are modules that are not installed.
        Err(QmpError::Refused { text, .. }) if text.starts_with("Unknown driver") => {
            return Err(Error::NoDriver {
                driver: node.driver,
            });
        }
        Err(QmpError::Timeout(_)) => {
            return Err(Error::Late {
                what: OPEN,
                limit: limits.open,
            });
        }
        Err(error) => return Err(said(place, process, OPEN, error).await),
    }
    let export = json!({
        "type": "nbd",
        "id": NODE,
        "node-name": NODE,
        "name": wanted.export,
        "writable": !wanted.read_only,
    });
    let exported = async {
        qmp.execute("block-export-add", export).await?;
        let asked = json!({"flat": true});
        qmp.execute("query-named-block-nodes", asked).await
    };
    let nodes = match exported.await {
        Ok(nodes) => nodes,
        Err(error) => return Err(said(place, process, EXPORT, error).await),
    };
    let mut nodes = nodes
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter();
    let own = nodes.find(|node| node["node-name"] == NODE);
    own.and_then(|node| node["image"]["virtual-size"].as_u64())
        .ok_or_else(|| Error::Refused {
            what: EXPORT,
            why: "it does not say how long the volume is".to_owned(),
        })
}

/// Its refusal, or its last words when it ended instead.
async fn said(place: &Place<'_>, process: &Process, what: &'static str, error: QmpError) -> Error {
    let why = match error {
        QmpError::Refused { text, .. } => text,
        QmpError::Timeout(_) | QmpError::Io(_) | QmpError::Protocol(_) => error.to_string(),
        QmpError::Closed => {
            process.exits_within(GONE).await;
            let log = std::fs::read(place.log()).unwrap_or_default();
            let tail = &log[log.len().saturating_sub(WORDS)..];
            format!("it ended: {}", String::from_utf8_lossy(tail).trim())
        }
    };
    Error::Refused { what, why }
}
