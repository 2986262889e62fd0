//! Which formats the marks in the data belong to. Everything that QEMU probes for is here, so that
//! data called raw is nothing that QEMU could take for something else.

use std::fmt;
use std::io::{self, Read, Seek};

use super::source::{Source, be32, le32};

/// A format that has marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    Qcow2,
    Qcow,
    Qed,
    Vmdk,
    /// A VMDK descriptor without a disk: it only names extents elsewhere.
    VmdkText,
    VmdkEsx,
    VhdDynamic,
    VhdFixed,
    Vhdx,
    Vdi,
    Ploop,
    Bochs,
    Cloop,
    Dmg,
    Luks,
    Iso,
    /// A partition table, MBR or GPT.
    Gpt,
}

impl Format {
    /// Glance's name of it.
    pub fn disk_format(self) -> &'static str {
        match self {
            Format::Qcow2 => "qcow2",
            Format::Qcow => "qcow",
            Format::Qed => "qed",
            Format::Vmdk | Format::VmdkText | Format::VmdkEsx => "vmdk",
            Format::VhdDynamic | Format::VhdFixed => "vhd",
            Format::Vhdx => "vhdx",
            Format::Vdi => "vdi",
            Format::Ploop => "ploop",
            Format::Bochs => "bochs",
            Format::Cloop => "cloop",
            Format::Dmg => "dmg",
            Format::Luks => "luks",
            Format::Iso => "iso",
            Format::Gpt => "gpt",
        }
    }

    /// Whether the data may be used byte by byte as a disk as well: the marks are content of the
    /// disk rather than a wrapping of it.
    pub fn is_plain(self) -> bool {
        matches!(self, Format::Iso | Format::Gpt | Format::Luks)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.disk_format())
    }
}

/// Marks at the very beginning.
const MAGICS: [(&[u8], Format); 13] = [
    (b"QED\0", Format::Qed),
    (b"KDMV", Format::Vmdk),
    (b"COWD", Format::VmdkEsx),
    (b"# Disk DescriptorFile", Format::VmdkText),
    (b"conectix", Format::VhdDynamic),
    (b"vhdxfile", Format::Vhdx),
    (b"WithoutFreeSpace", Format::Ploop),
    (b"WithouFreSpacExt", Format::Ploop),
    (b"Bochs Virtual HD Image", Format::Bochs),
    (b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop", Format::Cloop),
    (b"LUKS\xba\xbe", Format::Luks),
    (b"version=", Format::VmdkText),
    (b"encoding=", Format::VmdkText),
];

/// Names of formats that have marks.
pub fn known(disk_format: &str) -> bool {
    [
        "qcow2", "qcow", "qed", "vmdk", "vhd", "vhdx", "vdi", "ploop", "iso", "luks", "gpt",
    ]
    .contains(&disk_format)
}

/// Where an ISO's or UDF's first volume descriptor lies.
pub const VOLUME: u64 = 0x8000;

/// All formats whose marks are there, in the order of [`Format`].
pub fn detect<R: Read + Seek>(source: &mut Source<R>) -> io::Result<Vec<Format>> {
    let head = source.read(0, 4096)?;
    let mut found = Vec::new();
    if head.starts_with(b"QFI\xfb") {
        found.push(if be32(&head, 4) == 1 {
            Format::Qcow
        } else {
            Format::Qcow2
        });
    }
    for (magic, format) in MAGICS {
        if head.starts_with(magic) {
            found.push(format);
        }
    }
    if !found.contains(&Format::VmdkText) && describes_vmdk(&head) {
        found.push(Format::VmdkText);
    }
    if le32(&head, 0x40) == 0xbeda_107f {
        found.push(Format::Vdi);
    }
    let tail = source.tail(512)?;
    if tail.starts_with(b"conectix") && !found.contains(&Format::VhdDynamic) {
        found.push(Format::VhdFixed);
    }
    if tail.starts_with(b"koly") {
        found.push(Format::Dmg);
    }
    let volume = source.read(VOLUME, 8)?;
    if [b"CD001", b"NSR02", b"NSR03", b"BEA01"]
        .iter()
        .any(|mark| volume[1..6] == mark[..])
    {
        found.push(Format::Iso);
    }
    if has_partitions(&head) && !found.contains(&Format::Luks) {
        found.push(Format::Gpt);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// QEMU takes text whose first lines are comments or blank and then `version=1` to `3` for a VMDK
/// descriptor; any text with its marks is refused here.
fn describes_vmdk(head: &[u8]) -> bool {
    let text = head
        .iter()
        .take_while(|&&byte| byte == b'\n' || byte == b'\r' || (b' '..0x7f).contains(&byte));
    let text: Vec<u8> = text.copied().collect();
    let text = String::from_utf8_lossy(&text);
    let mut lines = text
        .lines()
        .map(str::trim)
        .skip_while(|line| line.is_empty() || line.starts_with('#'));
    let first = lines.next().unwrap_or_default().to_ascii_lowercase();
    first.starts_with("version=") || text.contains("DescriptorFile")
}

/// A boot record whose four entries are all sane and of which one is used. A FAT boot sector and a
/// kernel carry the same signature over other content.
fn has_partitions(head: &[u8]) -> bool {
    if head[510..512] != [0x55, 0xaa] {
        return false;
    }
    let entries = head[446..510].chunks_exact(16);
    let sane = entries.clone().all(|entry| matches!(entry[0], 0 | 0x80));
    let used = entries
        .clone()
        .any(|entry| entry[4] != 0 && le32(entry, 12) != 0);
    sane && used
}
