//! A companion is named by its own crate and by its row in the binary, and nowhere else in the binary: what goes over all
//! companions goes over the rows.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::layers::Graph;
use super::output;

/// The sources of the binary.
const BINARY: &str = "crates/kilonova/src";

/// Looks for companions' crates in the binary's sources.
///
/// # Errors
/// A file cannot be read.
pub fn check(root: &Path, graph: &Graph) -> Result<Vec<String>> {
    let companions = graph.0.iter().filter(|(_, one)| one.layer == "companion");
    let companions: Vec<String> = companions.map(|(name, _)| name.replace('-', "_")).collect();
    let files = output(root, &["git", "ls-files", "--", BINARY])?;
    let mut complaints = Vec::new();
    for path in files.lines().filter(|path| path.ends_with(".rs")) {
        let Ok(text) = fs::read_to_string(root.join(path)) else {
            continue;
        };
        for name in &companions {
            if path != format!("{BINARY}/companions/{name}.rs") && named(&text, name) {
                complaints.push(format!(
                    "{path}: names the companion {name}; only {BINARY}/companions/{name}.rs does"
                ));
            }
        }
    }
    Ok(complaints)
}

/// Whether a text has a path that begins with a crate's name, and has no module or import of that name.
fn named(text: &str, name: &str) -> bool {
    let begins = format!("{name}::");
    let import = format!("::{name}");
    let uses = |line: &&str| line.trim_start().starts_with("use ") || line.contains("pub use ");
    let module = format!("mod {name};");
    if text.lines().any(|line| line.ends_with(&module)) {
        return false;
    }
    if text.lines().any(|line| {
        let mut ends = line
            .match_indices(&import)
            .map(|(at, _)| &line[at + import.len()..]);
        uses(&line) && ends.any(|end| end.starts_with([';', ':', ',']))
    }) {
        return false;
    }
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        let direct = code.trim_start().strip_prefix("use ");
        direct.is_some_and(|path| path.trim_end_matches(';') == name)
            || code.match_indices(&begins).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                !before.is_some_and(|sign| sign.is_alphanumeric() || matches!(sign, '_' | ':'))
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_crate_are_found_and_others_of_its_name_are_not() {
        for (text, expected) in [
            ("use image::Images;", true),
            ("use image;", true),
            ("let calls = image::calls();", true),
            ("use crate::companions::image;\nimage::ROW", false),
            ("pub mod image;\nimage::ROW", false),
            ("clients::image::get()", false),
            ("let disk_image::Format = 1;", false),
            ("// image::Images opens", false),
        ] {
            assert_eq!(named(text, "image"), expected, "{text}");
        }
    }
}
