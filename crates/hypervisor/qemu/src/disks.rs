//! The disks of a server: made when missing, grown when too small, never shrunk, never formatted over.

mod format;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use hypervisor::disk_names::ephemeral_name;
use hypervisor::qcow2::{self, Backing};
use hypervisor::{DriverError, ImageRef, Result, RootDisk};

use crate::confine::Warden;
use crate::durable;
use crate::layout::Layout;
use crate::record::{Base, Record};
use crate::settings::QemuSettings;

/// Where disks are made, and how their tools are confined.
#[derive(Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub layout: &'a Layout,
    pub settings: &'a QemuSettings,
    pub warden: &'a Warden,
}

/// Decides what lies under the root disk, if that is still to be made. To be kept before the disk is made: without its
/// base a disk would show zeros. Blocking.
///
/// # Errors
/// `ImageUnusable` when the base is missing or larger than the disk; `BadSpec` when it lies outside the image cache.
pub(crate) fn plan(layout: &Layout, record: &mut Record, settings: &QemuSettings) -> Result<()> {
    plan_rescue(layout, record, settings)?;
    let Some(root) = &record.spec.root_disk else {
        return Ok(());
    };
    if layout.root_disk().exists() {
        return match &record.base {
            Some(base) => check_base(&base.path, &base.path.display().to_string()),
            None => Ok(()),
        };
    }
    record.base = match &root.image {
        Some(image) => Some(base_of(image, root.size_gb, settings)?),
        None => None,
    };
    Ok(())
}

fn plan_rescue(layout: &Layout, record: &mut Record, settings: &QemuSettings) -> Result<()> {
    let Some(rescue) = &record.spec.rescue else {
        record.rescue_base = None;
        return Ok(());
    };
    match &record.rescue_base {
        Some(base) if layout.rescue_disk(rescue.number).exists() => {
            check_base(&base.path, &rescue.image.id)
        }
        _ => {
            record.rescue_base = Some(base_of(&rescue.image, 0, settings)?);
            Ok(())
        }
    }
}

fn base_of(image: &ImageRef, size_gb: u64, settings: &QemuSettings) -> Result<Base> {
    let name = if image.id.is_empty() {
        image.path.display().to_string()
    } else {
        image.id.clone()
    };
    check_base(&image.path, &name)?;
    if size_gb > 0 && image.virtual_size > size_gb << 30 {
        let why = format!(
            "it needs {} bytes, the disk has {size_gb} GiB",
            image.virtual_size
        );
        return Err(DriverError::ImageUnusable { image: name, why });
    }
    let path = std::path::absolute(&image.path)
        .map_err(DriverError::io("resolve the path of the image"))?;
    crate::args::inside_image_folders(&path, settings)?;
    Ok(Base {
        path,
        format: image.format,
    })
}

/// Makes everything that the description asks for, as planned. It is on the disk when this returns. Blocking.
///
/// # Errors
/// `Io`, and what qemu-img says.
pub(crate) fn ensure(ground: &Ground<'_>, record: &Record) -> Result<()> {
    let layout = ground.layout;
    if let Some(root) = &record.spec.root_disk {
        ensure_root(ground, record, root)?;
    }
    for (number, disk) in record.spec.ephemeral.iter().enumerate() {
        let (path, size) = (layout.ephemeral(number), disk.size_gb << 30);
        match disk.guest_format {
            Some(kind) if !path.exists() => {
                format::make(ground, &path, size, (kind, &ephemeral_name(number)))?;
            }
            _ => ensure_size(ground, record, &path, size, None)?,
        }
    }
    if record.spec.swap_mb > 0 && !layout.swap().exists() {
        let path = layout.swap();
        make_swap(&path, record.spec.swap_mb << 20)
            .map_err(DriverError::io(format!("make {}", path.display())))?;
    }
    ensure_rescue(ground, record)?;
    if let Some(drive) = &record.spec.started().config_drive {
        let path = layout.config_drive();
        let image = crate::config_drive::image(drive)?;
        durable::replace(&path, &image)
            .map_err(DriverError::io(format!("write {}", path.display())))?;
    }
    durable::folder_of(&layout.root_disk()).map_err(DriverError::io("sync the server's folder"))
}

/// Is the root disk there (or none wanted)?
pub(crate) fn present(layout: &Layout, record: &Record) -> bool {
    record.spec.root_disk.is_none() || layout.root_disk().exists()
}

