//! Aggregates of hosts.

use std::collections::BTreeMap;
use std::sync::Arc;

use compute_control::{aggregates, image_cache};
use compute_model::aggregate::Aggregate;
use microversion::{Patch, Versioned};
use serde::{Deserialize, Serialize};

use crate::Api;
use crate::call::{Answer, Call};
use crate::fault::Fault;
use crate::words::{Fqdn, Id, Name, NoQuery};

/// `GET /os-aggregates`.
pub async fn list(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let found = aggregates::list(&api.control, &call.cx).await?;
    let views: Vec<_> = found.iter().map(view).collect();
    call.render_under("aggregates", &views)
}

/// `POST /os-aggregates`. Hosts and metadata are left out of the answer, as ever.
pub async fn create(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CreateAggregate { aggregate: new } = call.admit()?;
    let zone = new.availability_zone.map(|ZoneName(zone)| zone);
    let cx = call.cx.clone();
    let made = aggregates::create(&api.control, &cx, &new.name.0, zone.as_deref()).await?;
    let view = AggregateView {
        hosts: None,
        metadata: None,
        ..view(&made)
    };
    call.render_under("aggregate", &view)
}

/// `GET /os-aggregates/{id}`.
pub async fn show(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    let NoQuery {} = call.admit_query()?;
    let found = aggregates::show(&api.control, &call.cx, call.path("id")).await?;
    call.render_under("aggregate", &view(&found))
}

/// `POST /os-aggregates/{id}/images`.
pub async fn cache_images(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let CacheImages { cache } = call.admit()?;
    let images: Vec<String> = cache.into_iter().map(|one| one.id.0).collect();
    image_cache::fill(&api.control, &call.cx, call.path("id"), &images).await?;
    Ok(Answer::empty())
}

/// `PUT /os-aggregates/{id}`.
pub async fn update(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let UpdateAggregate { aggregate: update } = call.admit()?;
    let name = update.name.map(|SpacedName(name)| name);
    let zone = update.availability_zone.into_option();
    let zone = zone.map(|zone| zone.map(|ZoneName(zone)| zone));
    if name.is_none() && zone.is_none() {
        return Err(Fault::bad_request(
            "Invalid input for field/attribute aggregate. Value: {}. {} is not valid under any of the given schemas",
        ));
    }
    let (cx, id) = (call.cx.clone(), call.path("id"));
    let zone = zone.as_ref().map(Option::as_deref);
    let changed = aggregates::update(&api.control, &cx, id, name.as_deref(), zone).await?;
    call.render_under("aggregate", &view(&changed))
}

/// `DELETE /os-aggregates/{id}`.
pub async fn delete(api: Arc<Api>, call: Call) -> Result<Answer, Fault> {
    aggregates::delete(&api.control, &call.cx, call.path("id")).await?;
    Ok(Answer::empty())
}

/// `add_host`.
pub async fn add_host(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let AddHost { member } = call.admit()?;
    let (cx, id) = (call.cx.clone(), call.path("id"));
    let changed = aggregates::add_host(&api.control, &cx, id, &member.host.0).await?;
    call.render_under("aggregate", &view(&changed))
}

/// `remove_host`.
pub async fn remove_host(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let RemoveHost { member } = call.admit()?;
    let (cx, id) = (call.cx.clone(), call.path("id"));
    let changed = aggregates::remove_host(&api.control, &cx, id, &member.host.0).await?;
    call.render_under("aggregate", &view(&changed))
}

/// `set_metadata`.
pub async fn set_metadata(api: Arc<Api>, mut call: Call) -> Result<Answer, Fault> {
    let SetAggregateMetadata { set } = call.admit()?;
    let (cx, id) = (call.cx.clone(), call.path("id"));
    let metadata = set.metadata.into_map();
    let changed = aggregates::set_metadata(&api.control, &cx, id, &metadata).await?;
    call.render_under("aggregate", &view(&changed))
}

fn view(aggregate: &Aggregate) -> AggregateView<'_> {
    AggregateView {
        id: aggregate.seq,
        uuid: &aggregate.id,
        name: &aggregate.name,
        availability_zone: aggregate.zone(),
        hosts: Some(&aggregate.hosts),
        metadata: Some(&aggregate.metadata),
        created_at: web::time::naive_micros(aggregate.created_at),
        updated_at: aggregate.updated_at.map(web::time::naive_micros),
        deleted: false,
        deleted_at: None,
    }
}

/// A group of hosts.
#[derive(Serialize, Versioned)]
pub struct AggregateView<'v> {
    pub id: i64,
    #[mv(since = "2.41")]
    pub uuid: &'v str,
    pub name: &'v str,
    pub availability_zone: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<&'v Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'v BTreeMap<String, String>>,
    pub created_at: String,
    pub updated_at: Option<String>,
    /// Always false: a deleted aggregate cannot be shown.
    pub deleted: bool,
    pub deleted_at: Option<String>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CreateAggregate {
    pub aggregate: NewAggregate,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewAggregate {
    pub name: Name,
    #[mv(nullable)]
    pub availability_zone: Option<ZoneName>,
}

/// The name of a zone: a colon parts zones from hosts.
#[derive(Debug, Deserialize, Versioned)]
#[mv(format = "az_name", min_length = 1, max_length = 255)]
pub struct ZoneName(pub String);

/// A new name of something that has one: spaces around it are dropped.
#[derive(Debug, Deserialize, Versioned)]
#[mv(format = "spaced_name", min_length = 1, max_length = 255)]
pub struct SpacedName(pub String);

#[derive(Debug, Deserialize, Versioned)]
pub struct UpdateAggregate {
    pub aggregate: AggregateUpdate,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AggregateUpdate {
    pub name: Option<SpacedName>,
    /// `null` is known, and refused behind: as in Nova, a zone has a name.
    #[mv(nullable)]
    #[serde(default)]
    pub availability_zone: Patch<ZoneName>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct AddHost {
    #[mv(wire = "add_host")]
    pub member: Member,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct RemoveHost {
    #[mv(wire = "remove_host")]
    pub member: Member,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct Member {
    pub host: Fqdn,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct SetAggregateMetadata {
    #[mv(wire = "set_metadata")]
    pub set: NewMetadata,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct NewMetadata {
    pub metadata: Pairs,
}

/// Keys and values; a key with `null` is taken away.
#[derive(Debug, Deserialize, Versioned)]
#[mv(key_pattern = "^[a-zA-Z0-9-_:. ]{1,255}$")]
pub struct Pairs(pub BTreeMap<String, Pair>);

impl Pairs {
    fn into_map(self) -> BTreeMap<String, Option<String>> {
        let pairs = self.0.into_iter();
        pairs.map(|(key, Pair(value))| (key, value)).collect()
    }
}

#[derive(Debug, Deserialize, Versioned)]
#[mv(nullable, max_length = 255)]
pub struct Pair(pub Option<String>);

#[derive(Debug, Deserialize, Versioned)]
pub struct CacheImages {
    #[mv(min_items = 1)]
    pub cache: Vec<CachedImage>,
}

#[derive(Debug, Deserialize, Versioned)]
pub struct CachedImage {
    pub id: Id,
}
