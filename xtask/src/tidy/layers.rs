//! Who may import whom. The rules are a table; the real graph comes from cargo, and its golden copy
//! in `docs/crates.txt` makes each new edge a line that somebody reviews.
//!
//! Only what a crate is built from counts: tests may import what they like.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The layers, with the layers that each may import from.
const LAYERS: &[(&str, &[&str])] = &[
    ("foundation", &["foundation"]),
    ("model", &["foundation", "model"]),
    ("contract", &["foundation", "model"]),
    ("clients", &["foundation"]),
    (
        "store",
        &["foundation", "model", "contract", "clients", "store"],
    ),
    ("driver", &["foundation", "model", "contract"]),
    ("companion", &["foundation", "clients"]),
    (
        "control",
        &["foundation", "model", "contract", "clients", "store"],
    ),
    (
        "role",
        &[
            "foundation",
            "model",
            "contract",
            "clients",
            "store",
            "control",
        ],
    ),
    (
        "binary",
        &[
            "foundation",
            "model",
            "contract",
            "clients",
            "store",
            "driver",
            "companion",
            "control",
            "role",
        ],
    ),
    (
        "test",
        &[
            "foundation",
            "model",
            "contract",
            "clients",
            "store",
            "driver",
            "companion",
            "control",
            "role",
            "binary",
            "test",
        ],
    ),
    ("tool", &[]),
];

/// Edges that a layer allows and a crate does not, and why.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "compute-api",
        "compute-db",
        "the API parses, calls control and renders",
    ),
    (
        "compute-agent",
        "compute-db",
        "a hypervisor host holds no database credentials",
    ),
    (
        "compute-agent",
        "compute-control",
        "control brings the database along",
    ),
    (
        "compute-agent",
        "sql",
        "a hypervisor host holds no database credentials",
    ),
    (
        "compute-console",
        "compute-db",
        "the console asks the conductor",
    ),
    ("compute-model", "sql", "the model is pure"),
    ("compute-model", "bus", "the model is pure"),
    ("compute-model", "web", "the model is pure"),
    ("compute-model", "workflow", "the model is pure"),
    (
        "network-plane",
        "sql",
        "the plane is told what must be true; it keeps no tables",
    ),
];

/// Edges that a layer refuses and a crate may have.
const ALLOWED: &[(&str, &str)] = &[("network", "network-plane")];

/// A crate of ours.
pub struct Crate {
    pub layer: String,
    pub imports: Vec<String>,
    inherits_lints: bool,
}

/// Crates of ours by name.
pub struct Graph(pub BTreeMap<String, Crate>);

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    metadata: Option<Labels>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    layer: String,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    path: Option<String>,
}

impl Graph {
    /// The graph as cargo sees it.
    pub fn of(root: &Path) -> Result<Self> {
        let command = [
            "cargo",
            "metadata",
            "--offline",
            "--no-deps",
            "--format-version=1",
        ];
        let metadata: Metadata = serde_json::from_str(&super::output(root, &command)?)?;
        let mut graph = BTreeMap::new();
        for package in metadata.packages {
            let manifest = std::fs::read_to_string(&package.manifest_path)
                .with_context(|| format!("cannot read {}", package.manifest_path))?;
            let ours = package.dependencies.into_iter();
            let ours =
                ours.filter(|edge| edge.path.is_some() && edge.kind.as_deref() != Some("dev"));
            let mut imports: Vec<String> = ours.map(|edge| edge.name).collect();
            imports.sort();
            imports.dedup();
            graph.insert(
                package.name,
                Crate {
                    layer: package
                        .metadata
                        .map(|labels| labels.layer)
                        .unwrap_or_default(),
                    imports,
                    inherits_lints: manifest.contains("[lints]\nworkspace = true"),
                },
            );
        }
        Ok(Graph(graph))
    }

    /// A line per crate: what `docs/crates.txt` must say.
    pub fn listing(&self) -> String {
        let mut text =
            String::from("# crate (layer): imports of ours. Made by `cargo xtask tidy --fix`.\n");
        for (name, member) in &self.0 {
            let _ = writeln!(
                text,
                "{}",
                format!("{name} ({}): {}", member.layer, member.imports.join(" ")).trim_end()
            );
        }
        text
    }
}

/// Edges and labels against the tables.
pub fn check(graph: &Graph) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, member) in &graph.0 {
        if !member.inherits_lints {
            complaints.push(format!(
                "{name}: its Cargo.toml lacks `[lints] workspace = true`"
            ));
        }
        let Some((_, may)) = LAYERS.iter().find(|(layer, _)| *layer == member.layer) else {
            complaints.push(format!(
                "{name}: `[package.metadata] layer` is '{}', which is no layer",
                member.layer
            ));
            continue;
        };
        for import in &member.imports {
            let layer = graph
                .0
                .get(import)
                .map_or("", |import| import.layer.as_str());
            if !may.contains(&layer) && !ALLOWED.contains(&(name, import)) {
                complaints.push(format!(
                    "{name} ({}) must not import {import} ({layer})",
                    member.layer
                ));
            }
            if let Some((_, _, why)) = REFUSED
                .iter()
                .find(|(from, to, _)| from == name && to == import)
            {
                complaints.push(format!("{name} must not import {import}: {why}"));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str, &[&str])]) -> Graph {
        let member = |(name, layer, imports): &(&str, &str, &[&str])| {
            let imports = imports.iter().map(ToString::to_string).collect();
            let member = Crate {
                layer: (*layer).to_owned(),
                imports,
                inherits_lints: true,
            };
            ((*name).to_owned(), member)
        };
        Graph(edges.iter().map(member).collect())
    }

    #[test]
    fn roles_never_import_each_other() {
        let wrong = graph(&[
            ("compute-api", "role", &["compute-conductor"]),
            ("compute-conductor", "role", &[]),
        ]);
        assert_eq!(
            check(&wrong),
            ["compute-api (role) must not import compute-conductor (role)"]
        );
    }

    #[test]
    fn the_agent_never_imports_the_database_nor_the_api() {
        let wrong = graph(&[
            ("compute-agent", "role", &["compute-db"]),
            ("compute-api", "role", &["compute-db"]),
            ("compute-conductor", "role", &["compute-db"]),
            ("compute-db", "store", &[]),
        ]);
        assert_eq!(check(&wrong).len(), 2);
    }

    #[test]
    fn companions_meet_only_in_http() {
        let wrong = graph(&[
            ("image", "companion", &["identity", "compute-model"]),
            ("identity", "companion", &[]),
            ("network", "companion", &["network-plane"]),
            ("network-plane", "companion", &[]),
            ("compute-control", "control", &["identity"]),
            ("compute-model", "model", &[]),
        ]);
        assert_eq!(check(&wrong).len(), 3);
    }

    #[test]
    fn a_crate_without_a_layer_is_refused() {
        assert_eq!(check(&graph(&[("stray", "", &[])])).len(), 1);
    }
}
