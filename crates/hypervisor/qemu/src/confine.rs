//! What a guest is confined by: a user, a file tree, a network and a process table of its own, limits, control groups.
//!
//! QEMU reads what the guest sends it, so it is taken for the guest's: whoever breaks out of the guest into QEMU finds
//! the guest's own disks, the images below them, and programs; no key, no other server, no network, no process.
//! Everything that QEMU needs besides comes as an open descriptor. In the server's folder it owns its disks and the
//! folder `io`, in which alone it can make files; this process therefore never follows a name in `io`.
//!
//! What the machine cannot give is left out: the driver says so when it opens, and `kilonova doctor` as well.

use std::os::unix::fs::{
    DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown,
};
use std::path::{Path, PathBuf};

use child::{Abilities, Access, Confined, Limit, Measures, Root, User};
use hypervisor::{DriverError, Result};

use crate::cgroup::{self, Groups};
use crate::file_size;
use crate::layout::Layout;
use crate::probe::Accel;
use crate::record::Record;
use crate::settings::{Confinement, QemuSettings};
use crate::users::Users;

/// Descriptors that a guest may hold. With eight disks and 28 cards a guest has some 100.
const FILES: u64 = 1024;
/// Devices that QEMU opens.
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/urandom"];
/// What the dynamic linker reads outside the folders of programs.
const LINKER: [&str; 2] = ["/etc/ld.so.cache", "/etc/alternatives"];

/// The confinement of all guests of a host.
#[derive(Debug)]
pub(crate) struct Warden {
    pub abilities: Abilities,
    pub users: Users,
    pub groups: Groups,
    policy: Confinement,
    oom_score_adj: i32,
    read_only: Vec<PathBuf>,
}

impl Warden {
    pub fn new(settings: &QemuSettings) -> Self {
        Self {
            abilities: Abilities::look(settings.uid_base),
            users: Users::new(settings.uid_base, settings.uid_count),
            groups: Groups::new(settings.cgroups),
            policy: settings.confinement,
            oom_score_adj: settings.oom_score_adj,
            read_only: settings.program_folders.clone(),
        }
    }

    /// One that confines nobody, as on a machine that can nothing.
    #[cfg(test)]
    pub fn none() -> Self {
        let no = || Some("a test".to_owned());
        Self {
            abilities: Abilities {
                user: no(),
                root: no(),
                network: no(),
                processes: no(),
                ipc: no(),
            },
            ..Self::new(&QemuSettings {
                cgroups: false,
                ..QemuSettings::default()
            })
        }
    }

