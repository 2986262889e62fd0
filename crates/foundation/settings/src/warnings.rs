//! Names in files and environment that have no effect, or a better spelling.

use crate::{Settings, nova, source};

/// Names that differ by more than this are not worth suggesting.
const FAR: usize = 3;

pub(crate) fn all(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    for file in &settings.files {
        for entry in &file.entries {
            let place = file.place(entry);
            warnings.extend(
                about(settings, &entry.section, &entry.key).map(|what| format!("{place}: {what}")),
            );
        }
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

fn about(settings: &Settings, section: &str, key: &str) -> Option<String> {
    let options = || {
        let infos = settings.sections.iter();
        infos.flat_map(|info| info.options.iter().map(|opt| (info.name, opt)))
    };
    if options().any(|(owner, opt)| (owner, opt.name) == (section, key)) {
        return None;
    }
    if let Some((owner, opt)) =
        options().find(|(owner, opt)| opt.former_names(owner).any(|name| name == (section, key)))
    {
        return Some(format!(
            "[{section}] {key} is an old name of [{owner}] {}",
            opt.name
        ));
    }
    if nova::knows(section, key) {
        return Some(format!(
            "[{section}] {key} is an option of Nova that has no effect here"
        ));
    }
    let keys = || {
        options()
            .filter(|(owner, _)| *owner == section)
            .map(|(_, opt)| opt.name)
    };
    if keys().next().is_none() {
        let sections = settings.sections.iter().map(|info| info.name);
        let hint = hint(nearest(section, sections).map(|name| format!("[{name}]")));
        return Some(format!("[{section}] {key}: there is no such section{hint}"));
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
    Some(format!(
        "[{section}] {key}: there is no such option{}",
        hint(meant)
    ))
}

fn about_variable(settings: &Settings, variable: &str) -> Option<String> {
    let known: Vec<String> = settings
        .sections
        .iter()
        .flat_map(|info| {
            info.options.iter().flat_map(|opt| {
                let former = opt
                    .former_names(info.name)
                    .map(|(section, key)| source::variable(section, key));
                former
                    .chain([source::variable(info.name, opt.name)])
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
