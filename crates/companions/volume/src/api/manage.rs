//! What lies on back ends and is no volume or snapshot yet: listed and taken over.

pub mod snapshots;
pub mod unmanage;
pub mod volumes;

use std::cmp::Ordering;

use rest::Answer;
use serde_json::{Map, Value, json};
use workflow::{Filter, Status, Workflow};

use super::{Call, has};
use crate::backends::Backend;
use crate::db::services;
use crate::db::store::{self, Tx};
use crate::driver::file::adopt::part_of;
use crate::driver::{Adoption, Part, Stray};
use crate::fault::Fault;
use crate::listing;
use crate::policy::version;
use crate::service::Volumes;
use crate::tables::service::Binary;
use crate::tables::{snapshot, volume};
use crate::work::manage::{Manage, ManageSnapshot, gib};

/// From here on a cluster may be named instead of a host.
const CLUSTERS: microversion::Version = version(16);
/// The same where what may be taken over is listed.
const LISTED_CLUSTERS: microversion::Version = version(17);

/// Something that lies on a back end, as lists show it.
#[derive(Debug, Clone)]
pub struct Found {
    pub reference: String,
    pub size: i64,
    /// The volume or snapshot that it is already.
    pub id: Option<String>,
    /// The volume of which it is a snapshot.
    pub of: Option<String>,
}

/// A back end's ability.
fn adoption(at: &Backend) -> Result<&dyn Adoption, Fault> {
    let able = at.driver.adoption();
    able.ok_or_else(|| Fault::NotBuilt("The back end takes nothing over.".to_owned()))
}

/// The back end that a request names by its host, up and enabled, and is this process's own.
async fn back_end<'v>(
    volumes: &'v Volumes,
    call: &Call,
    (host, cluster): (Option<&str>, Option<&str>),
    clusters_since: microversion::Version,
) -> Result<&'v Backend, Fault> {
    let filled = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let clusters = has(call, clusters_since);
    let (host, cluster) = (filled(host), filled(cluster).filter(|_| clusters));
    let host = match (host, cluster) {
        (Some(host), None) => host,
        (None, Some(cluster)) => {
            return Err(Fault::NotFound(format!(
                "Service cluster {cluster} could not be found."
            )));
        }
        _ if clusters => {
            let why = "One and only one of cluster and host must be set.";
            return Err(Fault::InvalidInput(why.to_owned()));
        }
        _ => return Err(Fault::InvalidInput("Host field is missing.".to_owned())),
    };
    let named = host.split('#').next().unwrap_or_default();
    let db = volumes.db().read();
    let service = services::find(db, Binary::Volume, named).await?;
    let at = volumes.backends().named(named);
    let (service, at) = service.zip(at).ok_or_else(|| no_host(&host))?;
    let now = sql::now(db).await?;
    if service.disabled || !services::is_up(&service, now) {
        return Err(Fault::Unavailable(
            "Service is unavailable at this time.".to_owned(),
        ));
    }
    Ok(at)
}

fn no_host(host: &str) -> Fault {
    Fault::NotFound(format!(
        "Service cinder-volume could not be found on host {host}."
    ))
}

/// A page of what lies there, in the order asked for: by reference or size.
fn page(call: &Call, mut all: Vec<Found>) -> Result<Vec<Found>, Fault> {
    let query = call.pairs();
    let (keys, directions) = match query.last("sort") {
        Some(sort) => sort
            .split(',')
            .map(|part| part.split_once(':').unwrap_or((part, "desc")))
            .map(|(key, direction)| (key.trim().to_owned(), direction.trim().to_owned()))
            .unzip(),
        None => (
            vec![query.last("sort_key").unwrap_or("reference").to_owned()],
            vec![query.last("sort_dir").unwrap_or("desc").to_owned()],
        ),
    };
    let wrong = |all: &[String], known: [&str; 2]| -> Vec<String> {
        let wrong = all.iter().filter(|one| !known.contains(&one.as_str()));
        wrong.cloned().collect()
    };
    for (what, wrong) in [
        ("keys", wrong(&keys, ["reference", "size"])),
        ("dirs", wrong(&directions, ["asc", "desc"])),
    ] {
        if !wrong.is_empty() {
            return Err(Fault::BadRequest(format!(
                "Invalid sort {what} passed: {}",
                wrong.join(", ")
            )));
        }
    }
    all.sort_by(|a, b| {
        let by = keys.iter().zip(&directions).map(|(key, direction)| {
            let order = match key.as_str() {
                "size" => a.size.cmp(&b.size),
                _ => a.reference.cmp(&b.reference),
            };
            if direction == "desc" {
                order.reverse()
            } else {
                order
            }
        });
        by.fold(Ordering::Equal, Ordering::then)
    });
    let begin = match query.last("marker") {
        None => 0,
        Some(marker) => {
            let named = listing::dictionary(marker).and_then(|all| all.into_iter().next());
            let named = named.map(|(_, name)| name);
            let at = all
                .iter()
                .position(|one| Some(&one.reference) == named.as_ref());
            at.ok_or_else(|| Fault::InvalidInput(format!("marker not found: {marker}")))? + 1
        }
    };
    let offset = listing::offset(&query)?;
    let most = listing::limit(&query, u64::MAX)?;
    let count = |many: u64| usize::try_from(many).unwrap_or(usize::MAX);
    let left = all.into_iter().skip(begin).skip(count(offset));
    Ok(left.take(count(most)).collect())
}

