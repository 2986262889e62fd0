//! nftables as values: what a namespace's tables should hold, and the text that makes `nft -f` bring it about.
//!
//! A change is rendered as the difference to what was loaded last, always as one transaction: the kernel goes from one
//! complete rule set to the next with nothing in between.

pub mod flows;
pub mod host;
pub mod router;
pub mod switch;

use std::collections::BTreeMap;
use std::fmt::Write;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One nftables table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// "bridge", "inet", "ip"; with the table's name: "inet kn".
    pub name: String,
    /// Sets and maps.
    pub maps: BTreeMap<String, Map>,
    pub chains: BTreeMap<String, Chain>,
}

/// A named set, or a map where elements have values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Map {
    /// "set" or "map".
    pub kind: String,
    /// Its type, as in `type ifname : mark;`.
    pub declaration: String,
    /// Key to value; sets have empty values.
    pub elements: BTreeMap<String, String>,
}

/// A chain; `hook` makes it a base chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    pub hook: Option<String>,
    pub rules: Vec<String>,
}

impl Table {
    /// Adds an element to a map or set that the table declares.
    fn put(&mut self, map: &str, key: String, value: &str) {
        let map = self.maps.get_mut(map).expect("the table declares it");
        map.elements.insert(key, value.to_owned());
    }
}

impl Map {
    pub fn keyed(declaration: &str) -> Map {
        Map {
            kind: "map".into(),
            declaration: declaration.into(),
            elements: BTreeMap::new(),
        }
    }

    pub fn set(declaration: &str) -> Map {
        Map {
            kind: "set".into(),
            declaration: declaration.into(),
            elements: BTreeMap::new(),
        }
    }
}

impl Chain {
    pub fn base(hook: &str, rules: Vec<String>) -> Chain {
        Chain {
            hook: Some(hook.into()),
            rules,
        }
    }

    pub fn plain(rules: Vec<String>) -> Chain {
        Chain { hook: None, rules }
    }
}

/// The text that loads `tables` from scratch, whatever was there under their names.
pub fn render(tables: &[Table]) -> String {
    let mut text = String::new();
    for table in tables {
        let name = &table.name;
        let _ = writeln!(
            text,
            "add table {name}\ndelete table {name}\nadd table {name}"
        );
        render_table(&Table::default(), table, &mut text);
    }
    text
}

/// The text that turns `old` into `new`; empty if they are equal.
pub fn render_change(old: &[Table], new: &[Table]) -> String {
    let mut text = String::new();
    for table in old.iter().filter(|o| new.iter().all(|n| n.name != o.name)) {
        let _ = writeln!(text, "delete table {}", table.name);
    }
    for table in new {
        match old.iter().find(|o| o.name == table.name) {
            Some(before) if same_shape(before, table) => render_table(before, table, &mut text),
            _ => text.push_str(&render(std::slice::from_ref(table))),
        }
    }
    text
}

/// Whether sets and chains that are in both have the same types and hooks: those cannot be changed in place.
fn same_shape(old: &Table, new: &Table) -> bool {
    old.maps.iter().all(|(name, map)| {
        new.maps
            .get(name)
            .is_none_or(|n| n.declaration == map.declaration)
    }) && old
        .chains
        .iter()
        .all(|(name, chain)| new.chains.get(name).is_none_or(|n| n.hook == chain.hook))
}

/// Order matters: nothing is used before it is declared, nor removed while it is used.
fn render_table(old: &Table, new: &Table, text: &mut String) {
    let table = &new.name;
    for (name, map) in new
        .maps
        .iter()
        .filter(|(name, _)| !old.maps.contains_key(*name))
    {
        let _ = writeln!(
            text,
            "add {} {table} {name} {{ {} }}",
            map.kind, map.declaration
        );
    }
    for (name, chain) in new
        .chains
        .iter()
        .filter(|(name, _)| !old.chains.contains_key(*name))
    {
        let hook = chain
            .hook
            .as_ref()
            .map(|hook| format!(" {{ {hook} }}"))
            .unwrap_or_default();
        let _ = writeln!(text, "add chain {table} {name}{hook}");
    }
    let empty = Map::default();
    for (name, map) in &new.maps {
        let before = old.maps.get(name).unwrap_or(&empty);
        let gone = before
            .elements
            .iter()
            .filter(|(key, value)| map.elements.get(*key) != Some(value));
        elements(
            text,
            "delete",
            table,
            name,
            gone.map(|(key, _)| key.clone()),
        );
    }
    for (name, chain) in &new.chains {
        let before = old.chains.get(name);
        if before.is_some_and(|b| b.rules == chain.rules) {
            continue;
        }
        if before.is_some() {
            let _ = writeln!(text, "flush chain {table} {name}");
        }
        for rule in &chain.rules {
            let _ = writeln!(text, "add rule {table} {name} {rule}");
        }
    }
    for (name, map) in &new.maps {
        let before = old.maps.get(name).unwrap_or(&empty);
        let added = map
            .elements
            .iter()
            .filter(|(key, value)| before.elements.get(*key) != Some(value));
        let added = added.map(|(key, value)| {
            if value.is_empty() {
                key.clone()
            } else {
                format!("{key} : {value}")
            }
        });
        elements(text, "add", table, name, added);
    }
    for name in old
        .chains
        .keys()
        .filter(|name| !new.chains.contains_key(*name))
    {
        let _ = writeln!(
            text,
            "flush chain {table} {name}\ndelete chain {table} {name}"
        );
    }
    for (name, map) in old
        .maps
        .iter()
        .filter(|(name, _)| !new.maps.contains_key(*name))
    {
        let _ = writeln!(text, "delete {} {table} {name}", map.kind);
    }
}

fn elements(
    text: &mut String,
    verb: &str,
    table: &str,
    map: &str,
    elements: impl Iterator<Item = String>,
) {
    let elements: Vec<String> = elements.collect();
    if !elements.is_empty() {
        let _ = writeln!(
            text,
            "{verb} element {table} {map} {{ {} }}",
            elements.join(", ")
        );
    }
}

/// The networks of one family that are not inside another of the list, sorted: nft refuses overlaps in a set.
pub(crate) fn disjoint(nets: impl Iterator<Item = IpNet>, v4: bool) -> Vec<IpNet> {
    let mut nets: Vec<IpNet> = nets
        .filter(|n| n.addr().is_ipv4() == v4)
        .map(|n| n.trunc())
        .collect();
    nets.sort_by_key(|n| (n.prefix_len(), n.addr()));
    let mut kept: Vec<IpNet> = Vec::new();
    for net in nets {
        if !kept.iter().any(|k| k.contains(&net)) {
            kept.push(net);
        }
    }
    kept.sort();
    kept
}

/// A network as nft writes it: single addresses without a prefix length.
pub(crate) fn nft_net(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// An id as part of a chain's or set's name.
pub(crate) fn nft_name(id: &str) -> String {
    id.replace('-', "_")
}

#[cfg(test)]
mod tests;
