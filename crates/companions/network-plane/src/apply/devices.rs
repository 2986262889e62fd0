//! Devices, addresses and routes: the difference between the layout and what is there, and its repair.

use std::collections::BTreeSet;

use crate::PlaneError;
use crate::apply::sweep::host_alias;
use crate::apply::{Engine, Pass};
use crate::kernel::links::{self, Change, End, Link};
use crate::kernel::{announce, netns, rules, tap};
use crate::layout::{Device, Key, Kind};
use crate::report::Object;
use crate::space::Opened;

/// Removes devices that are not wanted (or are of the wrong kind), and addresses that are not.
pub fn remove(pass: &mut Pass<'_>) {
    let torn = torn(pass);
    for (key, space) in pass.layout {
        let Some(snapshot) = pass.now.get(key) else {
            continue;
        };
        let alias = host_alias(&pass.engine.cloud_id);
        let ours = |link: &Link| *key != Key::Host || link.alias == alias;
        let doomed: Vec<Link> = snapshot
            .links
            .values()
            .filter(|link| !link.kind.is_empty() && ours(link))
            .filter(|link| {
                space
                    .devices
                    .get(&link.name)
                    .is_none_or(|device| link.kind != device.kind.kernel())
                    || torn.contains(&(key.clone(), link.name.clone()))
            })
            .cloned()
            .collect();
        for link in &doomed {
            let what = format!("remove the device {}", link.name);
            pass.attempt(&space.owner, |e| {
                with(e, key, &what, |o| links::remove(&mut o.route, link.index))
            });
        }
        for key in pass.layout.keys().filter(|_| !doomed.is_empty()) {
            refresh(pass, key);
        }
        remove_addresses(pass, key);
    }
}

/// The ends of cables whose other end is lost (somebody took its namespace's name away).
fn torn(pass: &Pass<'_>) -> BTreeSet<(Key, String)> {
    let there = |key: &Key, name: &str| {
        pass.now
            .get(key)
            .is_some_and(|s| s.links.contains_key(name))
    };
    let mut torn = BTreeSet::new();
    for (near, device) in &pass.layout[&Key::Switch].devices {
        let Kind::Cable { space, far } = &device.kind else {
            continue;
        };
        if there(&Key::Switch, near) != there(space, far) {
            torn.extend([(Key::Switch, near.clone()), (space.clone(), far.clone())]);
        }
    }
    torn
}

fn remove_addresses(pass: &mut Pass<'_>, key: &Key) {
    let Some(snapshot) = pass.now.get(key) else {
        return;
    };
    let mut doomed = Vec::new();
    for (name, device) in &pass.layout[key].devices {
        let Some(link) = snapshot.links.get(name) else {
            continue;
        };
        let extra = snapshot
            .addresses
            .iter()
            .filter(|(i, a)| *i == link.index && !device.addresses.contains(a));
        doomed.extend(extra.map(|(index, address)| (device.owner.clone(), *index, *address)));
    }
    for (owner, index, address) in doomed {
        let what = format!("remove the address {address}");
        pass.attempt(&owner, |e| {
            with(e, key, &what, |o| {
                links::remove_address(&mut o.route, index, address)
            })
        });
    }
}

/// Makes missing devices: down, on no bridge, without addresses.
pub fn create(pass: &mut Pass<'_>) {
    let mut made = false;
    let devices = &pass.layout[&Key::Switch].devices;
    let missing: Vec<(&String, &Device)> = devices
        .iter()
        .filter(|(name, _)| {
            pass.now
                .get(&Key::Switch)
                .is_none_or(|s| !s.links.contains_key(*name))
        })
        .collect();
    let taps: Vec<_> = missing
        .iter()
        .filter(|(_, d)| d.kind == Kind::Tap)
        .collect();
    made |= create_taps(pass, &taps);
    let mut touched = vec![Key::Switch];
    for (name, device) in missing {
        match &device.kind {
            Kind::Tap | Kind::End => {}
            Kind::Bridge => {
                let what = format!("make the bridge {name}");
                made |= pass.attempt(&device.owner, |e| {
                    with(e, &Key::Switch, &what, |o| {
                        links::add_bridge(&mut o.route, name)
                    })
                });
            }
            Kind::Cable { space, far } if pass.now.contains_key(space) => {
                made |= pass.attempt(&device.owner, |e| create_cable(e, name, space, far));
                touched.push(space.clone());
            }
            // Its namespace failed, and that is in the report.
            Kind::Cable { .. } => {}
        }
    }
    for key in touched.iter().filter(|_| made) {
        refresh(pass, key);
    }
}

