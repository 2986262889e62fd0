//! New disks with a file system on them.
//!
//! It is made in a sparse file that no guest ever saw, which then becomes the disk: the programs at work here read nothing
//! that a guest wrote, and a disk that exists is never formatted.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use hypervisor::{DriverError, FileSystem, Result};

use super::Ground;
use crate::durable;

/// How a file system is made.
struct Maker {
    program: &'static str,
    package: &'static str,
    args: &'static [&'static str],
    /// The option before the label.
    label: &'static str,
    /// FAT has labels in capital letters.
    capital: bool,
}

const LAZY: &str = "lazy_itable_init=1,nodiscard";

fn maker(kind: FileSystem) -> Maker {
    let ext = |args| Maker {
        program: "mke2fs",
        package: "e2fsprogs",
        args,
        label: "-L",
        capital: false,
    };
    match kind {
        FileSystem::Ext2 => ext(&["-q", "-F", "-t", "ext2", "-E", LAZY]),
        FileSystem::Ext3 => ext(&["-q", "-F", "-t", "ext3", "-E", LAZY]),
        FileSystem::Ext4 => ext(&["-q", "-F", "-t", "ext4", "-E", LAZY]),
        FileSystem::Vfat => Maker {
            program: "mkfs.vfat",
            package: "dosfstools",
            args: &[],
            label: "-n",
            capital: true,
        },
        FileSystem::Xfs => Maker {
            program: "mkfs.xfs",
            package: "xfsprogs",
            args: &["-q", "-f"],
            label: "-L",
            capital: false,
        },
        FileSystem::Ntfs => Maker {
            program: "mkntfs",
            package: "ntfs-3g",
            args: &["-q", "-F", "-f"],
            label: "-L",
            capital: false,
        },
    }
}

/// Makes the qcow2 at `path`, with a file system that has this label. Blocking.
///
/// # Errors
/// `Unsupported` where the program is not installed; what it, or qemu-img, says.
pub(super) fn make(
    ground: &Ground<'_>,
    path: &Path,
    size: u64,
    (kind, label): (FileSystem, &str),
) -> Result<()> {
    let (raw, fresh) = (path.with_extension("raw"), path.with_extension("new"));
    let made = write(ground, (&raw, &fresh), size, (kind, label));
    let _ = std::fs::remove_file(&raw); // mostly there, never needed again
    made?;
    durable::place(&fresh, path).map_err(DriverError::io(format!("make {}", path.display())))
}

fn write(
    ground: &Ground<'_>,
    (raw, fresh): (&Path, &Path),
    size: u64,
    (kind, label): (FileSystem, &str),
) -> Result<()> {
    let maker = maker(kind);
    let Some(program) = child::find(Path::new(maker.program)) else {
        let (program, package) = (maker.program, maker.package);
        let what = format!("a disk with {kind} ({program} is missing, package {package})");
        return Err(DriverError::Unsupported { what });
    };
    for (file, size) in [(raw, size), (fresh, 0)] {
        let fail = || DriverError::io(format!("make {}", file.display()));
        let _ = std::fs::remove_file(file);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)
            .and_then(|file| file.set_len(size))
            .map_err(fail())?;
    }
    let label = match maker.capital {
        true => label.to_ascii_uppercase(),
        false => label.to_owned(),
    };
    let mut format = child::command(program);
    format.args(maker.args).args([maker.label, &label]).arg(raw);
    run(format, &format!("make {kind}"))?;
    let mut convert = child::command(&ground.settings.qemu_img);
    convert
        .args(["convert", "-q", "-f", "raw", "-O", "qcow2"])
        .args([raw, fresh]);
    run(convert, "make a disk of the file system")
}

fn run(mut command: std::process::Command, what: &str) -> Result<()> {
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(DriverError::io(what.to_owned()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(DriverError::Hypervisor {
            what: what.to_owned(),
            why: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use hypervisor::qcow2;

    use super::*;
    use crate::confine::Warden;
    use crate::layout::Layout;
    use crate::settings::QemuSettings;

    /// What a disk with this file system holds at some places; None where a program is missing.
    fn made(kind: FileSystem, settings: &QemuSettings) -> Result<std::fs::File> {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), "0d7b1a2c-6a3e-4f0e-9f41-000000000001").unwrap();
        std::fs::create_dir_all(layout.dir()).unwrap();
        let warden = Warden::none();
        let ground = Ground {
            layout: &layout,
            settings,
            warden: &warden,
        };
        let path = layout.ephemeral(0);
        make(&ground, &path, 1 << 30, (kind, "ephemeral0"))?;
        assert_eq!(qcow2::virtual_size(&path).unwrap(), 1 << 30);
        let names: Vec<_> = std::fs::read_dir(layout.dir()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let raw = dir.path().join("look.raw");
        let mut convert = child::command(&settings.qemu_img);
        convert.args(["convert", "-f", "qcow2", "-O", "raw"]);
        run(
            {
                convert.arg(&path).arg(&raw);
                convert
            },
            "look",
        )?;
        Ok(std::fs::File::open(raw).unwrap())
    }

    #[test]
    fn a_new_disk_holds_the_file_system_that_was_asked_for() {
        let settings = QemuSettings::default();
        for (kind, at, wanted) in [
            (FileSystem::Ext4, 1080, &b"\x53\xef"[..]),
            (FileSystem::Ext4, 1144, b"ephemeral0"),
            (FileSystem::Ext2, 1080, b"\x53\xef"),
            (FileSystem::Vfat, 71, b"EPHEMERAL0 FAT32"),
            (FileSystem::Xfs, 0, b"XFSB"),
            (FileSystem::Ntfs, 3, b"NTFS"),
        ] {
            let needed = [Path::new(maker(kind).program), &settings.qemu_img];
            if needed.iter().any(|program| child::find(program).is_none()) {
                skips::skip("a program that formats disks, or qemu-img, is not installed");
                continue;
            }
            let mut bytes = vec![0; wanted.len()];
            let file = made(kind, &settings).unwrap();
            file.read_exact_at(&mut bytes, at).unwrap();
            assert_eq!(bytes, wanted, "{kind}");
        }
    }

    #[test]
    fn what_a_program_says_is_the_error_and_nothing_is_left() {
        if child::find(Path::new("mke2fs")).is_none() {
            skips::skip("mke2fs (package e2fsprogs) is not installed");
            return;
        }
        let settings = QemuSettings {
            qemu_img: "/bin/false".into(),
            ..QemuSettings::default()
        };
        let refused = made(FileSystem::Ext4, &settings);
        assert!(
            matches!(&refused, Err(DriverError::Hypervisor { what, .. }) if what.contains("disk")),
            "{refused:?}"
        );
    }
}
