//! Circles of imports inside a crate: modules of its top level that need each other, directly or by way of others. Who
//! wants to understand one of them has to read all. Those that are known stand in `docs/circles.txt`, which may shrink
//! and never grow.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::output;

/// The known circles, a line each: crate, then modules.
const KNOWN: &str = "docs/circles.txt";

/// What each module of a crate's top level imports of the others.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The modules of one circle.
type Circle = BTreeSet<String>;

/// Compares the circles of all crates with the known ones.
///
/// # Errors
/// A file cannot be read or written.
pub fn check(root: &Path, fix: bool) -> Result<Vec<String>> {
    let found = circles_of_all(root)?;
    let file = root.join(KNOWN);
    let text = fs::read_to_string(&file).unwrap_or_default();
    let known: Vec<(String, Circle)> = text.lines().filter_map(parsed).collect();
    let grown = found.iter().filter(|(name, circle)| {
        let mut old = known.iter();
        !old.any(|(of, old)| of == name && circle.is_subset(old))
    });
    let complaints: Vec<String> = grown
        .map(|(name, circle)| {
            format!(
                "{name}: these modules import each other in a circle that is not in {KNOWN}: {}",
                words(circle)
            )
        })
        .collect();
    if !complaints.is_empty() {
        return Ok(complaints);
    }
    let lines = found
        .iter()
        .map(|(name, circle)| format!("{name}: {}\n", words(circle)));
    let wanted: String = lines.collect();
    if wanted == text {
        return Ok(Vec::new());
    }
    if fix {
        fs::write(&file, wanted).with_context(|| format!("cannot write {KNOWN}"))?;
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "{KNOWN} names circles that are open now: cargo xtask tidy --fix"
    )])
}

fn words(circle: &Circle) -> String {
    let words: Vec<&str> = circle.iter().map(String::as_str).collect();
    words.join(" ")
}

fn parsed(line: &str) -> Option<(String, Circle)> {
    let (name, modules) = line.split_once(": ")?;
    let modules = modules.split(' ').map(str::to_owned).collect();
    Some((name.to_owned(), modules))
}

fn circles_of_all(root: &Path) -> Result<Vec<(String, Circle)>> {
    let files = output(root, &["git", "ls-files", "--", "*.rs"])?;
    let mut crates: BTreeMap<String, Imports> = BTreeMap::new();
    for path in files.lines() {
        let Some((name, inside)) = path.split_once("/src/") else {
            continue;
        };
        let module = inside.split('/').next().unwrap_or_default();
        let module = module.trim_end_matches(".rs");
        if matches!(module, "lib" | "main" | "bin") || path.ends_with("/tests.rs") {
            continue;
        }
        let Ok(text) = fs::read_to_string(root.join(path)) else {
            continue;
        };
        let imports = crates.entry(name.to_owned()).or_default();
        let of = imports.entry(module.to_owned()).or_default();
        of.extend(imported(&text));
    }
    let mut found = Vec::new();
    for (name, imports) in crates {
        found.extend(circles(&imports).into_iter().map(|one| (name.clone(), one)));
    }
    Ok(found)
}

/// The modules that a file names after `crate::`, outside of comments and of its unit tests.
fn imported(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut names = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        let after = &code[at + found.len()..];
        match after.strip_prefix('{') {
            Some(group) => names.extend(firsts(group)),
            None => names.extend(first(after)),
        }
    }
    names
}

/// The first name of each path in a group whose opening bracket was read.
fn firsts(group: &str) -> BTreeSet<String> {
    let (mut depth, mut names, mut begins) = (1, BTreeSet::new(), true);
    for (at, sign) in group.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => begins = true,
            sign if begins && depth == 1 && !sign.is_whitespace() => {
                names.extend(first(&group[at..]));
                begins = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn first(path: &str) -> Option<String> {
    let end = path.find(|sign: char| !sign.is_alphanumeric() && sign != '_');
    let name = &path[..end.unwrap_or(path.len())];
    (!name.is_empty()).then(|| name.to_owned())
}

/// The groups of modules each of which reaches all others of its group.
fn circles(imports: &Imports) -> Vec<Circle> {
    let reach: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|module| (module.as_str(), reached(imports, module)))
        .collect();
    let mut found: Vec<Circle> = Vec::new();
    for (module, from) in &reach {
        let mutual = from.iter().filter(|other| reach[**other].contains(module));
        let circle: Circle = mutual.map(|other| (*other).to_owned()).collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

/// Every module that a module needs, itself if it is in a circle.
fn reached<'a>(imports: &'a Imports, module: &str) -> BTreeSet<&'a str> {
    let known = |name: &&String| imports.contains_key(*name);
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports[module]
        .iter()
        .filter(known)
        .map(String::as_str)
        .collect();
    while let Some(name) = next.pop() {
        if reached.insert(name) {
            next.extend(imports[name].iter().filter(known).map(String::as_str));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(edges: &[(&str, &[&str])]) -> Vec<String> {
        let imports = edges.iter().map(|(from, to)| {
            let to = to.iter().map(|&name| name.to_owned()).collect();
            ((*from).to_owned(), to)
        });
        circles(&imports.collect()).iter().map(words).collect()
    }

    #[test]
    fn modules_that_reach_each_other_are_a_circle_and_a_chain_is_none() {
        assert_eq!(
            of(&[("a", &["b", "std"]), ("b", &["c"]), ("c", &[])]),
            Vec::<String>::new()
        );
        let two = of(&[
            ("a", &["b"]),
            ("b", &["c"]),
            ("c", &["a", "d"]),
            ("d", &["e"]),
            ("e", &["d"]),
        ]);
        assert_eq!(two, ["a b c", "d e"]);
    }

    #[test]
    fn imports_are_read_from_paths_and_groups_and_not_from_comments_or_tests() {
        let text = "use crate::a::{B, c};\nuse crate::{\n    d::E, f::{g, h}, i,\n};\n// crate::j\nfn k() { crate::l::m() }\n\
                    #[cfg(test)]\nmod tests {\n    use crate::n;\n}\n";
        assert_eq!(words(&imported(text)), "a d f i l");
    }
}
