//! Loads the rule sets and ends the connections that they no longer allow.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::process::Stdio;

use crate::PlaneError;
use crate::apply::{Engine, Pass, limits};
use crate::firewall::{self, Table, flows::Judge};
use crate::kernel::{conntrack, netns};
use crate::layout::{Key, Space};
use crate::memory::Loaded;
use crate::owners::OwnersMap;
use crate::report::Object;
use crate::space::{self, Opened};
use crate::wanted::Wanted;

/// What is guarded as wanted.
pub struct Guarded {
    /// The ports of guests.
    pub switch: bool,
    /// The host's ends of external networks.
    pub host: bool,
}

/// Loads the rules of the host, the switch and all routers.
pub fn load(pass: &mut Pass<'_>) -> Guarded {
    let host = match ensure_host(pass.engine, &pass.layout[&Key::Host]) {
        Ok(changed) => {
            pass.report.changes += usize::from(changed);
            true
        }
        Err(error) => {
            pass.report.fail(Object::Plane, &error);
            false
        }
    };
    let connections = limits::in_effect(pass.engine.connections);
    let tables = firewall::switch::tables(pass.wanted, &pass.engine.memory.numbers, connections);
    // Between the two, an address that changes hands belongs to nobody.
    let owners = owners(pass.wanted);
    pass.engine.owners.keep(&owners);
    let switch = match ensure(pass.engine, &Key::Switch, tables) {
        Ok(outcome) => {
            pass.report.changes += usize::from(outcome.changed);
            if let Err(error) = end_revoked(pass.engine, pass.wanted, outcome.narrowed) {
                pass.report.fail(Object::Plane, &error);
            }
            pass.engine.owners.set(owners);
            true
        }
        Err(error) => {
            pass.report.fail(Object::Plane, &error);
            false
        }
    };
    for router in &pass.wanted.routers {
        let key = Key::Router(crate::names::router_namespace(
            &pass.engine.cloud_id,
            &router.id,
        ));
        if !pass.now.contains_key(&key) {
            continue;
        }
        let outcome = ensure(pass.engine, &key, firewall::router::tables(router));
        match outcome.and_then(|o| end_moved(pass.engine, &key, &o).map(|()| o.changed)) {
            Ok(changed) => pass.report.changes += usize::from(changed),
            Err(error) => pass.report.fail(Object::Router(router.id.clone()), &error),
        }
    }
    Guarded { switch, host }
}

/// Who has which address of which network.
fn owners(wanted: &Wanted) -> OwnersMap {
    let ports = wanted.ports.iter();
    ports
        .flat_map(|p| {
            p.ips
                .iter()
                .map(move |ip| ((p.network_id.clone(), *ip), p.id.clone()))
        })
        .collect()
}

/// What the memory calls the host's rules.
const HOST: &str = "the host";

/// Loads the rules of the host's ends. The host's ruleset belongs to others too: only our own table is touched, and when
/// the ruleset was changed since, our table is loaded anew only if it is not as the kernel listed it then. `true`:
/// something was loaded.
fn ensure_host(engine: &mut Engine, host: &Space) -> Result<bool, PlaneError> {
    let devices = host.devices.iter();
    let devices = devices
        .map(|(name, device)| (name.clone(), device.addresses.clone()))
        .collect();
    let tables = firewall::host::tables(&engine.cloud_id, &devices, &engine.gateway_services);
    let opened = engine.spaces.get_mut(&Key::Host).ok_or(PlaneError::Gone)?;
    let name = firewall::host::table_name(&engine.cloud_id);
    let before = generation(opened)?;
    let loaded = engine.memory.firewalls.get_mut(HOST);
    if let Some(loaded) = loaded.filter(|l| l.inode == opened.inode && l.tables == tables) {
        let same = loaded.generation == before
            || tables.is_empty()
            || list(&opened.file, &["list", "table", name.as_str()])? == loaded.listing;
        if same {
            loaded.generation = before;
            return Ok(false);
        }
    }
    let text = match tables.is_empty() {
        true => format!("add table {name}\ndelete table {name}\n"),
        false => firewall::render(&tables),
    };
    nft(&opened.file, &text)?;
    let listing = match tables.is_empty() {
        true => String::new(),
        false => list(&opened.file, &["list", "table", name.as_str()])?,
    };
    let loaded = Loaded {
        inode: opened.inode,
        generation: generation(opened)?,
        tables,
        listing,
    };
    engine.memory.firewalls.insert(HOST.to_owned(), loaded);
    Ok(true)
}

/// What `nft` lists; nothing where it fails, as it does for a table that is not there.
fn list(namespace: &std::fs::File, arguments: &[&str]) -> Result<String, PlaneError> {
    let words: Vec<&str> = arguments.iter().flat_map(|word| word.split(' ')).collect();
    netns::inside(namespace, || {
        let output = child::command("nft").args(words).output();
        let output = output.map_err(|e| PlaneError::kernel("run nft", e))?;
        Ok(match output.status.success() {
            true => String::from_utf8_lossy(&output.stdout).into_owned(),
            false => String::new(),
        })
    })
}

fn generation(opened: &mut Opened) -> Result<u32, PlaneError> {
    conntrack::generation(&mut opened.netfilter)
        .map_err(|e| PlaneError::kernel("ask for the firewall's generation", e))
}

/// Removes the host's table, if there is one. Without the program there never was one.
pub fn remove_host(cloud_id: &str, host: &std::fs::File) -> Result<(), PlaneError> {
    let name = firewall::host::table_name(cloud_id);
    match nft(host, &format!("add table {name}\ndelete table {name}\n")) {
        Err(PlaneError::Missing { .. }) => Ok(()),
        done => done,
    }
}

