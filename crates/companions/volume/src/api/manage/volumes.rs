//! What may become a volume.

use microversion::Versioned;
use rest::Answer;
use serde::Deserialize;
use serde_json::Value;
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use workflow::Kind;

use super::{
    CLUSTERS, Found, LISTED_CLUSTERS, adoption, back_end, found, listed, name_in, no_reference,
    refuse_managed, refuse_taken,
};
use crate::api::words::{Flag, Metadata, trimmed};
use crate::api::{Call, types, volumes as api};
use crate::db::{properties, store, volumes as rows};
use crate::driver::Part;
use crate::driver::file::adopt::name_of;
use crate::fault::Fault;
use crate::policy::{self, version};
use crate::service::Volumes;
use crate::tables::{Owner, Status, volume};
use crate::work::manage::{Manage, State};

/// `GET /os-volume-manage`, `GET /manageable_volumes`.
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
    let strays = strays.into_iter().filter(|stray| stray.of.is_none());
    let managed = volume::Entity::find()
        .filter(volume::Column::Host.eq(at.pool_name()))
        .all(volumes.db().read())
        .await?;
    let managed = managed.into_iter().map(|row| Found {
        reference: managed_name(&row.id),
        size: row.size,
        id: Some(row.id),
        of: None,
    });
    listed(
        call,
        "volumes",
        strays.map(found).chain(managed).collect(),
        detail,
    )
}

/// What a volume is called where it would lie if it were let go.
fn managed_name(id: &str) -> String {
    id.parse()
        .map_or_else(|_| id.to_owned(), |id| name_of(Part::Volume(id)))
}

#[derive(Debug, Deserialize, Versioned)]
pub struct ManageBody {
    pub volume: Wish,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Wish {
    #[mv(nullable, max_length = 255)]
    pub name: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub description: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub availability_zone: Option<String>,
    pub bootable: Option<Flag>,
    #[mv(nullable, max_length = 255)]
    pub volume_type: Option<String>,
    #[mv(nullable, max_length = 255)]
    pub host: Option<String>,
    #[mv(since = "3.16", nullable, max_length = 255)]
    pub cluster: Option<String>,
    #[mv(wire = "ref", opaque)]
    pub reference: Option<Value>,
    #[mv(nullable)]
    pub metadata: Option<Metadata>,
}

/// `POST /os-volume-manage`, `POST /manageable_volumes`.
pub async fn create(volumes: Volumes, mut call: Call) -> Result<Answer, Fault> {
    let ManageBody { volume: wish } = call.admit()?;
    let cx = call.cx.clone();
    volumes.allow(&cx, &policy::own(&cx.caller))?;
    let at = (wish.host.as_deref(), wish.cluster.as_deref());
    let at = back_end(&volumes, &call, at, CLUSTERS)
        .await
        .map_err(|fault| match fault {
            Fault::NotFound(_) => Fault::Unavailable(format!(
                "Host '{}' not found",
                wish.host
                    .as_deref()
                    .or(wish.cluster.as_deref())
                    .unwrap_or_default()
            )),
            other => other,
        })?;
    adoption(at)?;
    let reference = wish.reference.ok_or_else(no_reference)?;
    let name = name_in(&reference).unwrap_or_default().to_owned();
    refuse_managed(&volumes, &name).await?;
    let kind = match wish.volume_type.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => types::find_any(&volumes, &cx, name).await?,
        None => types::default_of(&volumes, cx.project()?).await?,
    };
    let zone = wish.availability_zone.filter(|zone| !zone.is_empty());
    let row = volume::Model {
        id: store::new_id(),
        project_id: cx.project()?.to_owned(),
        user_id: cx.caller.user_id.clone(),
        name: trimmed(wish.name),
        description: trimmed(wish.description),
        status: Status::Managing,
        previous: None,
        size: 0,
        type_id: kind.row.id.clone(),
        availability_zone: zone.or_else(|| Some(volumes.settings().zone.clone())),
        host: Some(at.pool_name()),
        migration_status: None,
        target_of: None,
        bootable: wish.bootable.is_some_and(|flag| flag.0),
        multiattach: types::is_multiattach(&kind.specs),
        readonly: None,
        snapshot_id: None,
        source_volid: None,
        group_id: None,
        // It counts as soon as its size is known.
        consumes_quota: false,
        created_at: store::now(),
        updated_at: None,
    };
    let metadata = wish.metadata.unwrap_or_default().0;
    let state = State {
        asked: cx.asked(),
        volume_id: row.id.clone(),
        name,
    };
    let (made, nudge) = sql::retry(|| async {
        let tx = volumes.db().begin().await?;
        refuse_taken(&volumes, &tx, at, &state.name).await?;
        let kind = types::hold(&tx, &row.type_id).await?;
        let row = volume::Model {
            multiattach: types::is_multiattach(&kind.specs),
            ..row.clone()
        };
        store::insert(&tx, row.clone()).await?;
        properties::merge(&tx, Owner::Volume, &row.id, &metadata).await?;
        let nudge = workflow::insert(&tx, Kind::of::<Manage>(), &row.id, &state).await?;
        let made = rows::one(&tx, row).await?;
        tx.commit().await?;
        Ok::<_, Fault>((made, nudge))
    })
    .await?;
    volumes.nudge(nudge);
    // This answer has the fields of the first version, whichever is spoken.
    call.version = version(0);
    api::shown(&volumes, &call, &made)
}
