//! The config drive: an ISO 9660 image with label `config-2`, Joliet and Rock Ridge names, as every cloud guest
//! expects it.

use std::collections::BTreeMap;
use std::io::Cursor;

use hadris_iso::read::PathSeparator;
use hadris_iso::write::options::{CreationFeatures, IsoFormatOptions};
use hadris_iso::write::{InputEntry, InputTree, IsoImageWriter, estimator};
use hypervisor::{ConfigDrive, DriverError, Result};

/// OpenStack's label; cloud-init looks for it.
const LABEL: &str = "config-2";

/// A folder being filled.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    files: BTreeMap<&'a str, &'a [u8]>,
}

/// The bytes of the image.
///
/// # Errors
/// `BadSpec` for a path that is empty, absolute, climbs, or is both file and folder; `Io` when the writer fails.
pub(crate) fn image(drive: &ConfigDrive) -> Result<Vec<u8>> {
    let mut root = Folder::default();
    for file in &drive.files {
        insert(&mut root, &file.path, &file.bytes.0)?;
    }
    let tree = InputTree::new(PathSeparator::ForwardSlash, entries(root));
    let options = IsoFormatOptions {
        volume_name: LABEL.to_owned(),
        system_id: None,
        volume_set_id: None,
        publisher_id: None,
        preparer_id: None,
        application_id: None,
        sector_size: 2048,
        features: CreationFeatures::extensions(),
        path_separator: PathSeparator::ForwardSlash,
        strict_charset: false,
    };
    let size = estimator::estimate_tree(&tree, &options).minimum_bytes();
    let mut buffer = Cursor::new(vec![0_u8; usize::try_from(size).unwrap_or(0)]);
    IsoImageWriter::create(&mut buffer, tree, options).map_err(|error| {
        DriverError::io("write the config drive")(std::io::Error::other(error.to_string()))
    })?;
    Ok(buffer.into_inner())
}

fn insert<'a>(root: &mut Folder<'a>, path: &'a str, bytes: &'a [u8]) -> Result<()> {
    let bad = |why: &str| DriverError::BadSpec {
        why: format!("config drive file {path:?}: {why}"),
    };
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts
        .iter()
        .any(|part| part.is_empty() || *part == "." || *part == "..")
    {
        return Err(bad("no plain relative path"));
    }
    let name = parts.pop().ok_or_else(|| bad("empty"))?;
    let mut folder = root;
    for part in parts {
        if folder.files.contains_key(part) {
            return Err(bad("a folder on its way is a file"));
        }
        folder = folder.folders.entry(part).or_default();
    }
    if folder.folders.contains_key(name) {
        return Err(bad("it is a folder too"));
    }
    folder.files.insert(name, bytes);
    Ok(())
}

fn entries(folder: Folder<'_>) -> Vec<InputEntry> {
    let folders = folder
        .folders
        .into_iter()
        .map(|(name, inner)| InputEntry::directory(name, entries(inner)));
    let files = folder
        .files
        .into_iter()
        .map(|(name, bytes)| InputEntry::file(name, bytes));
    folders.chain(files).collect()
}

#[cfg(test)]
mod tests {
    use hypervisor::ConfigFile;

    use super::*;

    fn drive(files: &[(&str, &[u8])]) -> ConfigDrive {
        let file = |(path, bytes): &(&str, &[u8])| ConfigFile {
            path: (*path).into(),
            bytes: bytes.to_vec().into(),
        };
        ConfigDrive {
            files: files.iter().map(file).collect(),
        }
    }

    #[test]
    fn isoinfo_reads_label_names_and_contents() {
        let image = image(&drive(&[
            ("openstack/latest/meta_data.json", b"{\"uuid\": \"x\"}"),
            ("openstack/latest/user_data", &[0xff; 70_000]),
            ("openstack/2020-10-14/vendor_data2.json", b"{}"),
            ("openstack/content/0000", b""),
            ("ec2/latest/meta-data.json", b"{}"),
        ]))
        .unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), image).unwrap();
        let isoinfo = |args: &[&str]| {
            let output = child::command("isoinfo")
                .args(args)
                .arg("-i")
                .arg(file.path())
                .output();
            output
                .ok()
                .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let Some(label) = isoinfo(&["-d"]) else {
            skips::skip("isoinfo (package genisoimage) is not installed");
            return;
        };
        assert!(label.contains("Volume id: config-2"), "{label}");
        for names in ["-R", "-J"] {
            let list = isoinfo(&["-f", names]).unwrap();
            for path in [
                "/openstack/latest/meta_data.json",
                "/openstack/2020-10-14/vendor_data2.json",
            ] {
                assert!(list.contains(path), "{names}: {list}");
            }
            let text = isoinfo(&[names, "-x", "/openstack/latest/meta_data.json"]).unwrap();
            assert_eq!(text, "{\"uuid\": \"x\"}", "{names}");
        }
    }

    #[test]
    fn paths_that_climb_or_contradict_are_refused() {
        for files in [
            &[("../x", &b""[..])][..],
            &[("/x", b"")],
            &[("", b"")],
            &[("a", b""), ("a/b", b"")],
            &[("a/b", b""), ("a", b"")],
        ] {
            assert!(
                matches!(image(&drive(files)), Err(DriverError::BadSpec { .. })),
                "{files:?}"
            );
        }
    }
}