    /// What guests of this host are not confined by, each with the reason.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps: Vec<String> = self
            .abilities
            .all()
            .into_iter()
            .filter_map(|(what, why)| Some(format!("no {what} ({})", why.as_ref()?)))
            .collect();
        gaps.extend(self.groups.gaps());
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let others = self.users.clash(&passwd);
        if !others.is_empty() {
            let others = others.join(", ");
            gaps.push(format!(
                "no numbers of users that nobody else has ([qemu] uid_base, uid_count: {others})"
            ));
        }
        gaps
    }

    /// # Errors
    /// `Unsupported`, when the settings require what the machine cannot give.
    pub fn require(&self) -> Result<()> {
        let gaps = self.gaps();
        if self.policy == Confinement::Auto || gaps.is_empty() {
            return Ok(());
        }
        Err(DriverError::Unsupported {
            what: format!(
                "[qemu] confinement = require on this host: guests would have {}",
                gaps.join(", ")
            ),
        })
    }

    /// Can guests be users of their own? Without a file tree of its own a guest would not find a way through the
    /// folders above its own, which are closed to others.
    fn separates(&self) -> bool {
        self.abilities.user.is_none() && self.abilities.root.is_none()
    }

    /// Gives a server its number, its folder `io`, and the files that it writes. Blocking; twice is fine.
    ///
    /// # Errors
    /// `Io`, or no number is free.
    pub fn prepare(&self, layout: &Layout, record: &mut Record) -> Result<()> {
        let fail = |path: &Path| DriverError::io(format!("prepare {}", path.display()));
        let io = layout.io();
        // What an earlier process left there is not looked at.
        if let Err(error) = std::fs::remove_dir_all(&io)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(fail(&io)(error));
        }
        let made = std::fs::DirBuilder::new().mode(0o700).create(&io);
        made.map_err(fail(&io))?;
        if !self.separates() {
            return Ok(());
        }
        let uid = self.users.take(layout.id(), record.uid)?;
        record.uid = Some(uid);
        let dir = layout.dir();
        let open = std::fs::Permissions::from_mode(0o710);
        chown(dir, Some(0), Some(uid))
            .and_then(|()| std::fs::set_permissions(dir, open))
            .map_err(fail(dir))?;
        lchown(&io, Some(uid), Some(uid)).map_err(fail(&io))?;
        self.own(layout, record)
    }

    /// Gives the guest's user the files that the guest writes.
    ///
    /// # Errors
    /// `Io`.
    pub fn own(&self, layout: &Layout, record: &Record) -> Result<()> {
        let Some(uid) = record.uid.filter(|_| self.separates()) else {
            return Ok(());
        };
        let log = layout.console_log();
        let fail = |path: &Path| DriverError::io(format!("give {} to its guest", path.display()));
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&log)
            .map_err(fail(&log))?;
        let mut files = vec![
            log,
            layout.root_disk(),
            layout.swap(),
            layout.nvram(),
            layout.config_drive(),
        ];
        files.extend((0..record.spec.ephemeral.len()).map(|number| layout.ephemeral(number)));
        let rescue = record.spec.rescue.as_ref();
        files.extend(rescue.map(|rescue| layout.rescue_disk(rescue.number)));
        for file in files {
            match lchown(&file, Some(uid), Some(uid)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(fail(&file)(error));
                }
                _ => {}
            }
        }
        for file in shared(record) {
            readable(&file).map_err(fail(&file))?;
        }
        Ok(())
    }

    /// What QEMU is started with; `volume` is the length of the largest volume.
    ///
    /// # Errors
    /// `Io`: a control group cannot be made, or a path is odd.
    pub fn guest(
        &self,
        layout: &Layout,
        record: &Record,
        settings: &QemuSettings,
        accel: Accel,
        volume: u64,
    ) -> Result<Measures> {
        let fail = || DriverError::io("confine the guest");
        let mut measures = self
            .tool(layout, record, &settings.qemu_binary)
            .map_err(fail())?;
        if let Some(root) = &mut measures.root {
            root.add_existing([&settings.ovmf_code], Access::Read)
                .map_err(fail())?;
            if record.spec.hardware.windows {
                // What local time is.
                root.add_existing(["/etc/localtime"], Access::Read)
                    .map_err(fail())?;
            }
            if accel == Accel::Kvm {
                root.add("/dev/kvm", Access::Device).map_err(fail())?;
            }
        }
        measures.groups = self
            .groups
            .make(
                layout.id(),
                &cgroup::Limits::of(&record.spec, accel, settings),
            )
            .map_err(DriverError::io("make the control groups of the guest"))?;
        measures.oom_score_adj = Some(self.oom_score_adj);
        measures.limits = vec![
            Limit::Files(FILES),
            Limit::FileSize(file_size::limit(record, settings, volume)),
        ];
        Ok(measures)
    }

    /// What a program is started with that works on a server's disks, as qemu-img: they are what the guest wrote.
    pub fn tool(
        &self,
        layout: &Layout,
        record: &Record,
        program: &Path,
    ) -> std::io::Result<Measures> {
        let mut measures = Measures {
            network: self.abilities.network.is_none(),
            processes: self.abilities.processes.is_none(),
            ipc: self.abilities.ipc.is_none(),
            ..Measures::default()
        };
        if self.abilities.root.is_some() {
            return Ok(measures);
        }
        let mut root = Root::default();
        root.add_existing(&self.read_only, Access::Run)?;
        root.add_existing(LINKER, Access::Read)?;
        root.add_existing(child::find(program), Access::Run)?;
        root.add_existing(DEVICES, Access::Device)?;
        root.add(layout.dir(), Access::Write)?;
        root.add_existing(shared(record), Access::Read)?;
        measures.root = Some(root);
        measures.user = record.uid.filter(|_| self.separates()).map(|uid| User {
            uid,
            gid: uid,
            ..User::default()
        });
        Ok(measures)
    }

    /// What a storage daemon for a guest is started with, and whose the socket is by which QEMU reaches it: it runs as
    /// the guest's user in a process table and a file tree of its own, and has the machine's network.
    ///
    /// # Errors
    /// `Io`: a path is odd.
    pub fn storage_daemon(&self, record: &Record) -> Result<(Measures, Option<u32>)> {
        let owner = record.uid.filter(|_| self.separates());
        let measures = storage_daemon::measures(&self.abilities, owner, &self.read_only, &[]);
        let measures = measures.map_err(DriverError::io("confine the storage daemon"))?;
        Ok((measures, owner))
    }

    /// Runs qemu-img on a server's disks; `target` is a file that it may write, too. Blocking.
    ///
    /// # Errors
    /// `Io`, or `Hypervisor` with its words.
    pub fn qemu_img(
        &self,
        (layout, record): (&Layout, &Record),
        settings: &QemuSettings,
        args: Vec<std::ffi::OsString>,
        target: Option<&Path>,
        what: &str,
    ) -> Result<()> {
        let fail = || DriverError::io(format!("run qemu-img to {what}"));
        let program = settings.qemu_img.clone();
        let mut measures = self.tool(layout, record, &program).map_err(fail())?;
        if let (Some(target), Some(root)) = (target, &mut measures.root) {
            root.add(target, Access::Write).map_err(fail())?;
        }
        let lend = |uid: Option<u32>| match (target, uid) {
            (Some(target), Some(uid)) => lchown(target, Some(uid), Some(uid)).map_err(fail()),
            _ => Ok(()),
        };
        lend(measures.user.as_ref().map(|user| user.uid))?;
        let confined = Confined {
            program,
            args,
            folder: layout.dir().to_owned(),
            keep: Vec::new(),
            measures,
        };
        let (ended, said) = confined.output().map_err(fail())?;
        lend(confined.measures.user.as_ref().map(|_| 0))?;
        match ended.success() {
            true => Ok(()),
            false => Err(DriverError::Hypervisor {
                what: what.to_owned(),
                why: said,
            }),
        }
    }
}

/// Files of the image cache that a server reads.
fn shared(record: &Record) -> Vec<PathBuf> {
    let bases = record.base.iter().chain(&record.rescue_base);
    let mut files: Vec<PathBuf> = bases.map(|base| base.path.clone()).collect();
    let started = record.spec.started();
    files.extend(
        started
            .direct_boot
            .iter()
            .flat_map(|boot| boot.files().cloned()),
    );
    files
}

/// Lets everybody read a file of the image cache; nobody else comes through the folders above it.
fn readable(path: &Path) -> std::io::Result<()> {
    let mode = std::fs::metadata(path)?.mode();
    match mode & 0o004 {
        0 => std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode | 0o444)),
        _ => Ok(()),
    }
}
