//! Making qcow2 files without a helper process: an empty disk, or an overlay over a base image, is a few hundred bytes
//! of header. QEMU's own tool needs 20 to 30 ms for the same, which is a third of what starting a guest may cost.
//!
//! Layout (version 3, 64 KiB clusters): header, reference count table, one reference count block, first-level table.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{Error, ErrorKind, Read, Result};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const CLUSTER: u64 = 1 << 16;
/// A first-level entry maps one cluster of 8-byte entries, a cluster each.
const L1_SPAN: u64 = CLUSTER / 8 * CLUSTER;
const MAGIC: &[u8; 4] = b"QFI\xfb";
const HEADER: usize = 104;
/// Header extension that names the format of the backing file, so that no tool ever guesses it.
const BACKING_FORMAT: u32 = 0xE279_2ACA;
/// QEMU's own limit for the first-level table of a disk it opens is 32 MiB: 2 PiB here.
const MAX_SIZE: u64 = 1 << 50;

/// The file below an overlay.
#[derive(Clone, Copy, Debug)]
pub struct Backing<'a> {
    /// Absolute path, below 1024 bytes.
    pub path: &'a Path,
    /// `raw` or `qcow2`.
    pub format: &'a str,
}

/// Creates `path` (which must not exist, mode 0600), with its data synced, showing `virtual_size` bytes, rounded up to whole sectors.
///
/// # Errors
/// The file exists, cannot be written, or size or backing path are beyond what the format holds.
pub fn create(path: &Path, virtual_size: u64, backing: Option<Backing<'_>>) -> Result<()> {
    let (header, clusters) = header(virtual_size, backing)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.set_len(clusters * CLUSTER)?;
    file.write_all_at(&header, 0)?;
    file.write_all_at(&(2 * CLUSTER).to_be_bytes(), CLUSTER)?;
    let counts: Vec<u8> = (0..clusters).flat_map(|_| 1_u16.to_be_bytes()).collect();
    file.write_all_at(&counts, 2 * CLUSTER)?;
    file.sync_all()
}

/// The header cluster's content, and how many clusters the file begins with.
fn header(virtual_size: u64, backing: Option<Backing<'_>>) -> Result<(Vec<u8>, u64)> {
    let size = virtual_size.div_ceil(512).saturating_mul(512);
    let l1_entries = size.div_ceil(L1_SPAN).max(1);
    let clusters = 3 + (l1_entries * 8).div_ceil(CLUSTER);
    if size > MAX_SIZE {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the disk is too large for this format",
        ));
    }
    let mut header = vec![0_u8; HEADER];
    let mut put =
        |offset: usize, bytes: &[u8]| header[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(0, MAGIC);
    put(4, &3_u32.to_be_bytes());
    put(20, &16_u32.to_be_bytes()); // 2^16 bytes in a cluster
    put(24, &size.to_be_bytes());
    put(
        36,
        &u32::try_from(l1_entries)
            .map_err(Error::other)?
            .to_be_bytes(),
    );
    put(40, &(3 * CLUSTER).to_be_bytes()); // first-level table
    put(48, &CLUSTER.to_be_bytes()); // reference count table
    put(56, &1_u32.to_be_bytes()); // of one cluster
    put(96, &4_u32.to_be_bytes()); // counts of 2^4 bits
    put(100, &(HEADER as u32).to_be_bytes());
    if let Some(backing) = backing {
        let name = backing.path.as_os_str().as_encoded_bytes();
        if name.is_empty() || name.len() >= 1024 {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the path of the base image is too long",
            ));
        }
        extension(&mut header, BACKING_FORMAT, backing.format.as_bytes());
        extension(&mut header, 0, &[]);
        let offset = header.len() as u64;
        header[8..16].copy_from_slice(&offset.to_be_bytes());
        header[16..20].copy_from_slice(&(name.len() as u32).to_be_bytes());
        header.extend_from_slice(name);
    }
    Ok((header, clusters))
}

/// Appends a header extension, padded to eight bytes.
fn extension(header: &mut Vec<u8>, kind: u32, data: &[u8]) {
    header.extend_from_slice(&kind.to_be_bytes());
    header.extend_from_slice(&(data.len() as u32).to_be_bytes());
    header.extend_from_slice(data);
    header.resize(header.len().next_multiple_of(8), 0);
}

/// Incompatible features that a disk of ours may get from QEMU: dirty, corrupt, another compression, subclusters.
/// Missing is the data file: its name in the header would make QEMU open whatever it names.
const FEATURES: u64 = 0b1_1011;

