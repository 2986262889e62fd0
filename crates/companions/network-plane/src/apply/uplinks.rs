//! Whether the ranges of external networks may become routes of the host. Looked at when an uplink is new or changed,
//! and every [`AGAIN`] since the host changes too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::PlaneError;
use crate::apply::Engine;
use crate::host::{Harm, Use, Uses};
use crate::layout::uplink_name;
use crate::names;
use crate::report::{Object, Report};
use crate::wanted::{Network, Wanted};

/// How long a verdict holds. The reconciler comes by as often.
const AGAIN: Duration = Duration::from_secs(25);

/// The last look.
#[derive(Default)]
pub struct Verdicts {
    looked: Option<Instant>,
    about: BTreeMap<String, Vec<IpNet>>,
    /// By network: the range and what it would take away.
    refused: BTreeMap<String, (IpNet, String)>,
    /// What was warned of, so that it is said once.
    warned: BTreeSet<String>,
}

/// Takes away the uplinks that would take something from the host, and reports them.
pub fn admit(
    engine: &mut Engine,
    wanted: &mut Wanted,
    report: &mut Report,
) -> Result<(), PlaneError> {
    let about: BTreeMap<String, Vec<IpNet>> = wanted
        .networks
        .iter()
        .filter_map(|n| Some((n.id.clone(), n.uplink.as_ref()?.addresses.clone())))
        .collect();
    let fresh = engine
        .verdicts
        .looked
        .is_some_and(|at| at.elapsed() < AGAIN);
    if !about.is_empty() && (!fresh || engine.verdicts.about != about) {
        look(engine, wanted)?;
    }
    engine.verdicts.about = about;
    for network in &mut wanted.networks {
        let refused = engine.verdicts.refused.get(&network.id);
        if let Some((range, by)) = refused.filter(|_| network.uplink.is_some()) {
            let error = PlaneError::Overlap {
                range: *range,
                by: by.clone(),
            };
            report.fail(Object::Network(network.id.clone()), &error);
            network.uplink = None;
        }
    }
    Ok(())
}

fn look(engine: &mut Engine, wanted: &Wanted) -> Result<(), PlaneError> {
    let uses = engine.view.uses()?;
    let plugged = engine.view.own_devices()?;
    let mut warned = BTreeSet::new();
    engine.verdicts.refused.clear();
    let mut taken: Vec<IpNet> = Vec::new();
    let mut networks: Vec<&Network> = wanted.networks.iter().collect();
    // Of two that overlap each other, the one that is there already stays.
    networks.sort_by_key(|n| {
        (
            !plugged.contains(&uplink_name(&n.id, &engine.memory.uplinks)),
            &n.id,
        )
    });
    for network in networks {
        let ranges = network.uplink.iter().flat_map(|uplink| &uplink.addresses);
        let ranges: Vec<IpNet> = ranges.map(IpNet::trunc).collect();
        let there = plugged.contains(&uplink_name(&network.id, &engine.memory.uplinks));
        let others = Uses(without_own(&uses, network, wanted));
        let verdict = ranges.iter().find_map(|range| {
            let sibling = taken
                .iter()
                .find(|t| t.contains(range) || range.contains(*t));
            if let Some(sibling) = sibling {
                return Some((
                    *range,
                    format!("{sibling} of another external network"),
                    true,
                ));
            }
            let (harm, by) = others.worst(*range)?;
            // An address or route that came later than the cable: both are in use now, and taking the cable away
            // would only be one more loss.
            let refused = harm == Harm::Breaks && (!there || by.is_landmark());
            Some((*range, by.to_string(), refused))
        });
        match verdict {
            Some((range, by, true)) => {
                engine
                    .verdicts
                    .refused
                    .insert(network.id.clone(), (range, by));
                continue;
            }
            Some((range, by, false)) => {
                let words = format!(
                    "{range} of the external network {} overlaps {by}",
                    network.id
                );
                if !engine.verdicts.warned.contains(&words) {
                    tracing::warn!("{words}: the host reaches the guests there instead");
                }
                warned.insert(words);
            }
            None => {}
        }
        taken.extend(ranges);
    }
    engine.verdicts.warned = warned;
    engine.verdicts.looked = Some(Instant::now());
    Ok(())
}

/// Sees to it that the host's end of every external network has a name that is nobody else's.
pub fn name(engine: &mut Engine, wanted: &Wanted) -> Result<(), PlaneError> {
    let external: BTreeSet<&str> = wanted
        .networks
        .iter()
        .filter(|n| n.uplink.is_some())
        .map(|n| n.id.as_str())
        .collect();
    let uplinks = &mut engine.memory.uplinks;
    uplinks.retain(|id, _| external.contains(id.as_str()));
    if external.is_empty() {
        return Ok(());
    }
    let foreign = engine.view.foreign_devices()?;
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for id in external {
        let free = |name: &String| !foreign.contains(name) && !taken.contains(name);
        let mut name = uplink_name(id, uplinks);
        let mut attempt = 0;
        while !free(&name) {
            attempt += 1;
            name = names::uplink_host_again(id, attempt);
        }
        if attempt > 0 {
            tracing::warn!(
                network = id,
                device = name,
                "another device of the host has this network's usual name"
            );
            uplinks.insert(id.to_owned(), name.clone());
        }
        taken.insert(name);
    }
    Ok(())
}

/// A name server or mirror of the host may be a guest of this very network: nothing is taken away then.
fn without_own(uses: &Uses, network: &Network, wanted: &Wanted) -> Vec<Use> {
    let floating = wanted.routers.iter().filter(|router| {
        let gateway = router.gateway.as_ref();
        gateway.is_some_and(|gateway| gateway.network_id == network.id)
    });
    let floating = floating.flat_map(|router| router.floating_addresses());
    let ports = wanted.ports.iter().filter(|p| p.network_id == network.id);
    let own: BTreeSet<IpAddr> = floating.chain(ports.flat_map(|p| p.ips.clone())).collect();
    uses.0
        .iter()
        .filter(|one| !one.is_landmark() || !own.contains(&one.net.addr()))
        .cloned()
        .collect()
}