/// Whether the host has a table of ours.
pub fn host_has_table(cloud_id: &str, host: &std::fs::File) -> Result<bool, PlaneError> {
    let name = firewall::host::table_name(cloud_id);
    let listed = netns::inside(host, || {
        Ok(child::command("nft").args(["list", "tables"]).output())
    })?;
    match listed {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .any(|line| line.strip_prefix("table ") == Some(name.as_str()))),
        Ok(output) => Err(PlaneError::Program {
            program: "nft",
            stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(PlaneError::kernel("run nft", e)),
    }
}

/// What loading a rule set did.
struct Outcome {
    changed: bool,
    /// Something was taken away (or what was there is not known).
    narrowed: bool,
    before: Vec<Table>,
    after: Vec<Table>,
}

fn ensure(engine: &mut Engine, key: &Key, tables: Vec<Table>) -> Result<Outcome, PlaneError> {
    let name = space::name(&engine.cloud_id, key).ok_or(PlaneError::Gone)?;
    let opened = engine.spaces.get_mut(key).ok_or(PlaneError::Gone)?;
    let generation = self::generation(opened)?;
    let loaded = engine.memory.firewalls.remove(&name);
    let loaded = loaded.filter(|l| l.inode == opened.inode && l.generation == generation);
    let text = match &loaded {
        Some(loaded) => firewall::render_change(&loaded.tables, &tables),
        None => format!("flush ruleset\n{}", firewall::render(&tables)),
    };
    let narrowed = text
        .lines()
        .any(|line| line.starts_with("flush") || line.starts_with("delete"));
    let changed = !text.is_empty();
    if changed {
        nft(&opened.file, &text)?;
    }
    let generation = match changed {
        true => self::generation(opened)?,
        false => generation,
    };
    let before = loaded.map(|l| l.tables).unwrap_or_default();
    let after = tables.clone();
    engine.memory.firewalls.insert(
        name,
        Loaded {
            inode: opened.inode,
            generation,
            tables,
            listing: String::new(),
        },
    );
    Ok(Outcome {
        changed,
        narrowed,
        before,
        after,
    })
}

/// Loads rules in a namespace, all or nothing.
fn nft(namespace: &std::fs::File, text: &str) -> Result<(), PlaneError> {
    let missing = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => PlaneError::Missing {
            program: "nft",
            package: "nftables",
        },
        _ => PlaneError::kernel("run nft", e),
    };
    netns::inside(namespace, || {
        let mut child = child::command("nft")
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(missing)?;
        let mut input = child.stdin.take().expect("stdin is piped");
        // nft reads everything before it says anything, so this cannot block for ever.
        let written = input.write_all(text.as_bytes());
        drop(input);
        let output = child.wait_with_output().map_err(missing)?;
        if output.status.success() {
            return written.map_err(|e| PlaneError::kernel("talk to nft", e));
        }
        let stderr: String = String::from_utf8_lossy(&output.stderr)
            .trim()
            .chars()
            .take(2000)
            .collect();
        Err(PlaneError::Program {
            program: "nft",
            stderr,
        })
    })
}

/// Ends connections in the switch that the rules of today would not let begin, and all of addresses that are gone.
fn end_revoked(engine: &mut Engine, wanted: &Wanted, narrowed: bool) -> Result<(), PlaneError> {
    let numbers = engine.memory.numbers.clone();
    let addresses: BTreeSet<(u16, IpAddr)> = wanted
        .ports
        .iter()
        .filter_map(|p| Some((numbers.network(&p.network_id)?, p)))
        .flat_map(|(zone, p)| p.ips.iter().map(move |ip| (zone, *ip)))
        .collect();
    let gone: BTreeSet<_> = engine
        .memory
        .addresses
        .difference(&addresses)
        .copied()
        .collect();
    let judge = Judge::new(wanted, |network| numbers.network(network));
    if narrowed || !gone.is_empty() {
        forget(engine, &Key::Switch, |flow| {
            gone.contains(&(flow.zone, flow.source))
                || gone.contains(&(flow.zone, flow.destination))
                || !judge.permits(flow)
        })?;
    }
    engine.memory.addresses = addresses;
    Ok(())
}

/// Ends connections of floating IPs, and of forwarded ports of theirs, that went away or lead elsewhere now.
fn end_moved(engine: &mut Engine, key: &Key, outcome: &Outcome) -> Result<(), PlaneError> {
    let after = firewall::router::floating(&outcome.after);
    let moved: BTreeSet<IpAddr> = firewall::router::floating(&outcome.before)
        .iter()
        .filter(|(floating, fixed)| after.get(*floating) != Some(fixed))
        .filter_map(|(floating, _)| floating.parse().ok())
        .collect();
    let after = firewall::router::forwarded(&outcome.after);
    let mut ports = firewall::router::forwarded(&outcome.before);
    ports.retain(|from, to| after.get(from) != Some(to));
    if moved.is_empty() && ports.is_empty() {
        return Ok(());
    }
    forget(engine, key, |flow| {
        moved.contains(&flow.destination)
            || moved.contains(&flow.reply_destination)
            || ports.contains_key(&(flow.destination, flow.protocol, flow.port))
    })
}

fn forget(
    engine: &mut Engine,
    key: &Key,
    doomed: impl Fn(&conntrack::Flow) -> bool,
) -> Result<(), PlaneError> {
    let opened = engine.spaces.get_mut(key).ok_or(PlaneError::Gone)?;
    let socket = &mut opened.netfilter;
    let flows = conntrack::flows(socket).map_err(|e| PlaneError::kernel("list connections", e))?;
    for flow in flows.iter().filter(|flow| doomed(flow)) {
        conntrack::forget(socket, flow).map_err(|e| PlaneError::kernel("end a connection", e))?;
    }
    Ok(())
}
