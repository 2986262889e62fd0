//! A group is made of another, or of a snapshot of one: each of its volumes is made of one there.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use workflow::{Kind, WorkflowId};

use super::{find_by, locked_volumes, view};
use crate::api::words::trimmed;
use crate::api::{Call, Cx, group_snapshots, types};
use crate::db::store::{self, Tx};
use crate::db::{groups as rows, properties};
use crate::fault::Fault;
use crate::policy;
use crate::quota::{self, More};
use crate::service::Volumes;
use crate::tables::group::{GroupStatus, Model};
use crate::tables::{Owner, SnapshotStatus, Status, Word, group_snapshot, volume};
use crate::work::create::{self, Origin};
use crate::work::group::{Follow, Following, What};

#[derive(Debug, Deserialize, Versioned)]
pub struct FromSource {
    #[mv(wire = "create-from-src")]
    pub source: Source,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Source {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    #[mv(format = "uuid")]
    pub group_snapshot_id: Option<String>,
    #[mv(format = "uuid")]
    pub source_group_id: Option<String>,
}

/// `create-from-src`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let FromSource { source } = call.admit()?;
    let cx = call.cx.clone();
    volumes.allow(&cx, &policy::own(&cx.caller))?;
    let of = match (&source.group_snapshot_id, &source.source_group_id) {
        (Some(id), None) => {
            let snapshot = group_snapshots::find_by(&volumes, &cx, id).await?;
            find_by(&volumes, &cx, &snapshot.group_id).await?
        }
        (None, Some(id)) => find_by(&volumes, &cx, id).await?,
        _ => {
            return Err(Fault::BadRequest(
                "One of group_snapshot_id and source_group_id must be given.".to_owned(),
            ));
        }
    };
    if of.host.is_none() {
        return Err(Fault::InvalidGroup(format!(
            "No valid host to create group {}.",
            of.id
        )));
    }
    let row = Model {
        id: store::new_id(),
        project_id: cx.project()?.to_owned(),
        user_id: cx.caller.user_id.clone(),
        name: trimmed(source.name),
        description: trimmed(source.description),
        group_type_id: of.group_type_id.clone(),
        status: GroupStatus::Creating,
        availability_zone: of.availability_zone.clone(),
        host: of.host.clone(),
        group_snapshot_id: source.group_snapshot_id,
        source_group_id: source.source_group_id,
        created_at: store::now(),
        updated_at: None,
    };
    let nudges = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        let nudges = accept(&volumes, &cx, &tx, (&of, &row)).await?;
        tx.commit().await?;
        Ok::<_, Fault>(nudges)
    })
    .await?;
    nudges.into_iter().for_each(|id| volumes.nudge(id));
    call.render_under("group", &view::brief(&row))
}

async fn accept(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    (of, row): (&Model, &Model),
) -> Result<Vec<WorkflowId>, Fault> {
    let more = More {
        groups: 1,
        ..More::default()
    };
    quota::admit(volumes.settings(), tx, &row.project_id, None, more).await?;
    let wishes = match &row.group_snapshot_id {
        Some(id) => of_snapshots(tx, id).await?,
        None => of_volumes(tx, of).await?,
    };
    let members = rows::types(tx, &of.id).await?;
    rows::insert(tx, row.clone(), &members).await?;
    let mut nudges = Vec::new();
    for wish in &wishes {
        nudges.push(begin(volumes, cx, tx, (row, wish)).await?);
    }
    let state = Following {
        asked: cx.asked(),
        what: What::Made,
        id: row.id.clone(),
    };
    nudges.push(workflow::insert(tx, Kind::of::<Follow>(), &row.id, &state).await?);
    Ok(nudges)
}

/// A volume that a new group will have.
struct Wish {
    size: i64,
    type_id: String,
    bootable: bool,
    multiattach: bool,
    host: Option<String>,
    zone: Option<String>,
    snapshot_id: Option<String>,
    source_volid: Option<String>,
    origin: Origin,
    /// What it will know of its image.
    image: properties::Properties,
}

