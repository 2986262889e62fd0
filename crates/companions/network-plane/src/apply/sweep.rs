//! Takes away namespaces, dnsmasq processes and listeners that nothing wants any more, and says what is left.

use std::collections::BTreeSet;
use std::fs::{self, File};

use crate::apply::{Engine, Pass, firewalls};
use crate::dhcp;
use crate::firewall;
use crate::kernel::{links, netns};
use crate::label::Whose;
use crate::layout::{self, Key, Layout};
use crate::memory;
use crate::space::{self, Opened};
use crate::wanted::Wanted;
use crate::{PlaneError, check};

/// Removes what the pass's layout has no place for. What cannot be removed is noted with the plane.
pub fn unwanted(pass: &mut Pass<'_>) -> Result<(), PlaneError> {
    let metadata: BTreeSet<&str> = pass
        .wanted
        .networks
        .iter()
        .filter(|n| n.metadata)
        .map(|n| n.id.as_str())
        .collect();
    pass.engine.listeners.retain(|id| metadata.contains(id));
    let served: BTreeSet<&str> = served(pass.wanted).collect();
    pass.report.changes += pass.engine.daemons.retain(|id| served.contains(id))?;
    for name in left_over_namespaces(pass.engine, pass.layout)? {
        pass.attempt(&crate::report::Object::Plane, |engine| {
            remove_namespace(engine, &name)
        });
    }
    Ok(())
}

/// The networks that have a dnsmasq.
fn served(wanted: &Wanted) -> impl Iterator<Item = &str> {
    let networks = wanted.networks.iter();
    networks
        .filter(|n| dhcp::is_served(n))
        .map(|n| n.id.as_str())
}

/// The cloud's namespaces that a layout does not have.
fn left_over_namespaces(engine: &Engine, layout: &Layout) -> Result<Vec<String>, PlaneError> {
    let wanted: BTreeSet<String> = layout
        .keys()
        .filter_map(|key| space::name(&engine.cloud_id, key))
        .collect();
    let mut names = netns::list(|name| belongs(&engine.cloud_id, name) && !wanted.contains(name))?;
    let mut foreign = BTreeSet::new();
    for name in &names {
        if engine.label.whose_named(name)? == Some(Whose::Foreign) {
            foreign.insert(name.clone());
        }
    }
    names.retain(|name| !foreign.contains(name));
    Ok(names)
}

fn belongs(cloud_id: &str, name: &str) -> bool {
    let switch = crate::names::switch_namespace(cloud_id);
    name == switch
        || name
            .strip_prefix(&switch)
            .is_some_and(|rest| rest.starts_with("-d-") || rest.starts_with("-r-"))
}

fn remove_namespace(engine: &mut Engine, name: &str) -> Result<(), PlaneError> {
    engine
        .spaces
        .retain(|key, _| space::name(&engine.cloud_id, key).as_deref() != Some(name));
    engine.memory.firewalls.remove(name);
    if let Some(file) = netns::open(name)? {
        clear(file)?;
    }
    netns::remove(name)
}

/// Removes all devices at once: a namespace that something still holds open keeps them otherwise, with their cables.
fn clear(file: File) -> Result<(), PlaneError> {
    let mut opened = Opened::new(file)?;
    // Bridges last or first makes no difference; a cable's far end goes with it.
    for link in opened
        .links()?
        .into_values()
        .filter(|link| !link.kind.is_empty())
    {
        links::remove(&mut opened.route, link.index)
            .map_err(|e| PlaneError::kernel(format!("remove the device {}", link.name), e))?;
    }
    Ok(())
}

/// Removes everything of the cloud.
pub fn everything(engine: &mut Engine) -> Result<(), PlaneError> {
    engine.listeners.retain(|_| false);
    engine.adverts.retain(|_, _| false);
    engine.daemons.remove_all()?;
    let layout = Layout::new();
    for name in left_over_namespaces(engine, &layout)? {
        remove_namespace(engine, &name)?;
    }
    let file = engine
        .host
        .try_clone()
        .map_err(|e| PlaneError::file("/proc/self/ns/net", e))?;
    let mut host = Opened::new(file)?;
    for (name, link) in host
        .links()?
        .into_iter()
        .filter(|(_, link)| link.alias == host_alias(&engine.cloud_id))
    {
        links::remove(&mut host.route, link.index)
            .map_err(|e| PlaneError::kernel(format!("remove the device {name}"), e))?;
    }
    firewalls::remove_host(&engine.cloud_id, &engine.host)?;
    engine.spaces.clear();
    engine.memory = memory::Memory::default();
    engine.layout = layout;
    memory::remove(&engine.state_dir)?;
    let dhcp = engine.state_dir.join("dhcp");
    if let Err(error) = fs::remove_dir(&dhcp)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        // Every network took its own files along: what is left is not ours.
        tracing::warn!(%error, path = %dhcp.display(), "a folder of DHCP stays");
    }
    Ok(())
}

/// What our devices in the host's namespace are labelled with.
pub fn host_alias(cloud_id: &str) -> String {
    format!("kilonova {cloud_id}")
}

/// Describes what belongs to the cloud and is not in the layout that was applied last.
pub fn audit(engine: &Engine) -> Result<Vec<String>, PlaneError> {
    audit_against(engine, &engine.layout, |id| engine.daemons.runs(id))
}

/// Describes what belongs to the cloud and is not in a state that this plane did not apply.
pub fn audit_at_rest(engine: &Engine, wanted: &Wanted) -> Result<Vec<String>, PlaneError> {
    let (wanted, _) = check::admit(wanted);
    let served: BTreeSet<&str> = served(&wanted).collect();
    let layout = layout::layout(&engine.cloud_id, &wanted, &engine.memory.uplinks);
    audit_against(engine, &layout, |id| served.contains(id))
}

fn audit_against(
    engine: &Engine,
    layout: &Layout,
    served: impl Fn(&str) -> bool,
) -> Result<Vec<String>, PlaneError> {
    let mut found = Vec::new();
    for name in left_over_namespaces(engine, layout)? {
        found.push(format!("namespace {name}"));
    }
    for key in layout.keys() {
        let Some(name) = space::name(&engine.cloud_id, key) else {
            continue;
        };
        let Some(file) = netns::open(&name)? else {
            continue;
        };
        let wanted = &layout[key].devices;
        let links = Opened::new(file)?.links()?;
        let extra = links
            .values()
            .filter(|link| !link.kind.is_empty() && !wanted.contains_key(&link.name));
        found.extend(extra.map(|link| format!("device {} in namespace {name}", link.name)));
    }
    let file = engine
        .host
        .try_clone()
        .map_err(|e| PlaneError::file("/proc/self/ns/net", e))?;
    let alias = host_alias(&engine.cloud_id);
    let wanted = |name: &str| {
        layout
            .get(&Key::Host)
            .is_some_and(|host| host.devices.contains_key(name))
    };
    for (name, link) in Opened::new(file)?.links()? {
        if link.alias == alias && !wanted(&name) {
            found.push(format!("device {name} on the host"));
        }
    }
    let guards = layout
        .get(&Key::Host)
        .is_some_and(|host| !host.devices.is_empty());
    if !guards && firewalls::host_has_table(&engine.cloud_id, &engine.host)? {
        let table = firewall::host::table_name(&engine.cloud_id);
        found.push(format!("nftables table {table} on the host"));
    }
    found.extend(engine.daemons.strays(served)?);
    Ok(found)
}
