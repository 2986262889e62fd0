//! The disks of a new server that lie on its host beside the root.

use std::collections::BTreeMap;

use compute_model::Flavor;
use compute_model::hardware::FileSystem;
use compute_model::local_disks::{LocalDisks, Wanted};

use super::boot::{Device, Source, fields, malformed, shown};
use super::create::invalid;
use crate::{ControlError, Result};

/// The word of `guest_format` that makes a blank disk swap.
const SWAP: &str = "swap";

/// What is said of a blank disk on the host, checked as far as that goes without its flavor.
pub(super) fn check(device: &Device) -> Result<()> {
    on_host(device)?;
    wanted(device)?;
    fields(device)
}

/// What holds for every disk on a host, the root too.
pub(super) fn on_host(device: &Device) -> Result<()> {
    if device.delete_on_termination == Some(false) {
        return Err(malformed("A disk on a host ends with its server."));
    }
    Ok(())
}

fn wanted(device: &Device) -> Result<Wanted> {
    match device.said.get("guest_format").map(String::as_str) {
        Some(SWAP) => Ok(Wanted::Swap {
            size_mb: device.size,
        }),
        None => Ok(Wanted::Ephemeral {
            size_gb: device.size,
            format: None,
        }),
        Some(word) => {
            let format = word.parse::<FileSystem>();
            let format = format.map_err(|_| unknown_format(word))?;
            Ok(Wanted::Ephemeral {
                size_gb: device.size,
                format: Some(format),
            })
        }
    }
}

fn unknown_format(word: &str) -> ControlError {
    let known = FileSystem::WORDS.join(", ");
    let word = compute_model::hardware::quoted(word);
    malformed(&format!(
        "guest_format={word} cannot be honoured: a disk is {SWAP}, or formatted with one of {known}."
    ))
}

/// The local disks of a server whose image has these properties, within what its flavor promises and what operators
/// allow. `most` counts the root too; below zero is without limit.
///
/// # Errors
/// 400 for more or larger ones, and for those that cannot be shown as asked.
pub(super) fn plan(
    devices: &[Device],
    properties: &BTreeMap<String, String>,
    flavor: &Flavor,
    most: i64,
) -> Result<LocalDisks> {
    let local = devices.iter().filter(|device| device.local);
    let (blank, others): (Vec<_>, Vec<_>) =
        local.partition(|device| device.source == Source::Blank);
    let shown = |device: &Device| shown::device(device, properties);
    let wanted = blank
        .into_iter()
        .map(|device| Ok((wanted(device)?, shown(device)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut disks = LocalDisks::of(&wanted, flavor).map_err(|why| invalid(why.to_string()))?;
    if let Some(root) = others.iter().copied().find(|device| device.is_root()) {
        disks.root = shown(root)?;
    }
    // A request without any disks has a root of its image.
    let roots = if devices.is_empty() { 1 } else { others.len() };
    let count = i64::try_from(roots + disks.count(flavor)).unwrap_or(i64::MAX);
    match most >= 0 && count > most {
        true => Err(malformed(
            "You specified more local devices than the limit allows",
        )),
        false => Ok(disks),
    }
}
