//! What holds for attachments, whoever asks: who may reserve a volume, what its status is when attachments come and go,
//! and that none is deleted under a server.

mod qos;

use serde_json::Value;
use sql::sea_orm::ConnectionTrait;
use web::Caller;

use crate::db::store::{self, Tx};
use crate::db::volumes as rows;
use crate::exports::{self, Whom, Wish, secret};
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::{AttachStatus, Status, Word, attachment, volume};

/// `rw`, `ro`, or nothing said.
pub const UNSAID: &str = "null";

/// The attachment with this id, if it exists for the caller.
///
/// # Errors
/// 404.
pub async fn find(
    volumes: &Volumes,
    caller: &Caller,
    id: &str,
) -> Result<attachment::Model, Fault> {
    let found = store::find::<attachment::Entity>(volumes.db().read(), id).await?;
    let found = found.filter(|row| volumes.sees(caller, &row.project_id));
    found.ok_or_else(|| missing(id))
}

/// No attachment has this id.
pub fn missing(id: &str) -> Fault {
    Fault::NotFound(format!(
        "Volume attachment could not be found with filter: attachment_id = {id}."
    ))
}

/// Reserves a volume for a server, or for a host when none is named.
///
/// # Errors
/// 400: the volume is in a status, or used by others.
pub async fn reserve(
    volumes: &Volumes,
    caller: &Caller,
    tx: &Tx,
    (volume_id, server): (&str, Option<&str>),
    mode: &str,
) -> Result<attachment::Model, Fault> {
    let mut row = locked(tx, volume_id).await?;
    if row.status.is_error() {
        return Err(Fault::InvalidVolume(format!(
            "Volume attachments can not be created if the volume is in an error state. The Volume {} currently has a \
             status of: {} ",
            row.id,
            row.status.word()
        )));
    }
    if row.multiattach && row.status == Status::InUse && row.bootable {
        let target = policy::target(&row.project_id, &row.user_id);
        volumes.allow_rule("volume:multiattach_bootable_volume", caller, &target)?;
    }
    let others = rows::attachments(tx, volume_id).await?;
    // Unlike in Cinder not one that is `downloading`: a new volume never is, and the bytes of the others are replaced.
    let open = row.status == Status::Available || (row.multiattach && row.status == Status::InUse);
    // A server that moves to another host attaches its volume there before it lets go here.
    let moves = matches!(row.status, Status::InUse | Status::Reserved)
        && server.is_some()
        && others
            .iter()
            .any(|one| one.instance_id.as_deref() == server);
    // What takes the place of a volume is reserved once, by the service that has it do so.
    let replaces =
        row.target_of.is_some() && others.is_empty() && policy::is_service_request(caller);
    if !open && !moves && !replaces {
        return Err(Fault::InvalidVolume(format!(
            "Volume {} status must be {} to reserve, but the current status is {}.",
            row.id,
            if row.multiattach {
                "available or in-use"
            } else {
                "available"
            },
            row.status.word()
        )));
    }
    let new = attachment::Model {
        id: store::new_id(),
        volume_id: row.id.clone(),
        project_id: row.project_id.clone(),
        status: AttachStatus::Reserved,
        instance_id: server.map(str::to_owned),
        host: None,
        mountpoint: None,
        mode: Some(match row.readonly {
            Some(true) => "ro".to_owned(),
            _ => mode.to_owned(),
        }),
        connector: None,
        connection: None,
        attached_at: None,
        created_at: store::now(),
    };
    store::insert(tx, new.clone()).await?;
    if open {
        row.status = Status::Reserved;
        row.updated_at = Some(store::now());
        store::save(tx, row).await?;
    }
    Ok(new)
}

/// The volume, locked.
///
/// # Errors
/// 404.
pub async fn locked(tx: &Tx, id: &str) -> Result<volume::Model, Fault> {
    let found = store::locked::<volume::Entity>(tx, id).await?;
    found.ok_or_else(|| Fault::no_volume(id))
}

/// Lets a host reach a volume, as an attachment allows.
///
/// # Errors
/// 400: the connector lacks something.
pub async fn export(
    volumes: &Volumes,
    row: &volume::Model,
    whom: Whom<'_>,
    connector: &Value,
    read_only: bool,
) -> Result<Value, Fault> {
    let wish = Wish {
        whom,
        connector,
        read_only,
        qos: qos::for_hosts(volumes.db().read(), row).await?,
    };
    Ok(exports::ensure(volumes.core(), row, &wish).await?)
}

