//! Generated documents that are checked in: each must be what its generator says.

use std::path::Path;

use anyhow::{Context, Result};

use super::layers::Graph;

/// A document and how it is made.
struct Document {
    path: &'static str,
    make: Make,
}

/// How a document is made.
enum Make {
    /// From the graph of crates.
    Graph(fn(&Graph) -> String),
    /// By the binary, whose `docs` prints it under this name; for what only a crate of ours knows.
    Printed(&'static str),
}

/// What prints a document, before its name.
const PRINTER: &[&str] = &["cargo", "run", "--quiet", "-p", "kilonova", "--", "docs"];

/// All of them. A new one is a row here.
const DOCUMENTS: &[Document] = &[
    Document {
        path: "docs/accepted.md",
        make: Make::Printed("accepted"),
    },
    Document {
        path: "docs/attributes.md",
        make: Make::Printed("attributes"),
    },
    Document {
        path: "docs/crates.txt",
        make: Make::Graph(Graph::listing),
    },
    Document {
        path: "docs/lifecycle.md",
        make: Make::Printed("lifecycle"),
    },
    Document {
        path: "docs/nova-options.md",
        make: Make::Printed("options"),
    },
    Document {
        path: "docs/queries.md",
        make: Make::Printed("queries"),
    },
    Document {
        path: "docs/routes.md",
        make: Make::Printed("routes"),
    },
    Document {
        path: "docs/settings.md",
        make: Make::Printed("settings"),
    },
];

/// Compares (or, with `fix`, rewrites) every document.
pub fn check(root: &Path, graph: &Graph, fix: bool) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for document in DOCUMENTS {
        let wanted = match document.make {
            Make::Graph(make) => make(graph),
            Make::Printed(name) => super::output(root, &[PRINTER, &[name]].concat())?,
        };
        let path = root.join(document.path);
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if found == wanted {
            continue;
        }
        if fix {
            std::fs::create_dir_all(path.parent().context("a document lies in a folder")?)?;
            std::fs::write(&path, wanted)?;
        } else {
            complaints.extend(differences(document.path, &found, &wanted));
            complaints.push(format!(
                "{}: not up to date; look, then `cargo xtask tidy --fix`",
                document.path
            ));
        }
    }
    Ok(complaints)
}

/// Lines of one that the other lacks.
fn differences(path: &str, found: &str, wanted: &str) -> Vec<String> {
    let lacking = |one: &str, other: &str, sign: char| -> Vec<String> {
        let lines = one
            .lines()
            .filter(|line| !other.lines().any(|other| other == *line));
        lines.map(|line| format!("{path}: {sign} {line}")).collect()
    };
    [lacking(found, wanted, '-'), lacking(wanted, found, '+')].concat()
}
