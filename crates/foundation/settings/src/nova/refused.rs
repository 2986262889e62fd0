//! Which options of files are refused, and how that reads.

use crate::Settings;
use crate::interpolate::interpolate;
use crate::nova::{fate, newest};
use crate::source::Entry;

/// Options that may be given several times, each time with one more value.
const REPEATABLE: &[(&str, &str)] = &[
    ("filter_scheduler", "available_filters"),
    ("oslo_messaging_notifications", "driver"),
    ("oslo_policy", "policy_dirs"),
    ("pci", "alias"),
    ("pci", "device_spec"),
];

/// Words in the names of options that hold secrets.
const SECRET: &[&str] = &["connection", "key", "password", "secret", "token", "url"];

/// A sentence for each option of Nova that asks for what is not done here. An option that is set several times counts
/// where it is set last.
pub(crate) fn refused(settings: &Settings) -> Vec<String> {
    let files = settings.files.iter();
    let entries: Vec<_> = files
        .flat_map(|file| file.entries.iter().map(move |entry| (file, entry)))
        .collect();
    let counts = |at: usize, entry: &Entry| {
        let name = |entry: &Entry| {
            let key = entry.key.replace('-', "_");
            let (section, key) = newest(&entry.section, &key);
            (section.to_owned(), key.to_owned())
        };
        let (section, key) = name(entry);
        REPEATABLE.contains(&(section.as_str(), key.as_str()))
            || !entries[at + 1..]
                .iter()
                .any(|(_, later)| name(later) == (section.clone(), key.clone()))
    };
    let asked = entries
        .iter()
        .enumerate()
        .filter_map(|(at, (file, entry))| {
            let fate = fate(&entry.section, &entry.key)?;
            let named = |section: &str, key: &str| settings.named(section, key);
            // A reference that leads nowhere stays as it is written.
            let replaced = |text: &str| {
                interpolate(text, &entry.section, &named).unwrap_or_else(|_| text.to_owned())
            };
            let why = fate.refusal_of(&replaced(&entry.value), &replaced)?;
            counts(at, entry).then(|| sentence(&file.place(entry), entry, why))
        });
    asked.collect()
}

fn sentence(place: &str, entry: &Entry, why: &str) -> String {
    let Entry {
        section,
        key,
        value,
        ..
    } = entry;
    let value = match SECRET.iter().any(|word| key.contains(word)) {
        true => "***".to_owned(),
        false => value.replace('\n', ","),
    };
    format!("{place}: [{section}] {key} = {value}: {why}")
}
