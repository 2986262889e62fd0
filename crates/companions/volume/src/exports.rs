//! Volumes that are served to hosts: who may reach one, where, and that exactly this is served.
//!
//! Promises:
//! - a row stands before anything serves its volume, and goes before that ends. What serves a volume without a row is
//!   ended, what has a row and is not served is served again, at the start and every few seconds: whatever died;
//! - each attachment has an export of its own, with a name, a port or a password that no other ever had: what was told of
//!   one that ended opens nothing (CVE-2023-2088);
//! - work on one export is done by one at a time, and who comes late reads the row again.

mod audit;
mod changed;
mod error;
pub mod secret;
mod watch;

use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Value, json};
use sql::SqlError;
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::backends::Backend;
use crate::db::store;
use crate::driver::{Id, Part};
use crate::shared::Core;
use crate::tables::{export, volume};
use crate::target::{Grant, Login, Reach, Target, TargetError, local, size_of};
use watch::Seen;

pub use audit::audit;
pub use changed::unserved;
pub use error::ExportError;
pub use watch::{Watch, down};

/// How many ports are tried for a new export, where other programs have those that were chosen.
const PORTS_TRIED: usize = 16;

/// Who reaches a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// An attachment, by its id.
    Attachment(&'a str),
    /// A host that asks without one (`os-initialize_connection`), by its name.
    Host(&'a str),
}

impl Whom<'_> {
    /// The id of the export.
    fn id(self, volume_id: &str) -> String {
        match self {
            Whom::Attachment(id) => id.to_owned(),
            Whom::Host(host) => {
                let name = format!("{volume_id}/{host}");
                Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
            }
        }
    }
}

/// How a volume is to be reached.
#[derive(Debug, Clone)]
pub struct Wish<'a> {
    pub whom: Whom<'a>,
    pub connector: &'a Value,
    pub read_only: bool,
    /// QoS specs that the host enforces.
    pub qos: Option<Value>,
}

/// The host reaches the volume: the `connection_info` that it is told.
///
/// # Errors
/// There is no such volume, the connector lacks something, or nothing can serve it.
pub async fn ensure(
    core: &Core,
    row: &volume::Model,
    wish: &Wish<'_>,
) -> Result<Value, ExportError> {
    let at = core.backends.of(row.host.as_deref())?;
    let path = at
        .driver
        .readable(Part::Volume(row.on_back_end().parse()?))
        .await?;
    let mut info = match &at.reach {
        Reach::Local(local) => local.info(&path, wish.connector)?,
        Reach::Target(target) => {
            local::host_of(wish.connector)?;
            serve(core, at, target.as_ref(), (&row.id, &path), wish).await?
        }
    };
    let data = &mut info["data"];
    data["access_mode"] = json!(if wish.read_only { "ro" } else { "rw" });
    data["qos_specs"] = json!(wish.qos);
    data["encrypted"] = json!(false);
    Ok(info)
}

async fn serve(
    core: &Core,
    at: &Backend,
    target: &dyn Target,
    (volume_id, path): (&str, &Path),
    wish: &Wish<'_>,
) -> Result<Value, ExportError> {
    let id = wish.whom.id(volume_id);
    let _turn = core.turns.of(&id).await?;
    if let Some(mut row) = store::find::<export::Entity>(core.db.read(), &id).await? {
        row.read_only = wish.read_only;
        row.backend.clone_from(&at.host);
        at.settings.helper.word().clone_into(&mut row.helper);
        if target.needs().login {
            row.initiator = Some(initiator(wish.connector)?);
        }
        store::save(core.db.write(), row.clone()).await?;
        return served(core, target, &row, path).await;
    }
    // What was served without a row has another password, which tgtd does not tell.
    target.ensure_gone(id.parse()?).await?;
    let mut taken = Vec::new();
    loop {
        let mut row = new(core, at, (&id, volume_id), wish);
        let needs = target.needs();
        if needs.login {
            row.initiator = Some(initiator(wish.connector)?);
            row.secret = Some(secret::new(core)?);
        }
        add(core, needs.ports, &taken, &row).await?;
        let failed = match added(core, target, &id, path).await {
            Ok(info) => return Ok(info),
            Err(failed) => failed,
        };
        // Nobody was told of it.
        stop(core, &id).await?;
        match failed {
            ExportError::Target(TargetError::Taken(port)) if taken.len() < PORTS_TRIED => {
                tracing::warn!(port, "another program has a port of the back end");
                taken.push(port);
            }
            other => return Err(other),
        }
    }
}