/// All taps by one visit to the namespace.
fn create_taps(pass: &mut Pass<'_>, taps: &[&(&String, &Device)]) -> bool {
    if taps.is_empty() {
        return false;
    }
    let create = |name: &str| {
        tap::create(name).map_err(|e| PlaneError::kernel(format!("make the tap {name}"), e))
    };
    let results = match pass.engine.spaces.get(&Key::Switch) {
        Some(switch) => netns::inside(&switch.file, || {
            Ok(taps
                .iter()
                .map(|(name, _)| create(name))
                .collect::<Vec<_>>())
        }),
        None => return false,
    };
    match results {
        Ok(results) => {
            for ((_, device), result) in taps.iter().zip(results) {
                pass.attempt(&device.owner, |_| result);
            }
        }
        Err(error) => pass.report.fail(Object::Plane, &error),
    }
    true
}

fn create_cable(engine: &mut Engine, near: &str, space: &Key, far: &str) -> Result<(), PlaneError> {
    let target = engine.spaces.get(space).map(|s| s.file.try_clone());
    let target = target
        .ok_or(PlaneError::Gone)?
        .map_err(|e| PlaneError::file("/run/netns", e))?;
    let what = format!("make the cable {near}");
    let end = End {
        name: far,
        namespace: &target,
    };
    with(engine, &Key::Switch, &what, |o| {
        links::add_cable(&mut o.route, near, &end)
    })?;
    if matches!(space, Key::Dhcp(_)) {
        netns::inside(&target, || {
            tap::whole_checksums(far).map_err(|e| PlaneError::kernel(format!("set up {far}"), e))
        })?;
    }
    Ok(())
}

/// Brings properties, addresses and routes of all devices to what is wanted.
/// Nothing comes up on the host before it is guarded.
pub fn adjust(pass: &mut Pass<'_>, host_is_guarded: bool) {
    for (key, space) in pass.layout {
        if *key == Key::Host && !host_is_guarded {
            continue;
        }
        for (name, device) in &space.devices {
            adjust_device(pass, key, name, device);
        }
        if matches!(key, Key::Router(_)) {
            adjust_routes(pass, key);
        }
    }
}

fn adjust_device(pass: &mut Pass<'_>, key: &Key, name: &str, device: &Device) {
    let Some(snapshot) = pass.now.get(key) else {
        return;
    };
    let Some(link) = snapshot.links.get(name).cloned() else {
        // Its making failed, and that is in the report; an end of a cable is missing without a word only if the
        // kernel lost it.
        return;
    };
    let missing: Vec<_> = device
        .addresses
        .iter()
        .filter(|a| !snapshot.addresses.contains(&(link.index, **a)))
        .copied()
        .collect();
    let master = match &device.master {
        None => 0,
        Some(bridge) => match snapshot.links.get(bridge) {
            Some(bridge) => bridge.index,
            None => {
                let error = PlaneError::Wanted(format!("its bridge {bridge} is not there"));
                return pass.report.fail(device.owner.clone(), &error);
            }
        },
    };
    let alias = host_alias(&pass.engine.cloud_id);
    let change = Change {
        mac: device.mac.filter(|mac| link.mac != mac),
        mtu: (link.mtu != device.mtu).then_some(device.mtu),
        master: (link.master != master).then_some(master),
        up: (link.up != device.up).then_some(device.up),
        alias: (*key == Key::Host && link.alias != alias).then_some(alias.as_str()),
    };
    let idle = change.mac.is_none()
        && change.mtu.is_none()
        && change.master.is_none()
        && change.up.is_none()
        && change.alias.is_none();
    let what = format!("set up the device {name}");
    if !idle
        && !pass.attempt(&device.owner, |e| {
            with(e, key, &what, |o| {
                links::change(&mut o.route, link.index, &change)
            })
        })
    {
        return;
    }
    for address in &missing {
        let what = format!("add the address {address}");
        pass.attempt(&device.owner, |e| {
            with(e, key, &what, |o| {
                links::add_address(&mut o.route, link.index, *address)
            })
        });
    }
    let moved = missing.iter().filter_map(|a| match a.addr() {
        std::net::IpAddr::V4(address) => Some(address),
        std::net::IpAddr::V6(_) => None,
    });
    let moved: Vec<_> = moved.collect();
    if matches!(key, Key::Router(_)) && device.up && !moved.is_empty() {
        announce_all(pass, key, &link, device, &moved);
    }
}

