#![allow(clippy::disallowed_methods)] // tests run programs as people do

use std::io::{Cursor, Write};
use std::process::Command;

use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;
const MOST: u64 = 1 << 44;

fn look(data: &[u8], disk_format: &str) -> Result<Inspected, Refusal> {
    inspect(
        &mut Cursor::new(data),
        &Declared::new(disk_format, "bare"),
        MOST,
    )
}

fn qemu_img(arguments: &[&str]) {
    let run = Command::new("qemu-img")
        .args(arguments)
        .output()
        .expect("qemu-img is installed");
    assert!(
        run.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// An image made by qemu-img, with a little data in it.
fn made(format: &str, options: &str, size: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("folder");
    let raw = folder.path().join("raw");
    let mut file = std::fs::File::create(&raw).expect("raw");
    file.write_all(&[7; 200_000]).expect("written");
    let (raw, to) = (
        raw.display().to_string(),
        folder.path().join("to").display().to_string(),
    );
    qemu_img(&["resize", "-q", "-f", "raw", &raw, size]);
    let mut arguments = vec!["convert", "-f", "raw", "-O", format];
    if !options.is_empty() {
        arguments.extend(["-o", options]);
    }
    arguments.extend([raw.as_str(), to.as_str()]);
    qemu_img(&arguments);
    std::fs::read(to).expect("made")
}

/// An image made by `qemu-img create`, with a backing file beside it.
fn created(arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    qemu_img(&["create", "-q", "-f", "qcow2", &path("base"), "1M"]);
    qemu_img(&["create", "-q", "-f", "vmdk", &path("base.vmdk"), "1M"]);
    let mut all = vec!["create".to_owned(), "-q".to_owned()];
    all.extend(
        arguments
            .iter()
            .map(|one| one.replace("DIR", &folder.path().display().to_string())),
    );
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    qemu_img(&all);
    std::fs::read(path("to")).expect("made")
}

fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A disk with a partition table.
fn partitioned() -> Vec<u8> {
    let mut disk = vec![0; 65_536];
    put(
        &mut disk,
        446,
        &[0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 100, 0, 0, 0],
    );
    put(&mut disk, 510, &[0x55, 0xaa]);
    disk
}

fn disc() -> Vec<u8> {
    let mut disc = vec![0; 65_536];
    put(&mut disc, 0x8000, b"\x01CD001\x01");
    put(&mut disc, 0x8000 + 80, &20u32.to_le_bytes());
    put(&mut disc, 0x8000 + 128, &2048u16.to_le_bytes());
    disc
}

#[test]
fn what_qemu_img_makes_is_accepted_with_its_size() {
    for (format, options, disk_format) in [
        ("qcow2", "", "qcow2"),
        ("qcow2", "compat=0.10", "qcow2"),
        ("qcow2", "cluster_size=512", "qcow2"),
        ("qcow2", "cluster_size=2M,lazy_refcounts=on", "qcow2"),
        ("qcow2", "extended_l2=on,cluster_size=64k", "qcow2"),
        ("qcow2", "compression_type=zstd", "qcow2"),
        ("qcow2", "preallocation=metadata,refcount_bits=64", "qcow2"),
        ("vmdk", "", "vmdk"),
        ("vmdk", "subformat=streamOptimized", "vmdk"),
        ("vpc", "subformat=dynamic,force_size=on", "vhd"),
        ("vpc", "subformat=fixed,force_size=on", "vhd"),
        ("vhdx", "", "vhdx"),
        ("vhdx", "subformat=fixed", "vhdx"),
        ("vdi", "", "vdi"),
        ("vdi", "static=on", "vdi"),
        ("parallels", "", "ploop"),
    ] {
        let data = made(format, options, "16M");
        let found = look(&data, disk_format);
        let found = found.unwrap_or_else(|why| panic!("{format} {options}: {why}"));
        assert_eq!(found.virtual_size, Some(16 << 20), "{format} {options}");
        let disguised = look(&data, "raw");
        assert!(
            matches!(disguised, Err(Refusal::Mismatch { .. })),
            "{format} as raw"
        );
        let other = if disk_format == "qcow2" {
            "vmdk"
        } else {
            "qcow2"
        };
        assert!(
            matches!(look(&data, other), Err(Refusal::Mismatch { .. })),
            "{format} as {other}"
        );
    }
}

#[test]
fn large_thin_disks_are_accepted_until_the_limit() {
    let large = created(&["-f", "qcow2", "DIR/to", "8T"]);
    assert_eq!(
        look(&large, "qcow2").expect("fits").virtual_size,
        Some(8 << 40)
    );
    let declared = Declared::new("qcow2", "bare");
    let refused = inspect(&mut Cursor::new(&large), &declared, GIB);
    assert!(matches!(refused, Err(Refusal::TooLarge { .. })));
    for (format, disk_format) in [("vmdk", "vmdk"), ("vhdx", "vhdx"), ("vdi", "vdi")] {
        let large = created(&["-f", format, "DIR/to", "2T"]);
        assert_eq!(
            look(&large, disk_format).expect("fits").virtual_size,
            Some(2 << 40),
            "{format}"
        );
    }
}

#[test]
fn data_without_marks_is_raw_and_nothing_else() {
    let plain = vec![7; 10_000];
    for disk_format in ["raw", "ami", "aki", "ari"] {
        assert_eq!(
            look(&plain, disk_format).expect("raw").virtual_size,
            Some(10_000)
        );
    }
    assert_eq!(look(&[], "raw").expect("empty").virtual_size, Some(0));
    for disk_format in ["qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso", "ploop"] {
        assert!(
            matches!(look(&plain, disk_format), Err(Refusal::Mismatch { .. })),
            "{disk_format}"
        );
        assert!(look(&[], disk_format).is_err(), "{disk_format}");
    }
}

#[test]
fn disks_with_partitions_and_discs_may_be_raw() {
    assert_eq!(
        look(&partitioned(), "raw").expect("raw").formats,
        [Format::Gpt]
    );
    assert_eq!(
        look(&disc(), "raw").expect("raw").virtual_size,
        Some(65_536)
    );
    assert_eq!(
        look(&disc(), "iso").expect("iso").virtual_size,
        Some(40_960)
    );
    let mut hybrid = disc();
    hybrid[..512].copy_from_slice(&partitioned()[..512]);
    assert_eq!(
        look(&hybrid, "iso").expect("hybrid").formats,
        [Format::Iso, Format::Gpt]
    );
    assert!(look(&partitioned(), "iso").is_err());
    let mut luks = vec![0; 4096];
    put(&mut luks, 0, b"LUKS\xba\xbe\0\x01");
    assert!(look(&luks, "raw").is_ok());
    luks[7] = 9;
    assert!(look(&luks, "raw").is_err());
}

#[test]
fn several_formats_at_once_are_refused() {
    let mut data = made("qcow2", "", "16M");
    put(&mut data, 0x8000, b"\x01CD001\x01");
    for disk_format in ["qcow2", "iso", "raw"] {
        assert!(
            matches!(look(&data, disk_format), Err(Refusal::Polyglot(_))),
            "{disk_format}"
        );
    }
    let mut data = made("qcow2", "", "16M");
    data[..512]
        .iter_mut()
        .skip(446)
        .zip(&partitioned()[446..512])
        .for_each(|(to, from)| *to = *from);
    assert!(matches!(look(&data, "qcow2"), Err(Refusal::Polyglot(_))));
    let mut data = made("vdi", "", "16M");
    put(&mut data, 0, b"KDMV");
    assert!(matches!(look(&data, "vdi"), Err(Refusal::Polyglot(_))));
}

#[test]
fn other_files_are_never_named() {
    let backed = created(&["-f", "qcow2", "-b", "DIR/base", "-F", "qcow2", "DIR/to"]);
    assert!(matches!(look(&backed, "qcow2"), Err(Refusal::BackingFile)));
    let data = created(&["-f", "qcow2", "-o", "data_file=DIR/data", "DIR/to", "1M"]);
    assert!(matches!(look(&data, "qcow2"), Err(Refusal::DataFile)));
    let data = created(&[
        "-f",
        "qcow2",
        "-o",
        "data_file=DIR/data,data_file_raw=on",
        "DIR/to",
        "1M",
    ]);
    assert!(matches!(look(&data, "qcow2"), Err(Refusal::DataFile)));
    for subformat in [
        "monolithicFlat",
        "twoGbMaxExtentSparse",
        "twoGbMaxExtentFlat",
    ] {
        let option = format!("subformat={subformat}");
        let text = created(&["-f", "vmdk", "-o", &option, "DIR/to", "1M"]);
        assert!(
            matches!(look(&text, "vmdk"), Err(Refusal::Extents)),
            "{subformat}"
        );
        assert!(look(&text, "raw").is_err(), "{subformat} as raw");
    }
    let backed = created(&["-f", "vmdk", "-b", "DIR/base.vmdk", "-F", "vmdk", "DIR/to"]);
    assert!(matches!(look(&backed, "vmdk"), Err(Refusal::Parent)));
}

#[test]
fn a_vmdk_must_describe_itself_and_nothing_more() {
    let good = made("vmdk", "", "16M");
    let at = 512;
    let text = String::from_utf8_lossy(&good[at..at + 1024]).into_owned();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        let changed = text.replacen(from, to, 1);
        let mut data = good.clone();
        let end = changed.len().min(1024);
        put(&mut data, at, &changed.as_bytes()[..end]);
        look(&data, "vmdk").map(|found| found.virtual_size)
    };
    assert!(with("RW", "RW").is_ok());
    assert!(with("SPARSE \"", "SPARSE \"/").is_err());
    assert!(with(" SPARSE ", " FLAT   ").is_err());
    assert!(with("RW 32768", "RW 32767").is_err());
    assert!(with("monolithicSparse", "monolithicFlat  ").is_err());
    assert!(with("parentCID=ffffffff", "parentCID=12345678").is_err());
    assert!(with("CID=", "changeTrackPath=").is_err());
    assert!(with("# Extent description", "RW 1 FLAT \"passwd\" ").is_err());
}

#[test]
fn a_vmdk_with_a_short_content_id_is_accepted_and_text_behind_its_end_is_not() {
    let good = made("vmdk", "", "16M");
    let at = 512;
    let end = at
        + good[at..]
            .iter()
            .position(|&byte| byte == 0)
            .expect("an end");
    let text = String::from_utf8_lossy(&good[at..end]).into_owned();
    let (front, back) = text.split_once("CID=").expect("a content id");
    let back = &back[back.find('\n').expect("a line")..];
    // As QEMU writes the id 0x1f over one of eight digits: what was longer stays behind the new end.
    let mut short = good.clone();
    let old = format!("{front}CID=fffffffe{back}");
    put(&mut short, at, old.as_bytes());
    put(&mut short, at, format!("{front}CID=1f{back}\0").as_bytes());
    assert!(look(&short, "vmdk").is_ok());
    let mut hidden = short.clone();
    put(&mut hidden, at + old.len() - 2, b"RW");
    assert!(look(&hidden, "vmdk").is_err());
    put(&mut short, at + old.len() + 100, b"RW 1 FLAT \"passwd\"");
    assert!(look(&short, "vmdk").is_err());
}

#[test]
fn encrypted_and_unknown_qcow2_is_refused() {
    let good = made("qcow2", "", "16M");
    let with = |at: usize, bytes: &[u8]| {
        let mut data = good.clone();
        put(&mut data, at, bytes);
        look(&data, "qcow2")
    };
    assert!(with(0, b"QFI\xfb").is_ok());
    assert!(matches!(
        with(4, &1u32.to_be_bytes()),
        Err(Refusal::NotAccepted(Format::Qcow))
    ));
    assert!(with(4, &4u32.to_be_bytes()).is_err());
    assert!(matches!(
        with(8, &512u64.to_be_bytes()),
        Err(Refusal::BackingFile)
    ));
    assert!(matches!(
        with(16, &5u32.to_be_bytes()),
        Err(Refusal::BackingFile)
    ));
    assert!(with(20, &30u32.to_be_bytes()).is_err());
    assert!(matches!(
        with(32, &2u32.to_be_bytes()),
        Err(Refusal::Encrypted)
    ));
    assert!(matches!(
        with(72, &(1u64 << 5).to_be_bytes()),
        Err(Refusal::UnknownFeatures(_))
    ));
    assert!(matches!(
        with(72, &(1u64 << 63).to_be_bytes()),
        Err(Refusal::UnknownFeatures(_))
    ));
    assert!(matches!(
        with(72, &4u64.to_be_bytes()),
        Err(Refusal::DataFile)
    ));
    assert!(with(72, &2u64.to_be_bytes()).is_err(), "corrupt");
    assert!(with(100, &7u32.to_be_bytes()).is_err(), "header length");
    let mut extension = good.clone();
    put(&mut extension, 112, &0x4441_5441u32.to_be_bytes());
    assert!(matches!(look(&extension, "qcow2"), Err(Refusal::DataFile)));
    put(&mut extension, 112, &0x0537_be77u32.to_be_bytes());
    assert!(matches!(look(&extension, "qcow2"), Err(Refusal::Encrypted)));
}

#[test]
fn qcow2_bombs_are_refused() {
    let good = made("qcow2", "", "16M");
    let with = |at: usize, bytes: &[u8]| {
        let mut data = good.clone();
        put(&mut data, at, bytes);
        look(&data, "qcow2")
    };
    assert!(with(24, &u64::MAX.to_be_bytes()).is_err(), "disk size");
    assert!(
        with(24, &(1u64 << 50).to_be_bytes()).is_err(),
        "disk larger than its L1 table"
    );
    assert!(with(36, &u32::MAX.to_be_bytes()).is_err(), "L1 entries");
    assert!(with(36, &0u32.to_be_bytes()).is_err(), "no L1 entries");
    assert!(with(40, &(1u64 << 40).to_be_bytes()).is_err(), "L1 outside");
    assert!(with(40, &3u64.to_be_bytes()).is_err(), "L1 not aligned");
    assert!(with(56, &u32::MAX.to_be_bytes()).is_err(), "refcount table");
    assert!(with(60, &u32::MAX.to_be_bytes()).is_err(), "snapshots");
}

#[test]
fn internal_snapshots_are_fine() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("snap").display().to_string();
    qemu_img(&["create", "-q", "-f", "qcow2", &path, "16M"]);
    qemu_img(&["snapshot", "-c", "one", &path]);
    let data = std::fs::read(path).expect("made");
    assert!(look(&data, "qcow2").is_ok());
}

