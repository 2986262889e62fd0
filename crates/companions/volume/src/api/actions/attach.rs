//! Attaching as it was before attachments had calls of their own.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{attachments, change};
use crate::api::volumes::locked;
use crate::api::{Call, find};
use crate::attach;
use crate::db::store;
use crate::db::volumes as rows;
use crate::exports::{self, Whom};
use crate::fault::Fault;
use crate::service::Volumes;
use crate::tables::{AttachStatus, Status, Word, attachment, volume};

/// `os-reserve`.
pub async fn reserve(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    change(&volumes, &call, |row| {
        let open =
            row.status == Status::Available || (row.multiattach && row.status == Status::InUse);
        if !open {
            return Err(Fault::InvalidVolume(format!(
                "Volume status must be {} to reserve, but the status is {}.",
                if row.multiattach {
                    "available or in-use"
                } else {
                    "available"
                },
                row.status.word()
            )));
        }
        row.status = Status::Attaching;
        Ok(())
    })
    .await
}

/// `os-unreserve`: nothing to do for a volume that is not reserved.
pub async fn unreserve(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    give_back(&volumes, &seen).await?;
    Ok(Answer::empty())
}

async fn give_back(volumes: &Volumes, seen: &volume::Model) -> Result<(), Fault> {
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        if row.status == Status::Attaching {
            let all = rows::attachments(&tx, &row.id).await?;
            row.status = match all.is_empty() {
                true => Status::Available,
                false => Status::InUse,
            };
            row.updated_at = Some(store::now());
            store::save(&tx, row).await?;
        }
        tx.commit().await?;
        Ok(())
    })
    .await
}

/// `os-begin_detaching`.
pub async fn begin_detaching(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    change(&volumes, &call, |row| {
        if row.status != Status::InUse {
            return Err(Fault::InvalidVolume(
                "Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach."
                    .to_owned(),
            ));
        }
        row.status = Status::Detaching;
        Ok(())
    })
    .await
}

/// `os-roll_detaching`.
pub async fn roll_detaching(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    change(&volumes, &call, |row| {
        if row.status == Status::Detaching {
            row.status = Status::InUse;
        }
        Ok(())
    })
    .await
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AttachBody {
    #[mv(wire = "os-attach")]
    pub attach: Attach,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Attach {
    #[mv(format = "uuid")]
    pub instance_uuid: Option<String>,
    #[mv(min_length = 1, max_length = 255)]
    pub mountpoint: String,
    #[mv(max_length = 255)]
    pub host_name: Option<String>,
    #[mv(one_of("rw", "ro"))]
    pub mode: Option<String>,
}

/// `os-attach`: notes that a server or host uses the volume.
pub async fn attach(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let AttachBody { attach: given } = call.admit()?;
    if given.instance_uuid.is_none() && given.host_name.is_none() {
        return Err(Fault::BadRequest(
            "Invalid input for field/attribute os-attach. Value: instance_uuid or host_name is required.".to_owned(),
        ));
    }
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let mode = given.mode.as_deref().unwrap_or("rw");
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        if row.status == Status::Maintenance {
            let why = "The volume cannot be attached in maintenance mode.";
            return Err(Fault::InvalidVolume(why.to_owned()));
        }
        let others = rows::attachments(&tx, &row.id).await?;
        let same = |one: &attachment::Model| match &given.instance_uuid {
            Some(server) => one.instance_id.as_ref() == Some(server),
            None => one.instance_id.is_none() && one.host == given.host_name,
        };
        let again = others.iter().any(same);
        if row.status == Status::InUse && !row.multiattach && !again {
            return Err(Fault::BadRequest(
                "Error attaching volume - InvalidVolume: Invalid volume: volume is already attached and multiple \
                 attachments are not enabled"
                    .to_owned(),
            ));
        }
        if row.readonly == Some(true) && mode != "ro" {
            return Err(attach::invalid_mode(mode, &row.id));
        }
        if !again {
            let fits = matches!(row.status, Status::Available | Status::Attaching | Status::InUse);
            if !fits {
                return Err(Fault::BadRequest(format!(
                    "Error attaching volume - InvalidVolume: Invalid volume: status must be available or attaching, but \
                     the status is {}",
                    row.status.word()
                )));
            }
            store::insert(&tx, noted(&row, &given, mode)).await?;
        }
        attach::usable(&row)?;
        row.status = Status::InUse;
        row.updated_at = Some(store::now());
        store::save(&tx, row).await?;
        tx.commit().await?;
        Ok(())
    })
    .await?;
    Ok(Answer::empty())
}

fn noted(row: &volume::Model, given: &Attach, mode: &str) -> attachment::Model {
    let now = store::now();
    attachment::Model {
        id: store::new_id(),
        volume_id: row.id.clone(),
        project_id: row.project_id.clone(),
        status: AttachStatus::Attached,
        instance_id: given.instance_uuid.clone(),
        host: given.host_name.clone(),
        mountpoint: Some(given.mountpoint.clone()),
        mode: Some(mode.to_owned()),
        connector: None,
        connection: None,
        attached_at: Some(now),
        created_at: now,
    }
}

