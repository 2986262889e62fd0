//! What image properties may say, and what becomes of it: a row for each property of `nova.objects.ImageMetaProps` and
//! the few that Nova reads elsewhere. Others are free text that nothing here acts on.

mod table;
mod words;

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::accepted::{self, Refusal, Row};
use crate::hardware::quoted;

pub use table::{LEGACY, PROPERTIES};

/// A property whose value is none of those it takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: field value {} is invalid", quoted(value))]
pub struct BadProperty {
    pub name: String,
    pub value: String,
}

/// VMware's name for the disk bus: `ide`, or the model of a SCSI controller.
const ADAPTER: &str = "vmware_adaptertype";

/// The row of a property, by its name or its older name.
pub fn row(name: &str) -> Option<&'static Row> {
    let newer = LEGACY.iter().find(|(older, _)| *older == name);
    accepted::row(PROPERTIES, newer.map_or(name, |(_, newer)| newer))
}

/// Checks that each property says something that it may say.
///
/// # Errors
/// The first one that does not, by name.
pub fn check(properties: &BTreeMap<String, String>) -> Result<(), BadProperty> {
    for (name, value) in properties {
        if row(name).is_some_and(|row| row.takes.fits(value).is_err()) {
            return Err(BadProperty {
                name: name.clone(),
                value: value.clone(),
            });
        }
    }
    Ok(())
}

/// Checks that no property asks for what a server cannot have here.
///
/// # Errors
/// The first one that does, by name.
pub fn refuse(properties: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (name, value) in properties {
        if let Some(why) = row(name).and_then(|row| row.refusal(value)) {
            return Err(Refusal {
                what: "Image property",
                name: name.clone(),
                value: value.clone(),
                why,
            });
        }
    }
    Ok(())
}

/// What an image says of a property, if need be by the property's older name.
pub fn value<'p>(properties: &'p BTreeMap<String, String>, name: &str) -> Option<&'p str> {
    let newer = properties.get(name);
    let older = || {
        let names = LEGACY.iter().filter(|(_, newer)| *newer == name);
        names.filter_map(|(older, _)| properties.get(*older)).next()
    };
    newer.or_else(older).map(String::as_str).or_else(|| {
        let adapter = properties.get(ADAPTER).map(String::as_str);
        match (name, adapter?) {
            ("hw_disk_bus", "ide") => Some("ide"),
            ("hw_disk_bus", _) => Some("scsi"),
            ("hw_scsi_model", model) if model != "ide" => Some(model),
            _ => None,
        }
    })
}

/// The value of a property as its type; `None` when the image does not have it.
///
/// # Errors
/// It is none of those values: the property was kept before it was checked.
pub fn typed<T: FromStr>(
    properties: &BTreeMap<String, String>,
    name: &str,
) -> Result<Option<T>, BadProperty> {
    let Some(value) = value(properties, name) else {
        return Ok(None);
    };
    // Numbers may have white space around them.
    let read = value.parse().or_else(|_| value.trim().parse());
    read.map(Some).map_err(|_| BadProperty {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

/// Whether a property is there and true.
pub fn is_set(properties: &BTreeMap<String, String>, name: &str) -> Option<bool> {
    value(properties, name).map(accepted::is_true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accepted::Takes;
    use crate::hardware::DiskBus;

    fn one(name: &str, value: &str) -> Result<(), BadProperty> {
        check(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    /// `ImageMetaProps` has 86 fields at version 1.44, and four more are read here.
    #[test]
    fn the_table_has_every_property_of_nova_sorted_by_name() {
        let names: Vec<_> = PROPERTIES.iter().map(|row| row.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(names.len(), 86 + 4);
        assert_eq!(LEGACY.len(), 22);
        for (older, newer) in LEGACY {
            assert!(row(older).is_some_and(|row| row.name == *newer), "{older}");
        }
    }

    #[test]
    fn the_table_takes_its_own_words() {
        for row in PROPERTIES {
            if let Takes::OneOf(words) | Takes::AnyCase(words) = row.takes {
                for word in words {
                    assert_eq!(one(row.name, word), Ok(()), "{}={word}", row.name);
                }
            }
        }
    }

    #[test]
    fn no_property_takes_what_would_leave_its_place() {
        for row in PROPERTIES {
            // Free text on one line; text that nothing reads; true or anything else.
            if row.name == "os_command_line" || matches!(row.takes, Takes::Text | Takes::Flag) {
                continue;
            }
            let name = row.name.replace("{N}", "0").replace("{key}", "HW_X");
            for odd in [
                "initrd=/etc/hostname",
                "kernel=/x",
                "dumpdtb=/x",
                "firmware=/x",
                "x,help",
                "help",
                "a\nb",
                "a\0b",
                "",
                "virtio,id=x",
            ] {
                let refused = one(&name, odd);
                assert_eq!(
                    refused.map_err(|bad| bad.name),
                    Err(name.clone()),
                    "{odd:?}"
                );
            }
            assert!(one(&name, &"a".repeat(100_000)).is_err(), "{name}");
        }
        assert!(one("os_command_line", "a\0b").is_err());
        assert_eq!(
            one("colour", "initrd=/etc/hostname"),
            Ok(()),
            "nothing acts on it"
        );
    }

    #[test]
    fn a_property_kept_before_it_was_checked_is_checked_when_it_is_used() {
        let kept = BTreeMap::from([("hw_disk_bus".to_owned(), "scsi,x=y".to_owned())]);
        assert!(typed::<DiskBus>(&kept, "hw_disk_bus").is_err());
        assert_eq!(typed::<DiskBus>(&kept, "hw_cdrom_bus"), Ok(None));
    }

    #[test]
    fn older_names_count_where_the_newer_one_is_not_there() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            pairs.iter().map(owned).collect()
        };
        let old = of(&[
            ("architecture", "x86_64"),
            ("vmware_adaptertype", "lsiLogic"),
        ]);
        assert_eq!(value(&old, "hw_architecture"), Some("x86_64"));
        assert_eq!(value(&old, "hw_disk_bus"), Some("scsi"));
        assert_eq!(value(&old, "hw_scsi_model"), Some("lsiLogic"));
        let both = of(&[
            ("vm_mode", "xen"),
            ("hw_vm_mode", "hvm"),
            ("vmware_adaptertype", "ide"),
        ]);
        assert_eq!(value(&both, "hw_vm_mode"), Some("hvm"));
        assert_eq!(value(&both, "hw_disk_bus"), Some("ide"));
        assert!(check(&of(&[("vm_mode", "nope")])).is_err());
        let mapped = of(&[("mappings", "[{\"virtual\": \"ami\"}]")]);
        let said = refuse(&mapped).unwrap_err().to_string();
        assert!(said.starts_with("Image property mappings="), "{said}");
    }
}
