//! Names in files and environment that have no effect, or a better spelling.

use crate::nova::Fate;
use crate::{Settings, nova, source};

/// Names that differ by more than this are not worth suggesting.
const FAR: usize = 3;

pub(crate) fn all(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    for file in &settings.files {
        let mut ignored: Vec<Ignored<'_>> = Vec::new();
        for entry in &file.entries {
            let (section, key) = (entry.section.as_str(), entry.key.as_str());
            match about(settings, section, key) {
                About::Known => {}
                About::Said(what) => warnings.push(format!("{}: {what}", file.place(entry))),
                About::Ignored(why) => {
                    let same =
                        |other: &&mut Ignored<'_>| (other.section, other.why) == (section, why);
                    match ignored.iter_mut().find(same) {
                        Some(other) if other.keys.contains(&key) => {}
                        Some(other) => other.keys.push(key),
                        None => ignored.push(Ignored {
                            place: file.place(entry),
                            section,
                            keys: vec![key],
                            why,
                        }),
                    }
                }
            }
        }
        warnings.extend(ignored.iter().map(ToString::to_string));
    }
    for variable in settings
        .environment
        .keys()
        .filter(|name| !name.starts_with("KILONOVA_TEST_"))
    {
        warnings.extend(about_variable(settings, variable));
    }
    warnings
}

/// Options of one section and file that have no effect for the same reason: one warning.
struct Ignored<'a> {
    /// Of the first.
    place: String,
    section: &'a str,
    keys: Vec<&'a str>,
    why: &'static str,
}

impl std::fmt::Display for Ignored<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Ignored {
            place,
            section,
            keys,
            why,
        } = self;
        let keys = keys.join(", ");
        write!(f, "{place}: [{section}] {keys}: no effect here: {why}")
    }
}

/// What there is to say of a name.
enum About {
    /// Nothing: a section states it, or Nova has it and its value is looked at elsewhere.
    Known,
    /// An option of Nova that may be ignored.
    Ignored(&'static str),
    Said(String),
}

fn about(settings: &Settings, section: &str, key: &str) -> About {
    let sections = settings.known();
    let options = || {
        let sections = sections.iter();
        sections.flat_map(|(name, options)| options.iter().map(move |opt| (name.as_str(), opt)))
    };
    if options().any(|(owner, opt)| (owner, opt.name) == (section, key)) {
        return About::Known;
    }
    if let Some((owner, opt)) =
        options().find(|(owner, opt)| opt.former_names(owner).any(|name| name == (section, key)))
    {
        return About::Said(format!(
            "[{section}] {key} is an old name of [{owner}] {}",
            opt.name
        ));
    }
    match nova::fate(section, key) {
        Some(Fate::Hint(why)) => return About::Ignored(why),
        Some(Fate::Refused { .. }) => return About::Known,
        // An old name of what we state by a newer one only.
        Some(Fate::Honoured) | None => {}
    }
    let keys = || {
        options()
            .filter(|(owner, _)| *owner == section)
            .map(|(_, opt)| opt.name)
    };
    if keys().next().is_none() {
        let sections = sections.iter().map(|(name, _)| name.as_str());
        let hint = hint(nearest(section, sections).map(|name| format!("[{name}]")));
        return About::Said(format!("[{section}] {key}: there is no such section{hint}"));
    }
    // The right name in the wrong section is as common as a misspelt one.
    let elsewhere = || {
        options()
            .find(|(_, opt)| opt.name == key)
            .map(|(owner, _)| format!("[{owner}] {key}"))
    };
    let meant = nearest(key, keys())
        .map(ToOwned::to_owned)
        .or_else(elsewhere);
    About::Said(format!(
        "[{section}] {key}: there is no such option{}",
        hint(meant)
    ))
}

fn about_variable(settings: &Settings, variable: &str) -> Option<String> {
    let known: Vec<String> = settings
        .known()
        .iter()
        .flat_map(|(name, options)| {
            options.iter().flat_map(|opt| {
                let former = opt
                    .former_names(name)
                    .map(|(section, key)| source::variable(section, key));
                former
                    .chain([source::variable(name, opt.name)])
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    if known.iter().any(|name| name == variable) {
        return None;
    }
    let meant = nearest(variable, known.iter().map(String::as_str)).map(ToOwned::to_owned);
    Some(format!(
        "{variable}: there is no such option{}",
        hint(meant)
    ))
}

fn hint(meant: Option<String>) -> String {
    meant
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let similar = known.filter(|other| name.len().abs_diff(other.len()) <= FAR);
    let distances = similar.map(|other| (distance(name, other), other));
    distances
        .filter(|(far, _)| *far <= FAR.min(name.len() / 2))
        .min()
        .map(|(_, other)| other)
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}