fn new(core: &Core, at: &Backend, (id, volume_id): (&str, &str), wish: &Wish<'_>) -> export::Model {
    export::Model {
        id: id.to_owned(),
        volume_id: volume_id.to_owned(),
        attached: matches!(wish.whom, Whom::Attachment(_)),
        machine: core.settings.host.clone(),
        backend: at.host.clone(),
        helper: at.settings.helper.word().to_owned(),
        read_only: wish.read_only,
        token: hex::encode(rand::random::<[u8; 16]>()),
        port: None,
        initiator: None,
        secret: None,
        created_at: store::now(),
    }
}

/// The iSCSI initiator that a connector names. It becomes a word of commands.
fn initiator(connector: &Value) -> Result<String, TargetError> {
    /// The longest name (RFC 7143, 4.2.7.1), in bytes.
    const LONGEST: usize = 223;
    let name = connector["initiator"].as_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
    let is_one = ["iqn.", "eui.", "naa."]
        .iter()
        .any(|begin| name.starts_with(begin))
        && name.len() <= LONGEST
        && name.chars().all(plain);
    match is_one {
        true => Ok(name.to_owned()),
        false => Err(TargetError::Connector(
            "Connector doesn't have required information: initiator".to_owned(),
        )),
    }
}

/// Adds the row, with a port of its own where the target gives each export one.
async fn add(
    core: &Core,
    ports: Option<RangeInclusive<u16>>,
    taken: &[u16],
    row: &export::Model,
) -> Result<(), ExportError> {
    let Some(ports) = ports else {
        store::insert(core.db.write(), row.clone()).await?;
        return Ok(());
    };
    for _ in 0..PORTS_TRIED {
        let port = free_port(core, &row.machine, &ports, taken).await?;
        let mut row = row.clone();
        row.port = Some(port.into());
        let added = store::insert(core.db.write(), row).await;
        match added.map_err(SqlError::from) {
            // Another export was quicker.
            Err(error) if error.is_duplicate() => {}
            other => return other.map_err(ExportError::from),
        }
    }
    Err(ExportError::NoPort(ports))
}

/// One of the free ports, by chance: a port that just became free is seldom the next one.
async fn free_port(
    core: &Core,
    machine: &str,
    ports: &RangeInclusive<u16>,
    taken: &[u16],
) -> Result<u16, ExportError> {
    let used: Vec<Option<i32>> = export::Entity::find()
        .select_only()
        .column(export::Column::Port)
        .filter(export::Column::Machine.eq(machine))
        .into_tuple()
        .all(core.db.read())
        .await?;
    let is_free = |port: &u16| !used.contains(&Some((*port).into())) && !taken.contains(port);
    let free: Vec<u16> = ports.clone().filter(is_free).collect();
    match free.len() {
        0 => Err(ExportError::NoPort(ports.clone())),
        count => Ok(free[usize::from(rand::random::<u16>()) % count]),
    }
}

async fn added(
    core: &Core,
    target: &dyn Target,
    id: &str,
    path: &Path,
) -> Result<Value, ExportError> {
    let row = store::find::<export::Entity>(core.db.read(), id).await?;
    let row = row.ok_or_else(|| ExportError::Lost(id.to_owned()))?;
    served(core, target, &row, path).await
}

/// What the row says is served.
async fn served(
    core: &Core,
    target: &dyn Target,
    row: &export::Model,
    path: &Path,
) -> Result<Value, ExportError> {
    Ok(target.ensure(&granted(core, row, path).await?).await?)
}

