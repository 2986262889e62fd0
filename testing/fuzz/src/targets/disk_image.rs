//! The inspector of image formats: `crates/foundation/disk-image`.
//!
//! The first byte of the input says what the data claims to be, the rest is the data. What passes is looked at again
//! with a few lines that do not know the inspector: its first bytes must not be another format's, and a qcow2 must not
//! name other files.

use std::io::Cursor;

use disk_image::{Declared, inspect};

/// Disk and container formats as images state them.
const DECLARED: &[(&str, &str)] = &[
    ("raw", "bare"),
    ("qcow2", "bare"),
    ("vmdk", "bare"),
    ("vdi", "bare"),
    ("vhd", "bare"),
    ("vhdx", "bare"),
    ("iso", "bare"),
    ("ploop", "bare"),
    ("ami", "ami"),
    ("aki", "aki"),
    ("ari", "ari"),
    ("vmdk", "ova"),
    ("raw", "compressed"),
    ("no such format", "bare"),
];

/// Signatures by which QEMU takes data for something else than raw: format, place, bytes. LUKS is missing: a disk may
/// be encrypted as a whole by its guest.
const MAGIC: &[(&str, usize, &[u8])] = &[
    ("qcow2", 0, b"QFI\xfb"),
    ("vmdk", 0, b"KDMV"),
    ("vmdk", 0, b"COWD"),
    ("vhdx", 0, b"vhdxfile"),
    ("vhd", 0, b"conectix"),
    ("qed", 0, b"QED\0"),
    ("vdi", 64, b"\x7f\x10\xda\xbe"),
];

pub const WORDS: &[&[u8]] = &[
    b"QFI\xfb",
    b"KDMV",
    b"COWD",
    b"vhdxfile",
    b"conectix",
    b"cxsparse",
    b"QED\0",
    b"LUKS\xba\xbe",
    b"\x7f\x10\xda\xbe",
    b"# Disk DescriptorFile",
    b"createType=\"monolithicSparse\"",
    b"RW 2048 SPARSE \"disk.vmdk\"",
    b"RW 2048 FLAT \"/etc/hostname\" 0",
    b"CD001",
    b"\x55\xaa",
    b"json:{\"file\":{\"filename\":\"/etc/hostname\"}}",
    b"\x44\x41\x54\x41",
    b"\xe2\x79\x2a\xca",
];

/// Disks may be this large.
const MOST: u64 = 1 << 40;

pub fn run(input: &[u8]) {
    let Some((choice, data)) = input.split_first() else {
        return;
    };
    let (disk, container) = DECLARED[usize::from(*choice) % DECLARED.len()];
    let declared = Declared::new(disk, container);
    let Ok(found) = inspect(&mut Cursor::new(data), &declared, MOST) else {
        return;
    };
    if let Some(size) = found.virtual_size {
        assert!(size <= MOST, "{disk} of {size} bytes passed");
    }
    if container != "bare" {
        return;
    }
    if disk == "raw" {
        for (format, at, magic) in MAGIC {
            let there = data.get(*at..).is_some_and(|rest| rest.starts_with(magic));
            assert!(!there, "{format} passed as raw");
        }
    }
    if disk == "qcow2" {
        let word = |at: usize| {
            let bytes = data.get(at..at + 8).expect("an accepted header is whole");
            u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
        };
        assert!(data.starts_with(b"QFI\xfb"), "no qcow2 passed as qcow2");
        assert_eq!(word(8), 0, "a backing file passed");
        let version = word(0) & 0xffff_ffff;
        if version >= 3 {
            assert_eq!(word(72) & 0b100, 0, "a data file passed");
        }
    }
}