/// Gives an attachment its connector: the host may reach the volume from now on.
///
/// # Errors
/// 404, 409: the volume is in error, gets other bytes, or another host has it.
pub async fn connect(
    volumes: &Volumes,
    id: &str,
    connector: &Value,
    alone: bool,
) -> Result<attachment::Model, Fault> {
    let db = volumes.db().read();
    let seen = store::find::<attachment::Entity>(db, id)
        .await?
        .ok_or_else(|| missing(id))?;
    let row = store::find::<volume::Entity>(db, &seen.volume_id).await?;
    let row = row.ok_or_else(|| Fault::no_volume(&seen.volume_id))?;
    usable(&row)?;
    let mode = mode(&seen, &row, connector)?;
    // Exporting is idempotent, and waits for a back end: outside of the transaction.
    let whom = Whom::Attachment(id);
    let info = export(volumes, &row, whom, connector, mode == "ro").await?;
    let info = secret::sealed(volumes.core(), info)?;
    let connected: Result<attachment::Model, Fault> = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut volume = locked(&tx, &seen.volume_id).await?;
        let others = rows::attachments(&tx, &volume.id).await?;
        check_connect(&volume, &others, id, alone)?;
        let found = others.into_iter().find(|one| one.id == id);
        let mut one = found.ok_or_else(|| missing(id))?;
        let text = |key: &str| connector[key].as_str().map(str::to_owned);
        one.host = text("host");
        one.mountpoint = text("mountpoint");
        one.mode = Some(mode.clone());
        one.connector = Some(connector.to_string());
        one.connection = Some(info.to_string());
        one.attached_at = Some(store::now());
        if one.status == AttachStatus::Reserved {
            one.status = AttachStatus::Attaching;
        }
        store::save(&tx, one.clone()).await?;
        if matches!(volume.status, Status::Reserved | Status::Available) {
            volume.status = Status::Attaching;
            volume.updated_at = Some(store::now());
            store::save(&tx, volume).await?;
        }
        tx.commit().await?;
        Ok(one)
    })
    .await;
    if connected.is_err() {
        take_back(volumes, &row.id, id).await;
    }
    connected
}

/// Ends the export of an attachment that could not be connected, unless it was connected before or meanwhile: otherwise
/// nobody was told how the volume is reached. What does not end now is ended with the attachment.
async fn take_back(volumes: &Volumes, volume_id: &str, id: &str) {
    let now = store::find::<attachment::Entity>(volumes.db().read(), id).await;
    let ended = match now.map_err(Fault::from) {
        Ok(Some(now)) if now.connection.is_some() => Ok(()),
        Ok(_) => {
            let ended = exports::end(volumes.core(), volume_id, Whom::Attachment(id)).await;
            ended.map_err(Fault::from)
        }
        Err(fault) => Err(fault),
    };
    if let Err(fault) = ended {
        tracing::warn!(%fault, attachment = id, "an export could not be taken back");
    }
}

/// What was said when the attachment was made goes before what the connector says.
fn mode(seen: &attachment::Model, row: &volume::Model, connector: &Value) -> Result<String, Fault> {
    let said = seen.mode.as_deref().filter(|mode| *mode != UNSAID);
    let mode = said.or_else(|| connector["mode"].as_str()).unwrap_or("rw");
    match mode {
        "ro" => Ok(mode.to_owned()),
        "rw" if row.readonly != Some(true) => Ok(mode.to_owned()),
        other => Err(invalid_mode(other, &row.id)),
    }
}

/// The volume may not be attached so.
pub fn invalid_mode(mode: &str, volume_id: &str) -> Fault {
    Fault::BadRequest(format!(
        "Invalid attaching mode '{mode}' for volume {volume_id}."
    ))
}

fn check_connect(
    row: &volume::Model,
    others: &[attachment::Model],
    id: &str,
    alone: bool,
) -> Result<(), Fault> {
    if row.status.is_error() {
        return Err(Fault::ResourceConflict(format!(
            "Volume attachments can not be updated if the volume is in an error state. The Volume {} currently has a \
             status of: {} ",
            row.id,
            row.status.word()
        )));
    }
    usable(row)?;
    let connected = |one: &&attachment::Model| one.id != id && one.connection.is_some();
    match alone && !row.multiattach && others.iter().any(|one| connected(&one)) {
        true => Err(Fault::ResourceConflict(format!(
            "duplicate connectors detected on volume {}",
            row.id
        ))),
        false => Ok(()),
    }
}

/// Whether a host may open a volume.
///
/// # Errors
/// 409: its bytes are being replaced.
pub fn usable(row: &volume::Model) -> Result<(), Fault> {
    match row.status.is_rewritten() {
        true => Err(Fault::ResourceConflict(format!(
            "Volume {} cannot be used while its status is {}.",
            row.id,
            row.status.word()
        ))),
        false => Ok(()),
    }
}

/// Says that the host uses it.
///
/// # Errors
/// 404; 409: its bytes are being replaced.
pub async fn complete(tx: &Tx, id: &str) -> Result<(), Fault> {
    let seen = store::find::<attachment::Entity>(tx, id)
        .await?
        .ok_or_else(|| missing(id))?;
    let mut row = locked(tx, &seen.volume_id).await?;
    usable(&row)?;
    let one = store::locked::<attachment::Entity>(tx, id).await?;
    let mut one = one.ok_or_else(|| missing(id))?;
    one.status = AttachStatus::Attached;
    one.attached_at = one.attached_at.or_else(|| Some(store::now()));
    store::save(tx, one).await?;
    if !row.is_moving() {
        row.status = Status::InUse;
    }
    row.updated_at = Some(store::now());
    store::save(tx, row).await?;
    Ok(())
}