/// What the database has already is not to be taken over.
fn show(one: &Found, what: &str, detail: bool) -> Value {
    let mut shown = json!({
        "reference": {"source-name": one.reference},
        "size": one.size,
        "safe_to_manage": one.id.is_none(),
    });
    if what == "snapshots" {
        shown["source_reference"] = match &one.of {
            Some(of) => json!({"source-name": of}),
            None => Value::Null,
        };
    }
    if detail {
        shown["reason_not_safe"] = json!(one.id.as_ref().map(|_| "already managed"));
        shown["cinder_id"] = json!(one.id);
        shown["extra_info"] = Value::Null;
    }
    shown
}

fn listed(call: &Call, what: &str, found: Vec<Found>, detail: bool) -> Result<Answer, Fault> {
    let page = page(call, found)?;
    let all: Vec<Value> = page.iter().map(|one| show(one, what, detail)).collect();
    let mut body = Map::new();
    body.insert(format!("manageable-{what}"), Value::Array(all));
    Ok(Answer::of(&Value::Object(body)))
}

fn found(stray: Stray) -> Found {
    Found {
        size: gib(stray.bytes),
        of: stray.of.map(|id| id.to_string()),
        reference: stray.name,
        id: None,
    }
}

/// Refuses what another request is taking over from the same back end. Of two that ask at the same moment the back end
/// refuses one.
async fn refuse_taken(volumes: &Volumes, tx: &Tx, at: &Backend, name: &str) -> Result<(), Fault> {
    for kind in [Manage::KIND, ManageSnapshot::KIND] {
        let running = Filter {
            kind: Some(kind.to_owned()),
            status: Some(Status::Running),
            ..Filter::default()
        };
        for one in workflow::list(tx, &running).await? {
            if one.state["name"] != name {
                continue;
            }
            let of = one.state["volume_id"].as_str().unwrap_or_default();
            let row = store::find::<volume::Entity>(tx, of).await?;
            let host = row.and_then(|row| row.host);
            let there = volumes.backends().of(host.as_deref());
            if there.is_ok_and(|there| there.host == at.host) {
                return Err(Fault::InvalidInput(format!(
                    "'{name}' is being taken over by another request."
                )));
            }
        }
    }
    Ok(())
}

/// Refuses a name that only a volume or snapshot has that is let go: until its row is gone, that may not be done.
async fn refuse_managed(volumes: &Volumes, name: &str) -> Result<(), Fault> {
    let db = volumes.db().read();
    match part_of(name) {
        Some(Part::Volume(id)) => match store::find::<volume::Entity>(db, &id.to_string()).await? {
            None => Ok(()),
            Some(_) => Err(Fault::InvalidVolume(
                "Unable to manage existing volume. The volume is already managed".to_owned(),
            )),
        },
        Some(Part::Snapshot(of)) => {
            match store::find::<snapshot::Entity>(db, &of.id.to_string()).await? {
                None => Ok(()),
                Some(_) => Err(Fault::InvalidSnapshot(
                    "Unable to manage existing snapshot. The snapshot is already managed"
                        .to_owned(),
                )),
            }
        }
        None => Ok(()),
    }
}

/// The name in a reference: `{"source-name": NAME}`, or the name alone where that is taken.
fn name_in(reference: &Value) -> Option<&str> {
    reference["source-name"].as_str().or(reference.as_str())
}

fn no_reference() -> Fault {
    Fault::BadRequest("'ref' is a required property".to_owned())
}
