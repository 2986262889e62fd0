//! `os-migrate_volume`: to another back end.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::json;
use workflow::{Kind, Workflow, WorkflowId};

use crate::api::words::Flag;
use crate::api::{Call, find, find_by, has};
use crate::attach;
use crate::db::services;
use crate::db::store::{self, Tx};
use crate::db::volumes as rows;
use crate::fault::Fault;
use crate::policy::{self, version};
use crate::service::Volumes;
use crate::tables::service::Binary;
use crate::tables::{AttachStatus, MigrationStatus, Status, volume};
use crate::work::delete;
use crate::work::migrate::attached::{self, MigrateAttached};
use crate::work::migrate::{Held, Migrate, State, Why};

#[derive(Debug, Deserialize, Versioned)]
pub struct MigrateBody {
    #[mv(wire = "os-migrate_volume")]
    pub migrate: Wish,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Wish {
    #[mv(nullable, max_length = 255)]
    pub host: Option<String>,
    #[mv(since = "3.16", nullable, max_length = 255)]
    pub cluster: Option<String>,
    pub force_host_copy: Option<Flag>,
    pub lock_volume: Option<Flag>,
}

/// `os-migrate_volume`: to another back end of this host, also of a volume that a server has. Whether that fits is
/// found out by the work, as with Cinder: the migration status tells.
pub async fn migrate(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let MigrateBody { migrate: wish } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find(&volumes, &cx, call.path("id")).await?;
    let clusters = has(&call, version(16));
    let unknown = |name: &str| {
        Fault::BadRequest(format!("Invalid host: No available service named '{name}'"))
    };
    let named = match (wish.host, wish.cluster) {
        (Some(name), None) if !name.is_empty() => name,
        // There are no clusters.
        (None, Some(name)) if !name.is_empty() => return Err(unknown(&name)),
        _ if clusters => {
            let why = "One and only one of cluster and host must be set.";
            return Err(Fault::InvalidInput(why.to_owned()));
        }
        _ => return Err(Fault::InvalidInput("Host field is missing.".to_owned())),
    };
    let db = volumes.db().read();
    let back_end = named.split('#').next().unwrap_or_default();
    let service = services::find(db, Binary::Volume, back_end).await?;
    let now = sql::now(db).await?;
    if !service.is_some_and(|one| !one.disabled && services::is_up(&one, now)) {
        return Err(unknown(&named));
    }
    let here = volumes.backends().of(seen.host.as_deref())?;
    if here.host == back_end || seen.host.as_deref().unwrap_or_default() == named {
        return Err(unfit(&seen.id));
    }
    let to = volumes.backends().named(back_end).ok_or_else(|| {
        Fault::NotBuilt(format!(
            "A migration to a back end of another host is not built: '{named}' is none of '{}'.",
            volumes.settings().host
        ))
    })?;
    if named.contains('#') && named != to.pool_name() {
        return Err(unknown(&named));
    }
    // Every copy is made by this host: there is no other way that `force_host_copy` would turn off.
    let _ = wish.force_host_copy;
    let locked = wish.lock_volume.is_some_and(|flag| flag.0);
    let nudge = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let row = store::locked::<volume::Entity>(&tx, &seen.id).await?;
        let row = row.ok_or_else(|| Fault::no_volume(&seen.id))?;
        let held = movable(&tx, &row).await?;
        if row.host != seen.host {
            return Err(unfit(&row.id));
        }
        let state = State {
            asked: cx.asked(),
            volume_id: row.id.clone(),
            from: row.host.clone().unwrap_or_default(),
            to: to.pool_name(),
            why: Why::Moved { locked },
            held,
        };
        let nudge = begin(&tx, row, &state).await?;
        tx.commit().await?;
        Ok(nudge)
    })
    .await?;
    volumes.nudge(nudge);
    Ok(Answer::empty())
}