fn ensure_root(ground: &Ground<'_>, record: &Record, root: &RootDisk) -> Result<()> {
    let path = ground.layout.root_disk();
    let wanted = root.size_gb << 30;
    let (Some(base), Some(image)) = (&record.base, &root.image) else {
        return ensure_size(ground, record, &path, wanted, None);
    };
    let backing = Backing {
        path: &base.path,
        format: base.format.as_str(),
    };
    // A disk that exists is as large as its image: what a later description names does not matter to it.
    let size = match path.exists() {
        true => wanted,
        false => wanted.max(image.virtual_size),
    };
    ensure_size(ground, record, &path, size, Some(backing))
}

/// The disk of the present rescue, and none of an earlier one.
fn ensure_rescue(ground: &Ground<'_>, record: &Record) -> Result<()> {
    let layout = ground.layout;
    let rescue = record.spec.rescue.as_ref().zip(record.rescue_base.as_ref());
    let wanted = rescue.map(|(rescue, _)| layout.rescue_disk(rescue.number));
    let fail = || DriverError::io("remove the disk of an earlier rescue");
    for entry in std::fs::read_dir(layout.dir()).map_err(fail())? {
        let entry = entry.map_err(fail())?;
        let name = entry.file_name();
        if Layout::is_rescue_disk(&name.to_string_lossy()) && wanted.as_ref() != Some(&entry.path())
        {
            std::fs::remove_file(entry.path()).map_err(fail())?;
        }
    }
    let (Some((rescue, base)), Some(path)) = (rescue, wanted) else {
        return Ok(());
    };
    let backing = Backing {
        path: &base.path,
        format: base.format.as_str(),
    };
    let size = rescue.image.virtual_size;
    ensure_size(ground, record, &path, size, Some(backing))
}

fn check_base(path: &Path, name: &str) -> Result<()> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let why = format!("cannot open {}: {error}", path.display());
            Err(DriverError::ImageUnusable {
                image: name.to_owned(),
                why,
            })
        }
    }
}

/// A qcow2 of at least `size` bytes at `path`.
fn ensure_size(
    ground: &Ground<'_>,
    record: &Record,
    path: &Path,
    size: u64,
    backing: Option<Backing<'_>>,
) -> Result<()> {
    match qcow2::virtual_size(path) {
        Ok(have) if have >= size => Ok(()),
        Ok(_) => grow(ground, record, path, size),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Made under another name: a half-written header must never be taken for a disk.
            let fresh = path.with_extension("new");
            let fail = || DriverError::io(format!("make {}", path.display()));
            let _ = std::fs::remove_file(&fresh);
            qcow2::create(&fresh, size, backing).map_err(fail())?;
            std::fs::rename(&fresh, path).map_err(fail())
        }
        Err(error) => Err(DriverError::io(format!("read {}", path.display()))(error)),
    }
}

fn grow(ground: &Ground<'_>, record: &Record, path: &Path, size: u64) -> Result<()> {
    // Without what lies below, which the header names and which is never longer than the disk: growing needs none of
    // it, and a header is not trusted with names of files.
    let file = crate::args::file_node(path, false)?;
    let node = serde_json::json!({"driver": "qcow2", "file": file, "backing": null});
    let mut args: Vec<OsString> = ["resize", "-q"].map(Into::into).to_vec();
    args.push(format!("json:{node}").into());
    args.push(size.to_string().into());
    run(ground, record, args, None, "grow the disk")
}

/// What is done with the internal snapshot of a disk whose guest does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Still {
    Make,
    GoBackTo,
    Remove,
}

/// Makes, takes a disk back to, or removes an internal snapshot. The guest does not run. Blocking.
///
/// # Errors
/// What qemu-img says, also when there is no such snapshot.
pub(crate) fn still(
    ground: &Ground<'_>,
    record: &Record,
    (path, name): (&Path, &str),
    what: Still,
) -> Result<()> {
    // Its header is looked at first, as of every disk that a tool opens.
    qcow2::virtual_size(path).map_err(DriverError::io(format!("read {}", path.display())))?;
    let file = crate::args::file_node(path, false)?;
    // Without what lies below, which neither is changed nor read by this.
    let node = serde_json::json!({"driver": "qcow2", "file": file, "backing": null});
    let (option, verb) = match what {
        Still::Make => ("-c", "keep the disk as it is"),
        Still::GoBackTo => ("-a", "take the disk back"),
        Still::Remove => ("-d", "forget what was kept of the disk"),
    };
    let mut args: Vec<OsString> = ["snapshot", "-q", option, name].map(Into::into).to_vec();
    args.push(format!("json:{node}").into());
    run(ground, record, args, None, verb)
}