/// Removes an attachment, then ends what served the volume to its host. Gives those that are left.
///
/// # Errors
/// 404; 409: see [`deletable`].
pub async fn end(
    volumes: &Volumes,
    caller: &Caller,
    volume_id: &str,
    id: &str,
) -> Result<Vec<attachment::Model>, Fault> {
    let (ended, left) = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let done = remove(&tx, Some(caller), volume_id, id).await?;
        tx.commit().await?;
        Ok::<_, Fault>(done)
    })
    .await?;
    let core = volumes.core();
    let mut ends = vec![exports::end(core, volume_id, Whom::Attachment(id)).await];
    // One that was only noted belongs to a host that asked without an attachment: which one, nobody said.
    let is_noted = |one: &attachment::Model| one.connector.is_none();
    if is_noted(&ended) && !left.iter().any(is_noted) {
        ends.push(exports::end_hosts(core, volume_id).await);
    }
    // The attachment is gone, whatever is left of its exports: who looks after those ends them.
    for error in ends.into_iter().filter_map(Result::err) {
        tracing::error!(%error, attachment = id, "what served a volume does not end yet");
    }
    Ok(left)
}

/// Removes an attachment; the volume gets the status that those that are left give it. Gives both. With a caller,
/// [`deletable`] decides by the row as it is now: a server may have connected since the caller looked.
///
/// # Errors
/// 404, 409.
pub async fn remove(
    tx: &Tx,
    caller: Option<&Caller>,
    volume_id: &str,
    id: &str,
) -> Result<(attachment::Model, Vec<attachment::Model>), Fault> {
    let mut row = locked(tx, volume_id).await?;
    let found = store::locked::<attachment::Entity>(tx, id).await?;
    let one = found.ok_or_else(|| missing(id))?;
    if let Some(caller) = caller {
        deletable(caller, &one)?;
    }
    store::remove::<attachment::Entity>(tx, id).await?;
    let left = rows::attachments(tx, volume_id).await?;
    if is_of_attachments(&row) {
        row.status = attachment::at_rest(&left);
    }
    row.updated_at = Some(store::now());
    store::save(tx, row).await?;
    Ok((one, left))
}

/// Whether the attachments that are left say what the status of a volume is. Cinder asks them whatever it was, so that
/// one in error is available again when its last attachment goes. Here an operation that is under way says it, when it
/// ends.
fn is_of_attachments(row: &volume::Model) -> bool {
    match row.status {
        Status::Available
        | Status::Reserved
        | Status::Attaching
        | Status::Detaching
        | Status::InUse => true,
        status => (status.is_error() || status == Status::Maintenance) && !row.is_moving(),
    }
}

/// The attachment that is to go when a call names it, or none where there is one at most; none, too, where a service
/// names what is not there, or does not say which of several.
///
/// # Errors
/// 409: see [`deletable`]; or it is not to be known which server is meant.
pub fn meant<'a>(
    caller: &Caller,
    all: &'a [attachment::Model],
    named: Option<&str>,
) -> Result<Option<&'a attachment::Model>, Fault> {
    let one = match (named, all) {
        (Some(id), _) => all.iter().find(|one| one.id == id),
        (None, [one]) => Some(one),
        (None, []) => return Ok(None),
        (None, _) => None,
    };
    match one {
        Some(one) => deletable(caller, one)?,
        None if policy::is_service_request(caller) => {}
        None => return Err(in_use("")),
    }
    Ok(one)
}

/// Refuses to take a volume from under a server, unless a service asks (CVE-2023-2088): the host would keep a device
/// that may be another volume soon.
///
/// # Errors
/// 409.
pub fn deletable(caller: &Caller, one: &attachment::Model) -> Result<(), Fault> {
    let used = one.instance_id.is_some() && one.connection.is_some();
    match used && !policy::is_service_request(caller) {
        true => Err(in_use(one.instance_id.as_deref().unwrap_or_default())),
        false => Ok(()),
    }
}

/// Refuses to say of a volume what compute alone knows, unless a service asks: while compute puts one volume in the place of
/// another, its server may have either of them.
///
/// # Errors
/// 400.
pub async fn decided(
    db: &impl ConnectionTrait,
    caller: &Caller,
    row: &volume::Model,
) -> Result<(), Fault> {
    if policy::is_service_request(caller) {
        return Ok(());
    }
    let twin = match &row.target_of {
        Some(_) => Some(row.id.clone()),
        None => match rows::twin(db, &row.id).await? {
            Some(twin) if !rows::attachments(db, &twin.id).await?.is_empty() => Some(twin.id),
            _ => None,
        },
    };
    match twin {
        None => Ok(()),
        Some(twin) => Err(Fault::InvalidVolume(format!(
            "Compute works with volume {twin}, which is to take the place of another one: wait until the swap_volume of the \
             server has ended, or delete the server."
        ))),
    }
}

/// A server uses it.
fn in_use(server: &str) -> Fault {
    Fault::Conflict(format!(
        "Detach volume from instance {server} using the Compute API"
    ))
}

#[cfg(test)]
mod tests;