/// Bytes that a guest sees of a qcow2 file of ours. QEMU has the file open for writing while the guest runs, so that
/// the header is looked at again before another program opens it.
///
/// # Errors
/// It cannot be read or is no qcow2; or its header says that data lies in another file, that it is encrypted, or
/// something that we do not know.
pub fn virtual_size(path: &Path) -> Result<u64> {
    let mut header = [0_u8; HEADER];
    std::fs::File::open(path)?.read_exact(&mut header)?;
    let number = |at: usize| {
        let mut bytes = [0_u8; 8];
        bytes.copy_from_slice(&header[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    let wrong = |why| Err(Error::new(ErrorKind::InvalidData, why));
    if &header[..4] != MAGIC {
        return wrong("no qcow2 file");
    }
    if header[32..36] != [0; 4] {
        return wrong("the disk is encrypted");
    }
    // Version 2 ends before the features.
    if header[4..8] != [0, 0, 0, 2] && number(72) & !FEATURES != 0 {
        return wrong(
            "the disk keeps its data in another file, or has features that are not known",
        );
    }
    Ok(number(24))
}

/// The file below a qcow2 file, as its header names it; none when it stands alone.
///
/// # Errors
/// It cannot be read, is no qcow2, or names what is no path.
pub fn backing_file(path: &Path) -> Result<Option<PathBuf>> {
    let mut header = [0_u8; 20];
    let file = std::fs::File::open(path)?;
    file.read_exact_at(&mut header, 0)?;
    let wrong = || Error::new(ErrorKind::InvalidData, "no qcow2 file");
    if &header[..4] != MAGIC {
        return Err(wrong());
    }
    let (mut offset, mut length) = ([0_u8; 8], [0_u8; 4]);
    offset.copy_from_slice(&header[8..16]);
    length.copy_from_slice(&header[16..20]);
    let (offset, length) = (u64::from_be_bytes(offset), u32::from_be_bytes(length));
    if offset == 0 {
        return Ok(None);
    }
    if length >= 1024 {
        return Err(wrong());
    }
    let mut name = vec![0; length as usize];
    file.read_exact_at(&mut name, offset)?;
    Ok(Some(PathBuf::from(OsString::from_vec(name))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)] // tests run programs as people do

    use std::process::Command;

    use super::*;

    fn qemu_img(args: &[&str], file: &Path) -> Option<String> {
        let output = Command::new("qemu-img")
            .args(args)
            .arg(file)
            .output()
            .ok()?;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[test]
    fn a_disk_names_the_file_below_it() {
        let dir = tempfile::tempdir().unwrap();
        let (alone, overlay) = (dir.path().join("alone"), dir.path().join("overlay"));
        create(&alone, 1 << 20, None).unwrap();
        assert_eq!(backing_file(&alone).unwrap(), None);
        let backing = Backing {
            path: &alone,
            format: "qcow2",
        };
        create(&overlay, 1 << 20, Some(backing)).unwrap();
        assert_eq!(backing_file(&overlay).unwrap(), Some(alone));
        assert!(backing_file(dir.path()).is_err());
    }

    #[test]
    fn qemu_img_finds_nothing_wrong_with_empty_disks_of_any_size() {
        let dir = tempfile::tempdir().unwrap();
        for size in [0, 1 << 20, (10 << 30) + 1, 5_u64 << 40] {
            let path = dir.path().join(size.to_string());
            create(&path, size, None).unwrap();
            assert_eq!(virtual_size(&path).unwrap(), size.div_ceil(512) * 512);
            let Some(check) = qemu_img(&["check", "-f", "qcow2"], &path) else {
                skips::skip("qemu-img (package qemu-utils) is not installed");
                return;
            };
            assert!(check.contains("No errors"), "{check}");
        }
    }

    #[test]
    fn an_overlay_names_its_base_and_the_base_format() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base, with odd name.raw");
        std::fs::write(&base, vec![7_u8; 1 << 20]).unwrap();
        let overlay = dir.path().join("overlay");
        create(
            &overlay,
            1 << 30,
            Some(Backing {
                path: &base,
                format: "raw",
            }),
        )
        .unwrap();
        let Some(info) = qemu_img(&["info", "--output=json", "-f", "qcow2"], &overlay) else {
            return;
        };
        assert!(
            info.contains("\"backing-filename-format\": \"raw\"") && info.contains("odd name"),
            "{info}"
        );
        assert!(info.contains("\"virtual-size\": 1073741824"), "{info}");
        assert!(
            qemu_img(&["check", "-f", "qcow2"], &overlay)
                .unwrap()
                .contains("No errors")
        );
    }

    #[test]
    fn a_header_that_sends_qemu_to_another_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        create(&path, 1 << 20, None).unwrap();
        for (at, value, passes) in [
            (79, 0b11, true),
            (79, 0b100, false),
            (79, 0b10_0000, false),
            (35, 1, false),
        ] {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .unwrap();
            let mut kept = [0];
            file.read_exact_at(&mut kept, at).unwrap();
            file.write_all_at(&[value], at).unwrap();
            assert_eq!(virtual_size(&path).is_ok(), passes, "{value} at {at}");
            file.write_all_at(&kept, at).unwrap();
        }
    }

    #[test]
    fn a_file_that_exists_is_never_overwritten() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(create(file.path(), 1 << 20, None).is_err());
        assert!(virtual_size(file.path()).is_err());
    }
}
