//! What may become a snapshot.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::Value;
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};
use workflow::Kind;

use super::{
    Found, LISTED_CLUSTERS, adoption, back_end, found, listed, name_in, no_reference,
    refuse_managed, refuse_taken,
};
use crate::api::words::{Metadata, trimmed};
use crate::api::{Call, find_by, snapshots as api};
use crate::driver::file::adopt::name_of;
use crate::driver::{Part, Snapshot};
use crate::fault::Fault;
use crate::policy;
use crate::service::Volumes;
use crate::tables::{snapshot, volume};
use crate::work::manage::{ManageSnapshot, SnapshotState};

/// `GET /os-snapshot-manage`, `GET /manageable_snapshots`.
pub async fn list(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    all(&volumes, &call, false).await
}

/// The same with details.
pub async fn list_detail(volumes: Volumes, call: Call) -> Result<Answer, Fault> {
    all(&volumes, &call, true).await
}

async fn all(volumes: &Volumes, call: &Call, detail: bool) -> Result<Answer, Fault> {
    volumes.allow(&call.cx, &policy::own(&call.cx.caller))?;
    let query = call.pairs();
    let at = (query.last("host"), query.last("cluster"));
    let at = back_end(volumes, call, at, LISTED_CLUSTERS).await?;
    let strays = adoption(at)?.strays().await?;
    let strays = strays.into_iter().filter(|stray| stray.of.is_some());
    let there = volume::Entity::find()
        .select_only()
        .column(volume::Column::Id)
        .filter(volume::Column::Host.eq(at.pool_name()))
        .into_query();
    let managed = snapshot::Entity::find()
        .filter(snapshot::Column::VolumeId.in_subquery(there))
        .all(volumes.db().read())
        .await?;
    let managed = managed.into_iter().map(|row| Found {
        reference: managed_name(&row),
        size: row.size,
        id: Some(row.id),
        of: Some(row.volume_id),
    });
    listed(
        call,
        "snapshots",
        strays.map(found).chain(managed).collect(),
        detail,
    )
}

/// What a snapshot is called where it would lie if it were let go.
fn managed_name(row: &snapshot::Model) -> String {
    let ids = row.volume_id.parse().ok().zip(row.id.parse().ok());
    let part = ids.map(|(volume, id)| Part::Snapshot(Snapshot { volume, id }));
    part.map_or_else(|| row.id.clone(), name_of)
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ManageBody {
    pub snapshot: Wish,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Wish {
    #[mv(format = "uuid")]
    pub volume_id: String,
    #[mv(wire = "ref", opaque)]
    pub reference: Option<Value>,
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    #[mv(nullable)]
    pub metadata: Option<Metadata>,
}

/// `POST /os-snapshot-manage`, `POST /manageable_snapshots`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ManageBody { snapshot: wish } = call.admit()?;
    let cx = call.cx.clone();
    let seen = find_by(&volumes, &cx, &wish.volume_id).await?;
    volumes.allow(&cx, &policy::target(&seen.project_id, &seen.user_id))?;
    let at = back_end(
        &volumes,
        &call,
        (seen.host.as_deref(), None),
        LISTED_CLUSTERS,
    )
    .await?;
    adoption(at)?;
    let reference = wish.reference.ok_or_else(no_reference)?;
    let name = name_in(&reference).unwrap_or_default().to_owned();
    refuse_managed(&volumes, &name).await?;
    let new = api::Wish {
        name: trimmed(wish.name),
        description: trimmed(wish.description),
        metadata: wish.metadata.unwrap_or_default().0,
        in_use: true,
    };
    let (row, nudge) = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        refuse_taken(&volumes, &tx, at, &name).await?;
        let row = api::insert(&volumes, &cx, &tx, &seen.id, &new).await?;
        let state = SnapshotState {
            asked: cx.asked(),
            snapshot_id: row.id.clone(),
            volume_id: row.volume_id.clone(),
            name: name.clone(),
        };
        let kind = Kind::of::<ManageSnapshot>();
        let nudge = workflow::insert(&tx, kind, &row.id, &state).await?;
        tx.commit().await?;
        Ok::<_, Fault>((row, nudge))
    })
    .await?;
    volumes.nudge(nudge);
    api::shown(&volumes, &call, row).await
}