#[test]
fn formats_that_nobody_needs_are_refused() {
    let qed = created(&["-f", "qed", "DIR/to", "1M"]);
    for disk_format in ["raw", "qcow2", "qed"] {
        assert!(look(&qed, disk_format).is_err(), "{disk_format}");
    }
    let old = created(&["-f", "qcow", "DIR/to", "1M"]);
    assert!(matches!(
        look(&old, "qcow2"),
        Err(Refusal::NotAccepted(Format::Qcow))
    ));
    let text = b"# a comment\n\nversion=1\nRW 63 FLAT \"/etc/passwd\" 0\n";
    assert!(look(text, "raw").is_err());
    assert!(look(text, "vmdk").is_err());
}

#[test]
fn differences_to_a_parent_are_refused() {
    let mut vhd = made("vpc", "subformat=dynamic,force_size=on", "16M");
    let end = vhd.len() - 512;
    for at in [0, end] {
        put(&mut vhd, at + 60, &4u32.to_be_bytes());
        put(&mut vhd, at + 64, &[0; 4]);
        let sum: u32 = vhd[at..at + 512].iter().map(|byte| u32::from(*byte)).sum();
        put(&mut vhd, at + 64, &(!sum).to_be_bytes());
    }
    assert!(matches!(look(&vhd, "vhd"), Err(Refusal::Parent)));
    let mut vdi = made("vdi", "", "16M");
    put(&mut vdi, 0x4c, &4u32.to_le_bytes());
    assert!(matches!(look(&vdi, "vdi"), Err(Refusal::Parent)));
    let mut vdi = made("vdi", "", "16M");
    put(&mut vdi, 0x1b8, &[1; 16]);
    assert!(matches!(look(&vdi, "vdi"), Err(Refusal::Parent)));
}

