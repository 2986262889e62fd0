//! The inspector: what image data really is, and whether it is safe to hand to QEMU.
//!
//! Pure over a reader that can seek; reads headers only, never more than [`source::MOST`] bytes at
//! once, and never panics, whatever the data. Promises about data that passes:
//! - it is what the image's `disk_format` says, and nothing else at the same time (no polyglots:
//!   what one program takes for raw, another must not take for qcow2);
//! - it names no other file: no backing file, data file, parent or foreign extent;
//! - it needs no feature that we do not know, and its tables have sizes that QEMU accepts;
//! - the disk in it is at most as large as allowed.

mod detect;
mod plain;
mod qcow2;
mod source;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;

use std::io::{Read, Seek};

pub use detect::Format;
use source::Source;

/// What an image says that its data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    disk: String,
    /// The data is an archive with the disk somewhere in it.
    archive: bool,
}

impl Declared {
    /// From the image's `disk_format` and `container_format`.
    pub fn new(disk_format: &str, container_format: &str) -> Self {
        Declared {
            disk: disk_format.to_owned(),
            archive: matches!(container_format, "ovf" | "ova" | "docker" | "compressed"),
        }
    }
}

/// What was found in accepted data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The formats recognised; none for data without structure.
    pub formats: Vec<Format>,
    /// Bytes of the disk; none for an archive, which is not looked into.
    pub virtual_size: Option<u64>,
}

/// Why data is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not the data's fault.
    #[error("it cannot be read")]
    Unreadable(#[from] std::io::Error),
    #[error("its disk_format is {declared}, but the data is {found}")]
    Mismatch { declared: String, found: String },
    #[error("it is several formats at once: {0}")]
    Polyglot(String),
    #[error("{0} images are not accepted")]
    NotAccepted(Format),
    #[error("it has a backing file")]
    BackingFile,
    #[error("it keeps its data in another file")]
    DataFile,
    #[error("it is a difference to a parent image")]
    Parent,
    #[error("it is encrypted")]
    Encrypted,
    #[error("it needs features that are not known: {0:#x}")]
    UnknownFeatures(u64),
    #[error("its extents lie outside of it, or are not described as one sparse disk")]
    Extents,
    #[error("the disk in it has {size} bytes, more than the {most} allowed")]
    TooLarge { size: u64, most: u64 },
    #[error("its {0} header is wrong: {1}")]
    Malformed(Format, &'static str),
}

/// Decides about the data behind `reader`. `most` is the largest disk in bytes.
pub fn inspect<R: Read + Seek>(
    reader: &mut R,
    declared: &Declared,
    most: u64,
) -> Result<Inspected, Refusal> {
    let mut source = Source::new(reader)?;
    let formats = detect::detect(&mut source)?;
    let main = single(&formats)?;
    let size = match main {
        None => source.size(),
        Some(format) => check(format, &mut source)?,
    };
    let virtual_size = agree(declared, main, size, source.size())?;
    let largest = virtual_size.unwrap_or(0).max(size);
    if largest > most {
        return Err(Refusal::TooLarge {
            size: largest,
            most,
        });
    }
    Ok(Inspected {
        formats,
        virtual_size,
    })
}

/// The one format that counts. Several are refused but for those that belong together: a hybrid ISO
/// has a partition table in front, and a fixed VHD is a raw disk with a footer.
fn single(formats: &[Format]) -> Result<Option<Format>, Refusal> {
    match formats {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        [Format::Iso, Format::Gpt] => Ok(Some(Format::Iso)),
        [Format::VhdFixed, rest @ ..] if rest.iter().all(|format| format.is_plain()) => {
            Ok(Some(Format::VhdFixed))
        }
        several => {
            let names: Vec<_> = several.iter().map(Format::to_string).collect();
            Err(Refusal::Polyglot(names.join(" and ")))
        }
    }
}

/// The format's own rules; gives the size of the disk in it.
fn check<R: Read + Seek>(format: Format, source: &mut Source<R>) -> Result<u64, Refusal> {
    match format {
        Format::Qcow2 => qcow2::check(source),
        Format::Vmdk => vmdk::check(source),
        Format::VhdFixed => vhd::check_fixed(source),
        Format::VhdDynamic => vhd::check_dynamic(source),
        Format::Vhdx => vhdx::check(source),
        Format::Vdi => vdi::check(source),
        Format::Iso => plain::iso(source),
        Format::Luks => plain::luks(source),
        Format::Gpt => Ok(source.size()),
        Format::Ploop => plain::ploop(source),
        Format::VmdkText => Err(Refusal::Extents),
        Format::Qed
        | Format::Qcow
        | Format::VmdkEsx
        | Format::Bochs
        | Format::Cloop
        | Format::Dmg => Err(Refusal::NotAccepted(format)),
    }
}

/// Whether what was found is what was declared; gives the size of the disk as the image is used.
fn agree(
    declared: &Declared,
    found: Option<Format>,
    size: u64,
    file: u64,
) -> Result<Option<u64>, Refusal> {
    let same = found.is_some_and(|format| format.disk_format() == declared.disk);
    if same {
        return Ok(Some(size));
    }
    let plain = found.is_none_or(|format| format.is_plain());
    if plain && declared.archive {
        return Ok(None);
    }
    let as_bytes = matches!(declared.disk.as_str(), "raw" | "ami" | "aki" | "ari");
    if plain && as_bytes {
        return Ok(Some(file));
    }
    // A format that an operator added and that has no marks of its own.
    if found.is_none() && !detect::known(&declared.disk) {
        return Ok(Some(file));
    }
    Err(Refusal::Mismatch {
        declared: declared.disk.clone(),
        found: found.map_or("raw".to_owned(), |format| format.to_string()),
    })
}

#[cfg(test)]
mod tests;