#[derive(Debug, Deserialize, Versioned)]
pub struct DetachBody {
    #[mv(wire = "os-detach", nullable)]
    pub detach: Option<Detach>,
}

#[derive(Debug, Default, Deserialize, Versioned)]
#[serde(default)]
pub struct Detach {
    #[mv(nullable, format = "uuid")]
    pub attachment_id: Option<String>,
}

/// `os-detach`: notes that a server or host uses the volume no more.
pub async fn detach(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let DetachBody { detach: given } = call.admit()?;
    let wish = given.unwrap_or_default().attachment_id;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    end(&volumes, &call, &seen, wish.as_deref()).await?;
    Ok(Answer::empty())
}

/// Removes one attachment; the only one when none is named. Of a volume that has none, only what attaching left is
/// taken back: Cinder makes every such volume available, also one whose bytes were never written.
pub async fn end(
    volumes: &Volumes,
    call: &Call,
    seen: &volume::Model,
    wish: Option<&str>,
) -> Result<(), Fault> {
    let all = attachments(volumes, seen).await?;
    let one = attach::meant(&call.cx.caller, &all, wish)?;
    if seen.status == Status::Maintenance {
        let why = "The volume cannot be detached in maintenance mode.";
        return Err(Fault::InvalidVolume(why.to_owned()));
    }
    if wish.is_none() && all.len() > 1 {
        return Err(Fault::BadRequest(
            "Error detaching volume - InvalidVolume: Invalid volume: Detach volume failed: More than one attachment, \
             but no attachment_id provided."
                .to_owned(),
        ));
    }
    if let Some(one) = one {
        attach::end(volumes, &call.cx.caller, &seen.id, &one.id).await?;
        return Ok(());
    }
    sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let mut row = locked(&tx, &seen.id).await?;
        if matches!(
            row.status,
            Status::Detaching | Status::InUse | Status::Attaching
        ) {
            row.status = attachment::at_rest(&rows::attachments(&tx, &row.id).await?);
            store::save(&tx, row).await?;
        }
        tx.commit().await?;
        Ok::<_, Fault>(())
    })
    .await
}

#[derive(Debug, Deserialize, Versioned)]
pub struct InitializeBody {
    #[mv(wire = "os-initialize_connection")]
    pub initialize: Initialize,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Initialize {
    #[mv(opaque)]
    pub connector: Value,
}

/// `os-initialize_connection`.
pub async fn initialize(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let InitializeBody {
        initialize: Initialize { connector },
    } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    reachable(&seen)?;
    let mode = connector["mode"].as_str() == Some("ro") || seen.readonly == Some(true);
    let whom = Whom::Host(connector["host"].as_str().unwrap_or_default());
    let mut info = attach::export(&volumes, &seen, whom, &connector, mode).await?;
    // Meanwhile it may have been given away, or begun to get other bytes.
    let now = find(&volumes, &call.cx, &seen.id).await;
    if let Err(fault) = now.and_then(|now| reachable(&now)) {
        exports::end(volumes.core(), &seen.id, whom).await?;
        return Err(fault);
    }
    info["enforce_multipath"] = json!(connector["enforce_multipath"].as_bool().unwrap_or(false));
    Ok(Answer::of(&json!({"connection_info": info})))
}

/// Whether a host may reach a volume without an attachment. Cinder refuses `maintenance` alone: its hosts would keep
/// what goes to another project, moves or is deleted.
fn reachable(row: &volume::Model) -> Result<(), Fault> {
    let why = match row.status {
        Status::Maintenance => "in maintenance mode",
        Status::AwaitingTransfer => "while the volume awaits a transfer",
        Status::Deleting => "while the volume is deleted",
        _ if row.is_moving() => "while the volume moves",
        _ => return attach::usable(row),
    };
    Err(Fault::InvalidVolume(format!(
        "The volume connection cannot be initialized {why}."
    )))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct TerminateBody {
    #[mv(wire = "os-terminate_connection")]
    pub terminate: Terminate,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Terminate {
    #[mv(opaque, required_since = "3.0")]
    pub connector: Option<Value>,
}

/// `os-terminate_connection`.
pub async fn terminate(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let TerminateBody {
        terminate: Terminate { connector },
    } = call.admit()?;
    let seen = find(&volumes, &call.cx, call.path("id")).await?;
    let all = attachments(&volumes, &seen).await?;
    attach::meant(&call.cx.caller, &all, None)?;
    match connector.as_ref().and_then(|of| of["host"].as_str()) {
        Some(host) => exports::end(volumes.core(), &seen.id, Whom::Host(host)).await?,
        None => exports::end_hosts(volumes.core(), &seen.id).await?,
    }
    give_back(&volumes, &seen).await?;
    Ok(Answer::empty())
}