#[test]
fn archives_are_taken_as_they_are_but_hide_no_disk() {
    let archive =
        |data: &[u8]| inspect(&mut Cursor::new(data), &Declared::new("vmdk", "ova"), MOST);
    assert_eq!(archive(&[7; 1000]).expect("an archive").virtual_size, None);
    assert!(
        archive(&created(&[
            "-f", "qcow2", "-b", "DIR/base", "-F", "qcow2", "DIR/to"
        ]))
        .is_err()
    );
    assert!(archive(&made("qcow2", "", "16M")).is_err());
}

/// Small images of all formats, for mutation.
fn seeds() -> &'static [(Vec<u8>, &'static str)] {
    static SEEDS: std::sync::OnceLock<Vec<(Vec<u8>, &'static str)>> = std::sync::OnceLock::new();
    SEEDS.get_or_init(|| {
        [
            ("qcow2", "", "qcow2"),
            ("qcow2", "compat=0.10", "qcow2"),
            ("vmdk", "", "vmdk"),
            ("vmdk", "subformat=streamOptimized", "vmdk"),
            ("vpc", "subformat=dynamic,force_size=on", "vhd"),
            ("vpc", "subformat=fixed,force_size=on", "vhd"),
            ("vhdx", "", "vhdx"),
            ("vdi", "", "vdi"),
            ("parallels", "", "ploop"),
        ]
        .map(|(format, options, disk_format)| (made(format, options, "1M"), disk_format))
        .to_vec()
    })
}

/// A reader that counts what is read of it.
struct Counted<'a>(Cursor<&'a [u8]>, u64);

