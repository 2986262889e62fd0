//! All hosts in memory, as fresh as the database.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use compute_db::servers::{self, ImageProperties};
use compute_db::{Database, DbError, aggregates, hosts};
use compute_model::aggregate::Aggregate;
use compute_model::host::Node;
use tokio::sync::Mutex;

use crate::settings::Settings;

/// How long what is known of liveness is believed. Far below any sensible down time.
const LIVENESS: Duration = Duration::from_secs(1);

/// One host as filters and weighers see it.
#[derive(Debug, Clone)]
pub struct Host {
    pub node: Node,
    /// Enabled, and heard of lately.
    pub up: bool,
    /// Why not, for the explanation.
    pub why_down: &'static str,
    pub availability_zone: Option<String>,
    /// Those that it is in.
    pub aggregates: Vec<Arc<Aggregate>>,
    /// Of the images of its servers; empty unless a weigher asks.
    pub image_properties: Arc<ImageProperties>,
}

impl Host {
    /// The zone that it is in.
    pub fn zone<'a>(&'a self, settings: &'a Settings) -> &'a str {
        let own = self.availability_zone.as_ref();
        own.unwrap_or(&settings.default_availability_zone)
    }
}

/// What a node offers of a class: Placement's `(total − reserved) × ratio`.
pub fn capacity(total: u64, reserved: u64, ratio: f64) -> f64 {
    (total.saturating_sub(reserved) as f64 * ratio).floor()
}

/// Of how many changed hosts the images are asked for by name; of more, all are read.
const BY_NAME: usize = 100;

/// The hosts of the cloud, refreshed before each decision by what changed since the last.
pub struct Hosts {
    db: Database,
    down_time: TimeDelta,
    with_images: bool,
    known: Mutex<Known>,
}

struct Known {
    nodes: BTreeMap<i64, Host>,
    change: i64,
    judged: Option<Instant>,
    snapshot: Arc<Vec<Host>>,
}

impl Hosts {
    /// Knows nothing yet; the first question reads all. `with_images` asks for what images the
    /// hosts' servers have, too.
    pub fn new(db: Database, down_time: Duration, with_images: bool) -> Self {
        Hosts {
            db,
            down_time: TimeDelta::from_std(down_time).unwrap_or(TimeDelta::MAX),
            with_images,
            known: Mutex::new(Known {
                nodes: BTreeMap::new(),
                change: -1,
                judged: None,
                snapshot: Arc::default(),
            }),
        }
    }

    /// The hosts now. Who is alive and in which aggregates may be old by [`LIVENESS`].
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn current(&self) -> Result<Arc<Vec<Host>>, DbError> {
        self.read(false).await
    }

    /// The hosts with nothing old about them: for those who would refuse a server otherwise.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn anew(&self) -> Result<Arc<Vec<Host>>, DbError> {
        self.read(true).await
    }

    async fn read(&self, anew: bool) -> Result<Arc<Vec<Host>>, DbError> {
        let mut known = self.known.lock().await;
        let changed = hosts::nodes(self.db.read(), Some(known.change)).await?;
        let unknown = |node: &Node| !known.nodes.contains_key(&node.seq);
        let judge = anew
            || known.judged.is_none_or(|at| at.elapsed() > LIVENESS)
            || changed.iter().any(unknown);
        if changed.is_empty() && !judge {
            return Ok(known.snapshot.clone());
        }
        let now = compute_db::now(self.db.read()).await?;
        let mut images = self.images(&changed).await?;
        for node in changed {
            known.change = known.change.max(node.change);
            let (up, why_down) = judged(&node.service, now, self.down_time);
            let before = known.nodes.get(&node.seq);
            let host = Host {
                availability_zone: before.and_then(|host| host.availability_zone.clone()),
                aggregates: before.map_or_else(Vec::new, |host| host.aggregates.clone()),
                image_properties: Arc::new(images.remove(&node.host).unwrap_or_default()),
                node,
                up,
                why_down,
            };
            known.nodes.insert(host.node.seq, host);
        }
        if judge {
            self.judge(&mut known).await?;
        }
        known.snapshot = Arc::new(known.nodes.values().cloned().collect());
        Ok(known.snapshot.clone())
    }

    /// Properties of the images of servers on these nodes.
    async fn images(&self, changed: &[Node]) -> Result<HashMap<String, ImageProperties>, DbError> {
        if !self.with_images || changed.is_empty() {
            return Ok(HashMap::new());
        }
        let names: Vec<&str> = changed.iter().map(|node| node.host.as_str()).collect();
        let names = (names.len() <= BY_NAME).then_some(names.as_slice());
        servers::image_properties(self.db.read(), names).await
    }

    /// Looks anew who is alive and in which aggregates, and forgets hosts whose service was deleted.
    async fn judge(&self, known: &mut Known) -> Result<(), DbError> {
        let services = hosts::services(self.db.read()).await?;
        let now = compute_db::now(self.db.read()).await?;
        let mut groups = HashMap::new();
        for aggregate in aggregates::list(self.db.read()).await? {
            let aggregate = Arc::new(aggregate);
            for host in &aggregate.hosts {
                let of_host: &mut Vec<_> = groups.entry(host.clone()).or_default();
                of_host.push(aggregate.clone());
            }
        }
        let of_host: BTreeMap<&str, _> = services
            .iter()
            .filter(|service| service.binary == hosts::COMPUTE)
            .map(|service| (service.host.as_str(), service))
            .collect();
        known
            .nodes
            .retain(|_, host| of_host.contains_key(host.node.host.as_str()));
        for host in known.nodes.values_mut() {
            host.node.service = of_host[host.node.host.as_str()].clone();
            (host.up, host.why_down) = judged(&host.node.service, now, self.down_time);
            host.aggregates = groups.get(&host.node.host).cloned().unwrap_or_default();
            let zone = host.aggregates.iter().find_map(|group| group.zone());
            host.availability_zone = zone.map(str::to_owned);
        }
        known.judged = Some(Instant::now());
        Ok(())
    }
}

fn judged(
    service: &compute_model::host::Service,
    now: DateTime<Utc>,
    down_time: TimeDelta,
) -> (bool, &'static str) {
    match (service.disabled, service.is_up(now, down_time)) {
        (true, _) => (false, "disabled"),
        (false, false) => (false, "down"),
        (false, true) => (true, ""),
    }
}

#[cfg(test)]
mod tests {
    use compute_model::host::Service;

    use super::*;

    #[test]
    fn a_host_that_is_not_heard_of_is_down_and_only_one_that_was_disabled_is_disabled() {
        let now = Utc::now();
        let service = |disabled, forced_down, seconds| Service {
            seq: 1,
            id: "s".to_owned(),
            host: "h".to_owned(),
            binary: hosts::COMPUTE.to_owned(),
            disabled,
            disabled_reason: None,
            forced_down,
            last_seen: Some(now - TimeDelta::seconds(seconds)),
            created_at: now,
            updated_at: None,
        };
        for (disabled, forced_down, seconds, wanted) in [
            (false, false, 10, (true, "")),
            (false, false, 61, (false, "down")),
            (false, true, 10, (false, "down")),
            (true, false, 10, (false, "disabled")),
            (true, false, 61, (false, "disabled")),
        ] {
            let service = service(disabled, forced_down, seconds);
            assert_eq!(judged(&service, now, TimeDelta::seconds(60)), wanted);
        }
    }
}