fn unfit(id: &str) -> Fault {
    Fault::InvalidVolume(format!(
        "Volume {id} status must be available or in-use, must not be migrating, have snapshots, be replicated, be part of \
         a group and destination host/cluster must be different than the current one"
    ))
}

/// Whether a volume may begin to move; who has it, if a server does.
///
/// # Errors
/// 400; 501 for one that a host attached, or several servers.
pub async fn movable(tx: &Tx, row: &volume::Model) -> Result<Option<Held>, Fault> {
    let others = workflow::find(tx, &row.id).await.map_err(Fault::Journal)?;
    let attached = rows::attachments(tx, &row.id).await?;
    let moves =
        |one: &workflow::Record| one.kind == Migrate::KIND || one.kind == MigrateAttached::KIND;
    let fits = !row.is_moving()
        && row.group_id.is_none()
        && row.host.is_some()
        && !others.iter().any(moves)
        && delete::snapshots(tx, &row.id).await?.is_empty();
    match (row.status, attached.as_slice()) {
        (Status::Available, []) if fits => Ok(None),
        (Status::InUse, [one]) if fits && one.status == AttachStatus::Attached => {
            let server_id = one.instance_id.clone().ok_or_else(|| {
                Fault::NotBuilt(format!(
                    "Moving a volume that a host attached is not built: detach volume {} first.",
                    row.id
                ))
            })?;
            Ok(Some(Held {
                server_id,
                twin: store::new_id(),
            }))
        }
        (Status::InUse, [_, _, ..]) if fits => Err(Fault::NotBuilt(format!(
            "Moving a volume that several servers have is not built: detach volume {} from all but one first.",
            row.id
        ))),
        _ => Err(unfit(&row.id)),
    }
}

/// The row is the work's from here on, and the work is in the journal.
///
/// # Errors
/// The database does not answer.
pub async fn begin(tx: &Tx, mut row: volume::Model, state: &State) -> Result<WorkflowId, Fault> {
    row.previous = Some(row.status);
    row.status = state.status();
    row.migration_status = Some(MigrationStatus::Starting);
    row.updated_at = Some(store::now());
    store::save(tx, row).await?;
    let kind = match state.held {
        None => Kind::of::<Migrate>(),
        Some(_) => Kind::of::<MigrateAttached>(),
    };
    Ok(workflow::insert(tx, kind, &state.volume_id, state).await?)
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CompleteBody {
    #[mv(wire = "os-migrate_volume_completion")]
    pub complete: Complete,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Complete {
    #[mv(format = "uuid")]
    pub new_volume: String,
    #[mv(nullable)]
    pub error: Option<Flag>,
}

/// `os-migrate_volume_completion`: compute says how the replacing of a volume of a server ended. The volume keeps its
/// id. A volume that no server has moves without another one, and needs nobody to say when it is done.
pub async fn complete(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let CompleteBody { complete: given } = call.admit()?;
    let (cx, id) = (call.cx.clone(), call.path("id"));
    let service = policy::is_service(&cx.caller);
    let seen = match service {
        true => find_by(&volumes, &cx, id).await?,
        false => find(&volumes, &cx, id).await?,
    };
    let new = find_by(&volumes, &cx, &given.new_volume).await?;
    // The rule is for administrators, as Cinder has it. Compute is none here: it may end what it was asked for.
    if service && new.target_of.as_ref() != Some(&seen.id) {
        volumes.allow(&cx, &policy::target(&seen.project_id, &seen.user_id))?;
    }
    attach::decided(volumes.db().read(), &cx.caller, &new).await?;
    let failed = given.error.is_some_and(|flag| flag.0);
    let nudges = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let nudges = attached::ended(&tx, &seen.id, &new.id, failed).await?;
        tx.commit().await?;
        Ok::<_, Fault>(nudges)
    })
    .await?;
    for id in nudges {
        volumes.nudge(id);
    }
    Ok(Answer::of(&json!({"save_volume_id": seen.id})))
}