impl std::io::Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1 += read as u64;
        Ok(read)
    }
}

impl std::io::Seek for Counted<'_> {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

/// More than any honest image needs, far less than reading all of a large one.
const MOST_READ: u64 = 8 << 20;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_mutation_makes_it_panic_or_read_much(
        seed in 0usize..9,
        changes in prop::collection::vec((0usize..400_000, any::<[u8; 8]>(), 1usize..8), 1..6),
        near in any::<bool>(),
        cut in prop::option::of(0usize..400_000),
        declared in prop::sample::select(vec!["raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "ploop", "iso"]),
        own in any::<bool>(),
    ) {
        let (data, disk_format) = &seeds()[seed];
        let mut data = data.clone();
        for (at, bytes, count) in changes {
            let span = if near { data.len().min(1024) } else { data.len() };
            let at = at % span;
            for (offset, byte) in bytes.iter().take(count).enumerate() {
                if let Some(place) = data.get_mut(at + offset) {
                    *place = *byte;
                }
            }
        }
        if let Some(cut) = cut {
            data.truncate(cut);
        }
        let mut reader = Counted(Cursor::new(&data), 0);
        let declared = Declared::new(if own { disk_format } else { declared }, "bare");
        if let Ok(found) = inspect(&mut reader, &declared, MOST) {
            prop_assert!(found.virtual_size.is_none_or(|size| size <= MOST));
        }
        prop_assert!(reader.1 <= MOST_READ, "{} bytes read", reader.1);
    }

    #[test]
    fn random_headers_do_not_make_it_panic(mut data in prop::collection::vec(any::<u8>(), 0..5000), magic in 0usize..6) {
        let magics: [&[u8]; 6] = [b"QFI\xfb\0\0\0\x03", b"KDMV", b"conectix", b"vhdxfile", b"WithouFreSpacExt", b""];
        let length = magics[magic].len().min(data.len());
        data[..length].copy_from_slice(&magics[magic][..length]);
        for declared in ["raw", "qcow2", "vmdk", "vhd", "vhdx", "ploop"] {
            let _ = look(&data, declared);
        }
    }
}