async fn of_volumes(tx: &Tx, group: &Model) -> Result<Vec<Wish>, Fault> {
    let mut wishes = Vec::new();
    for row in locked_volumes(tx, group).await? {
        if !matches!(row.status, Status::Available | Status::InUse) {
            return Err(Fault::InvalidVolume(format!(
                "Originating source volume status must be one of 'available, in-use' values, not {}",
                row.status.word()
            )));
        }
        wishes.push(Wish {
            size: row.size,
            bootable: row.bootable,
            multiattach: row.multiattach,
            snapshot_id: None,
            source_volid: Some(row.id.clone()),
            image: properties::of(tx, Owner::Image, &row.id).await?,
            origin: Origin::Volume { volume_id: row.id },
            type_id: row.type_id,
            host: row.host,
            zone: row.availability_zone,
        });
    }
    match wishes.is_empty() {
        false => Ok(wishes),
        true => Err(Fault::InvalidGroup(
            "Source Group is empty. No group will be created.".to_owned(),
        )),
    }
}

async fn of_snapshots(tx: &Tx, id: &str) -> Result<Vec<Wish>, Fault> {
    let source = store::find::<group_snapshot::Entity>(tx, id).await?;
    let source = source.ok_or_else(|| group_snapshots::missing(id))?;
    let mut wishes = Vec::new();
    for row in group_snapshots::locked_parts(tx, &source).await? {
        if row.status != SnapshotStatus::Available {
            return Err(Fault::InvalidSnapshot(
                "Originating snapshot status must be one of 'available' values".to_owned(),
            ));
        }
        let of = store::find::<volume::Entity>(tx, &row.volume_id).await?;
        let of = of.ok_or_else(|| Fault::no_volume(&row.volume_id))?;
        wishes.push(Wish {
            size: row.size,
            bootable: of.bootable,
            multiattach: of.multiattach,
            snapshot_id: Some(row.id.clone()),
            source_volid: None,
            image: properties::of(tx, Owner::SnapshotImage, &row.id).await?,
            origin: Origin::Snapshot {
                volume_id: row.volume_id,
                snapshot_id: row.id,
            },
            type_id: row.type_id,
            host: of.host,
            zone: of.availability_zone,
        });
    }
    match wishes.is_empty() {
        false => Ok(wishes),
        true => Err(Fault::InvalidGroup(
            "Group snapshot is empty. No group will be created.".to_owned(),
        )),
    }
}

async fn begin(
    volumes: &Volumes,
    cx: &Cx,
    tx: &Tx,
    (group, wish): (&Model, &Wish),
) -> Result<WorkflowId, Fault> {
    let kind = types::hold(tx, &wish.type_id).await?;
    let more = More {
        volumes: 1,
        gigabytes: wish.size,
        ..More::default()
    };
    let names = (kind.row.id.as_str(), kind.row.name.as_str());
    quota::admit(volumes.settings(), tx, &group.project_id, Some(names), more).await?;
    let row = volume::Model {
        id: store::new_id(),
        project_id: group.project_id.clone(),
        user_id: group.user_id.clone(),
        name: None,
        description: None,
        status: Status::Creating,
        previous: None,
        size: wish.size,
        type_id: wish.type_id.clone(),
        availability_zone: wish.zone.clone(),
        host: wish.host.clone(),
        migration_status: None,
        target_of: None,
        bootable: wish.bootable,
        multiattach: wish.multiattach,
        readonly: None,
        snapshot_id: wish.snapshot_id.clone(),
        source_volid: wish.source_volid.clone(),
        group_id: Some(group.id.clone()),
        consumes_quota: true,
        created_at: store::now(),
        updated_at: None,
    };
    store::insert(tx, row.clone()).await?;
    properties::merge(tx, Owner::Image, &row.id, &wish.image).await?;
    let state = create::State {
        asked: cx.asked(),
        volume_id: row.id.clone(),
        zones: wish.zone.iter().cloned().collect(),
        origin: wish.origin.clone(),
    };
    Ok(workflow::insert(tx, Kind::of::<create::Create>(), &row.id, &state).await?)
}