/// Neighbours may remember who had the addresses before. Not being heard is no failure: they ask again in time.
fn announce_all(
    pass: &Pass<'_>,
    key: &Key,
    link: &Link,
    device: &Device,
    moved: &[std::net::Ipv4Addr],
) {
    let (Some(opened), Some(mac)) = (pass.engine.spaces.get(key), device.mac) else {
        return;
    };
    let result = netns::inside(&opened.file, || {
        for address in moved {
            announce::announce(link.index, mac, *address)
                .map_err(|e| PlaneError::kernel("announce an address", e))?;
        }
        Ok(())
    });
    if let Err(error) = result {
        tracing::warn!(%error, device = link.name, "could not announce addresses");
    }
}

fn adjust_routes(pass: &mut Pass<'_>, key: &Key) {
    let space = &pass.layout[key];
    let owner = &space.owner;
    let Some(opened) = pass
        .engine
        .spaces
        .get_mut(key)
        .filter(|_| pass.now.contains_key(key))
    else {
        return;
    };
    let now = links::routes(&mut opened.route)
        .and_then(|routes| Ok((routes, rules::detours(&mut opened.route)?)));
    let (routes, detours) = match now {
        Ok(now) => now,
        Err(e) => {
            return pass
                .report
                .fail(owner.clone(), &PlaneError::kernel("list routes", e));
        }
    };
    for route in routes.iter().filter(|r| !space.routes.contains(r)) {
        let what = format!("remove the route to {}", route.destination);
        pass.attempt(owner, |e| {
            with(e, key, &what, |o| links::remove_route(&mut o.route, route))
        });
    }
    for route in space.routes.iter().filter(|r| !routes.contains(r)) {
        let what = format!(
            "add the route to {} by {}",
            route.destination, route.next_hop
        );
        pass.attempt(owner, |e| {
            with(e, key, &what, |o| links::add_route(&mut o.route, route))
        });
    }
    for detour in detours.iter().filter(|d| !space.detours.contains(d)) {
        let what = format!("stop the metadata detour of {}", detour.device);
        pass.attempt(owner, |e| {
            with(e, key, &what, |o| rules::remove(&mut o.route, detour))
        });
    }
    for detour in space.detours.iter().filter(|d| !detours.contains(d)) {
        let what = format!("make the metadata detour of {}", detour.device);
        pass.attempt(owner, |e| {
            with(e, key, &what, |o| rules::add(&mut o.route, detour))
        });
    }
}

/// Runs one kernel request in a namespace.
fn with(
    engine: &mut Engine,
    key: &Key,
    what: &str,
    request: impl FnOnce(&mut Opened) -> std::io::Result<()>,
) -> Result<(), PlaneError> {
    let opened = engine.spaces.get_mut(key).ok_or(PlaneError::Gone)?;
    request(opened).map_err(|e| PlaneError::kernel(what, e))
}

/// Looks again after devices came or went.
fn refresh(pass: &mut Pass<'_>, key: &Key) {
    let Some(opened) = pass.engine.spaces.get_mut(key) else {
        return;
    };
    match opened.snapshot() {
        Ok(snapshot) => {
            pass.now.insert(key.clone(), snapshot);
        }
        Err(error) => pass.report.fail(pass.layout[key].owner.clone(), &error),
    }
}
