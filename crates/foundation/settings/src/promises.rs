//! Options of Nova that promise more safety than there is here. Others of Nova's options are named in a warning and have
//! no effect; a start with one of these ends, so that nobody relies on what is not done.

use crate::Settings;

/// Section, option, the values in lower case that promise nothing, and what is not done.
const PROMISES: &[(&str, &str, &[&str], &str)] = &[
    (
        "ephemeral_storage_encryption",
        "enabled",
        FALSE,
        "disks of servers are not encrypted",
    ),
    (
        "glance",
        "enable_certificate_validation",
        FALSE,
        "signatures of images are not verified",
    ),
    (
        "glance",
        "verify_glance_signatures",
        FALSE,
        "signatures of images are not verified",
    ),
    (
        "vnc",
        "auth_schemes",
        &["none"],
        "screens are reached by sockets of the host, without VeNCrypt",
    ),
];

const FALSE: &[&str] = &["0", "f", "false", "off", "n", "no"];

/// A sentence for each promise that a file makes.
pub(crate) fn broken(settings: &Settings) -> Vec<String> {
    let entries = settings
        .files
        .iter()
        .flat_map(|file| file.entries.iter().map(move |entry| (file, entry)));
    entries
        .filter_map(|(file, entry)| {
            let (_, _, harmless, why) = PROMISES.iter().find(|(section, key, ..)| {
                (*section, *key) == (entry.section.as_str(), entry.key.as_str())
            })?;
            let value = entry.value.trim().to_ascii_lowercase();
            let place = file.place(entry);
            (!harmless.contains(&value.as_str())).then(|| {
                format!(
                    "{place}: [{}] {} = {}: {why}",
                    entry.section, entry.key, entry.value
                )
            })
        })
        .collect()
}