/// Copies a stopped server's root disk, with everything below it, into a file of its own. Blocking.
pub(crate) fn export(ground: &Ground<'_>, record: &Record, target: &Path) -> Result<()> {
    let layout = ground.layout;
    // Its header is looked at first: it must not send qemu-img to another file.
    qcow2::virtual_size(&layout.root_disk()).map_err(DriverError::io("read the root disk"))?;
    let source = crate::args::root_node(layout, record.base.as_ref(), true)?;
    let mut args: Vec<OsString> = ["convert", "-q", "-O", "qcow2"].map(Into::into).to_vec();
    args.push(format!("json:{source}").into());
    args.push(target.into());
    // qemu-img cannot make files beside the server's own.
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(target)
        .map_err(DriverError::io(format!("make {}", target.display())))?;
    run(ground, record, args, Some(target), "export the disk")
}

/// qemu-img, confined as the guest whose disks it reads.
fn run(
    ground: &Ground<'_>,
    record: &Record,
    args: Vec<OsString>,
    target: Option<&Path>,
    what: &str,
) -> Result<()> {
    let server = (ground.layout, record);
    ground
        .warden
        .qemu_img(server, ground.settings, args, target, what)
}

/// A swap area as `mkswap` makes it: version 1, pages of 4 KiB, label `swap0`.
fn make_swap(path: &Path, size: u64) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.set_len(size)?;
    let last_page = u32::try_from((size / 4096).saturating_sub(1)).unwrap_or(u32::MAX);
    file.write_all_at(&1_u32.to_le_bytes(), 1024)?;
    file.write_all_at(&last_page.to_le_bytes(), 1028)?;
    file.write_all_at(b"swap0", 1052)?;
    file.write_all_at(b"SWAPSPACE2", 4086)?;
    file.flush()?;
    durable::place(&fresh, path)
}

#[cfg(test)]
mod tests {
    use hypervisor::{Ephemeral, ImageFormat, ServerSpec};

    use super::*;

    /// Files below here are the image cache.
    fn settings(dir: &Path) -> QemuSettings {
        QemuSettings {
            image_folders: vec![dir.to_owned()],
            ..QemuSettings::default()
        }
    }

    /// As a start does it.
    fn make(ground: &Ground<'_>, record: &mut Record) -> Result<()> {
        plan(ground.layout, record, ground.settings)?;
        ensure(ground, record)
    }

    fn server(root: RootDisk) -> (tempfile::TempDir, Layout, Record) {
        let dir = tempfile::tempdir().unwrap();
        let id = "0d7b1a2c-6a3e-4f0e-9f41-000000000001";
        let layout = Layout::new(dir.path(), id).unwrap();
        std::fs::create_dir_all(layout.dir()).unwrap();
        let mut spec = ServerSpec::minimal(id, "disks");
        spec.root_disk = Some(root);
        (dir, layout, Record::new(&spec))
    }

