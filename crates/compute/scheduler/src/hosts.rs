//! All hosts in memory, as fresh as the database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use compute_db::{Database, DbError, aggregates, hosts};
use compute_model::host::Node;
use tokio::sync::Mutex;

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
}

/// The hosts of the cloud, refreshed before each decision by what changed since the last.
pub struct Hosts {
    db: Database,
    down_time: TimeDelta,
    known: Mutex<Known>,
}

struct Known {
    nodes: BTreeMap<i64, Host>,
    change: i64,
    judged: Option<Instant>,
    snapshot: Arc<Vec<Host>>,
}

impl Hosts {
    /// Knows nothing yet; the first question reads all.
    pub fn new(db: Database, down_time: Duration) -> Self {
        Hosts {
            db,
            down_time: TimeDelta::from_std(down_time).unwrap_or(TimeDelta::MAX),
            known: Mutex::new(Known {
                nodes: BTreeMap::new(),
                change: -1,
                judged: None,
                snapshot: Arc::default(),
            }),
        }
    }

    /// The hosts now.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn current(&self) -> Result<Arc<Vec<Host>>, DbError> {
        let mut known = self.known.lock().await;
        let changed = hosts::nodes(self.db.read(), Some(known.change)).await?;
        let unknown = |node: &Node| !known.nodes.contains_key(&node.seq);
        let judge =
            known.judged.is_none_or(|at| at.elapsed() > LIVENESS) || changed.iter().any(unknown);
        if changed.is_empty() && !judge {
            return Ok(known.snapshot.clone());
        }
        for node in changed {
            known.change = known.change.max(node.change);
            let (up, why_down) = judged(&node.service, self.down_time);
            let before = known.nodes.get(&node.seq);
            let host = Host {
                availability_zone: before.and_then(|host| host.availability_zone.clone()),
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

    /// Looks anew who is alive and in which zone, and forgets hosts whose service was deleted.
    async fn judge(&self, known: &mut Known) -> Result<(), DbError> {
        let services = hosts::services(self.db.read()).await?;
        let zones = aggregates::zones(self.db.read()).await?;
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
            (host.up, host.why_down) = judged(&host.node.service, self.down_time);
            host.availability_zone = zones.get(&host.node.host).cloned();
        }
        known.judged = Some(Instant::now());
        Ok(())
    }
}

fn judged(service: &compute_model::host::Service, down_time: TimeDelta) -> (bool, &'static str) {
    match (service.disabled, service.is_up(Utc::now(), down_time)) {
        (true, _) => (false, "disabled"),
        (false, false) => (false, "down"),
        (false, true) => (true, ""),
    }
}