/// What the row says, of a volume that is there.
async fn granted(core: &Core, row: &export::Model, path: &Path) -> Result<Grant, ExportError> {
    let login = match row.initiator.clone().zip(row.secret.as_deref()) {
        Some((initiator, sealed)) => Some(Login {
            initiator,
            password: secret::open(core, sealed)?,
        }),
        None => None,
    };
    let failed =
        |why: String| TargetError::Failed(format!("{} cannot be read: {why}", path.display()));
    let of = path.to_owned();
    let size = tokio::task::spawn_blocking(move || size_of(&of)).await;
    let size = size.map_err(|error| failed(error.to_string()))?;
    Ok(Grant {
        id: row.id.parse()?,
        volume: row.volume_id.parse()?,
        path: path.to_owned(),
        size: size.map_err(|error| failed(error.to_string()))?,
        read_only: row.read_only,
        token: row.token.clone(),
        port: row.port.and_then(|port| u16::try_from(port).ok()),
        login,
    })
}

/// Whoever had this export reaches the volume no more; nothing to do where there is none.
///
/// # Errors
/// What serves it does not end: it is tried again soon.
pub async fn end(core: &Core, volume_id: &str, whom: Whom<'_>) -> Result<(), ExportError> {
    end_id(core, &whom.id(volume_id)).await
}

async fn end_id(core: &Core, id: &str) -> Result<(), ExportError> {
    let _turn = core.turns.of(id).await?;
    stop(core, id).await
}

/// No host reaches the volume any more by asking without an attachment.
///
/// # Errors
/// As [`end`].
pub async fn end_hosts(core: &Core, volume_id: &str) -> Result<(), ExportError> {
    for row in of_volume(core, volume_id).await? {
        if !row.attached {
            end_id(core, &row.id).await?;
        }
    }
    Ok(())
}

/// No host reaches the volume any more.
///
/// # Errors
/// As [`end`].
pub async fn end_all(core: &Core, volume_id: &str) -> Result<(), ExportError> {
    for row in of_volume(core, volume_id).await? {
        end_id(core, &row.id).await?;
    }
    Ok(())
}

/// No host reaches the volume any more where this back end (`HOST@BACKEND#POOL`) has it.
///
/// # Errors
/// As [`end`]; there is no such back end.
pub async fn end_on(core: &Core, volume_id: &str, pool: &str) -> Result<(), ExportError> {
    let at = core.backends.of(Some(pool))?;
    for row in of_volume(core, volume_id).await? {
        let home = core.backends.of(Some(&row.backend));
        if home.is_ok_and(|home| home.host == at.host) {
            end_id(core, &row.id).await?;
        }
    }
    Ok(())
}

/// Hosts that reach the volume get it with the size that it has now.
///
/// # Errors
/// It cannot be served so.
pub async fn refresh(core: &Core, volume_id: &str) -> Result<(), ExportError> {
    for row in of_volume(core, volume_id).await? {
        watch::keep(core, &row.id, &Seen::default()).await?;
    }
    Ok(())
}

async fn of_volume(core: &Core, volume_id: &str) -> Result<Vec<export::Model>, ExportError> {
    let of = Condition::all().add(export::Column::VolumeId.eq(volume_id));
    let rows = export::Entity::find()
        .filter(of)
        .all(core.db.read())
        .await?;
    Ok(rows)
}

/// The row goes, then what serves it. The caller has the export's turn.
async fn stop(core: &Core, id: &str) -> Result<(), ExportError> {
    let parsed: Id = id.parse()?;
    let mut home = None;
    if let Some(row) = store::find::<export::Entity>(core.db.read(), id).await? {
        home = Some(core.backends.of(Some(&row.backend))?.host.as_str());
        store::remove::<export::Entity>(core.db.write(), id).await?;
    }
    for at in core.backends.iter() {
        let Some(target) = at.reach.target() else {
            continue;
        };
        if home == Some(at.host.as_str()) || target.served().await?.contains(&parsed) {
            target.ensure_gone(parsed).await?;
        }
    }
    Ok(())
}