    fn ground<'a>(
        layout: &'a Layout,
        settings: &'a QemuSettings,
        warden: &'a Warden,
    ) -> Ground<'a> {
        Ground {
            layout,
            settings,
            warden,
        }
    }

    fn image(dir: &Path, size: u64) -> ImageRef {
        let path = dir.join("base.raw");
        std::fs::File::create(&path).unwrap().set_len(size).unwrap();
        ImageRef {
            id: "img".into(),
            path,
            format: ImageFormat::Raw,
            virtual_size: size,
        }
    }

    #[test]
    fn a_root_disk_takes_the_flavors_size_or_the_images_and_grows_later() {
        let warden = Warden::none();
        let (dir, layout, mut record) = server(RootDisk {
            size_gb: 0,
            image: None,
        });
        let settings = settings(dir.path());
        record.spec.root_disk = Some(RootDisk {
            size_gb: 0,
            image: Some(image(dir.path(), 5 << 20)),
        });
        make(&ground(&layout, &settings, &warden), &mut record).unwrap();
        assert_eq!(qcow2::virtual_size(&layout.root_disk()).unwrap(), 5 << 20);
        assert_eq!(record.base.as_ref().unwrap().format, ImageFormat::Raw);
        if child::command("qemu-img")
            .arg("--version")
            .output()
            .is_err()
        {
            skips::skip("qemu-img (package qemu-utils) is not installed");
            return;
        }
        record.spec.root_disk = Some(RootDisk {
            size_gb: 2,
            image: None,
        });
        make(&ground(&layout, &settings, &warden), &mut record).unwrap();
        assert_eq!(qcow2::virtual_size(&layout.root_disk()).unwrap(), 2 << 30);
        record.spec.root_disk = Some(RootDisk {
            size_gb: 1,
            image: None,
        });
        make(&ground(&layout, &settings, &warden), &mut record).unwrap();
        assert_eq!(
            qcow2::virtual_size(&layout.root_disk()).unwrap(),
            2 << 30,
            "a disk never shrinks"
        );
    }

    #[test]
    fn an_image_that_is_missing_or_too_large_is_named() {
        let warden = Warden::none();
        let (dir, layout, mut record) = server(RootDisk {
            size_gb: 1,
            image: None,
        });
        let settings = settings(dir.path());
        let large = image(dir.path(), (1 << 30) + 512);
        let missing = ImageRef {
            path: dir.path().join("none"),
            virtual_size: 1,
            ..large.clone()
        };
        for image in [large, missing] {
            record.spec.root_disk = Some(RootDisk {
                size_gb: 1,
                image: Some(image),
            });
            let refused = make(&ground(&layout, &settings, &warden), &mut record);
            assert!(
                matches!(&refused, Err(DriverError::ImageUnusable { image, .. }) if image == "img"),
                "{refused:?}"
            );
            assert!(!layout.root_disk().exists());
        }
    }

    #[test]
    fn swap_and_ephemeral_disks_are_made_once() {
        let settings = QemuSettings::default();
        let warden = Warden::none();
        let (_dir, layout, mut record) = server(RootDisk {
            size_gb: 1,
            image: None,
        });
        record.spec.swap_mb = 8;
        record.spec.ephemeral = vec![Ephemeral {
            size_gb: 3,
            guest_format: None,
            ..Ephemeral::default()
        }];
        make(&ground(&layout, &settings, &warden), &mut record).unwrap();
        assert_eq!(qcow2::virtual_size(&layout.ephemeral(0)).unwrap(), 3 << 30);
        let mut swap = std::fs::read(layout.swap()).unwrap();
        assert_eq!(
            (swap.len(), &swap[4086..4096]),
            (8 << 20, &b"SWAPSPACE2"[..])
        );
        swap[9000] = 1;
        std::fs::write(layout.swap(), &swap).unwrap();
        make(&ground(&layout, &settings, &warden), &mut record).unwrap();
        assert_eq!(
            std::fs::read(layout.swap()).unwrap()[9000],
            1,
            "what the guest wrote stays"
        );
    }

    #[test]
    fn the_base_is_decided_before_the_disk_and_stays_what_it_was() {
        let (dir, layout, mut record) = server(RootDisk {
            size_gb: 1,
            image: None,
        });
        let settings = settings(dir.path());
        let first = image(dir.path(), 1 << 20);
        let with = |image: &ImageRef| {
            Some(RootDisk {
                size_gb: 1,
                image: Some(image.clone()),
            })
        };
        record.spec.root_disk = with(&first);
        plan(&layout, &mut record, &settings).unwrap();
        assert_eq!(record.base.as_ref().unwrap().path, first.path);
        assert!(!layout.root_disk().exists(), "a plan makes nothing");
        // Cut short here and asked again with another image: nothing is made yet, so that one counts.
        let second = ImageRef {
            path: dir.path().join("other.raw"),
            ..first.clone()
        };
        std::fs::copy(&first.path, &second.path).unwrap();
        record.spec.root_disk = with(&second);
        make(&ground(&layout, &settings, &Warden::none()), &mut record).unwrap();
        assert_eq!(record.base.as_ref().unwrap().path, second.path);
        record.spec.root_disk = with(&first);
        make(&ground(&layout, &settings, &Warden::none()), &mut record).unwrap();
        assert_eq!(
            record.base.as_ref().unwrap().path,
            second.path,
            "the disk is made"
        );
        // Outside of the image cache nothing is a base.
        std::fs::remove_file(layout.root_disk()).unwrap();
        let elsewhere = QemuSettings::default();
        let refused = make(&ground(&layout, &elsewhere, &Warden::none()), &mut record);
        assert!(
            matches!(refused, Err(DriverError::BadSpec { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn disks_are_on_the_disk_before_the_server_is_said_to_run() {
        let (_dir, layout, mut record) = server(RootDisk {
            size_gb: 1,
            image: None,
        });
        record.spec.swap_mb = 8;
        durable::steps::taken();
        make(
            &ground(&layout, &QemuSettings::default(), &Warden::none()),
            &mut record,
        )
        .unwrap();
        let steps = durable::steps::taken();
        let place = |step: &str| steps.iter().position(|taken| taken == step);
        assert!(
            place("sync swap.new") < place("rename swap.raw"),
            "{steps:?}"
        );
        let folder = format!("sync {}", layout.id());
        assert_eq!(steps.last(), Some(&folder), "{steps:?}");
    }
}
