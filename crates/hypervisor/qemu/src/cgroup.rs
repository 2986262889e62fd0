//! Control groups, version 1 or 2: every guest has a group of its own with limits of memory, processes and processor
//! time, and an equal share of disk time. QEMU enters it before it runs. What this machine cannot enforce is said by
//! [`Groups::gaps`].

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hypervisor::{CpuLimits, ServerSpec};

use crate::accel::Accel;
use crate::settings::QemuSettings;

/// Linux's own default period.
const PERIOD_US: u64 = 100_000;
/// Processors that a guest may use beside its own: QEMU's main loop, and the threads that read, write and encode.
const SPARE_PROCESSORS: i64 = 2;
/// Threads and processes of a guest beside one for each virtual processor: QEMU has a pool of 64 for disks, some for
/// screens.
const PROCESSES: u64 = 512;
/// Page tables and the like that grow with a guest's memory: 1/64 of it.
const KERNEL_SHARE: u64 = 64;

const ROOT: &str = "/sys/fs/cgroup";
const PARENT: &str = "kilonova";

/// What the group of a guest limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    Memory,
    Processes,
    Cpu,
    Disk,
}

/// Each with its folders in version 1, a file by which the folder is known, and its name in version 2.
const CONTROLLERS: [(Controller, &[&str], &str, &str); 4] = [
    (
        Controller::Memory,
        &["memory"],
        "memory.usage_in_bytes",
        "memory",
    ),
    (Controller::Processes, &["pids"], "cgroup.procs", "pids"),
    (
        Controller::Cpu,
        &["cpu", "cpu,cpuacct"],
        "cpu.shares",
        "cpu",
    ),
    (Controller::Disk, &["blkio"], "cgroup.procs", "io"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The limits of one guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub memory_bytes: u64,
    pub processes: u64,
    pub cpu: CpuLimits,
    pub vcpus: u32,
}

impl Limits {
    /// A guest that is honest never reaches them.
    pub fn of(spec: &ServerSpec, accel: Accel, settings: &QemuSettings) -> Self {
        let code = match accel {
            Accel::Kvm => 0,
            Accel::Tcg => u64::from(settings.tcg_cache_mb),
        };
        let screen = u64::from(spec.hardware.video_ram_mb.unwrap_or_default());
        let own = spec.memory_mb + spec.memory_mb / KERNEL_SHARE + screen;
        Self {
            memory_bytes: (own + settings.memory_overhead_mb + code) << 20,
            processes: PROCESSES + u64::from(spec.vcpus),
            cpu: spec.cpu_limits.clone(),
            vcpus: spec.vcpus,
        }
    }
}

/// The control groups of a host's guests.
#[derive(Debug)]
pub(crate) struct Groups {
    found: Vec<(Controller, Version, PathBuf)>,
    gaps: Vec<String>,
    /// Groups that could not be removed yet.
    remaining: Mutex<BTreeSet<PathBuf>>,
}

impl Groups {
    /// Looks for the controllers, and tries each: the file system may be read-only. None when they are not `wanted`.
    pub fn new(wanted: bool) -> Self {
        match wanted {
            true => Self::at(Path::new(ROOT)),
            false => Self {
                found: Vec::new(),
                gaps: vec!["no control groups ([qemu] cgroups = false)".to_owned()],
                remaining: Mutex::default(),
            },
        }
    }

    fn at(root: &Path) -> Self {
        let mut groups = Self {
            found: Vec::new(),
            gaps: Vec::new(),
            remaining: Mutex::default(),
        };
        for (controller, folders, known_by, name) in CONTROLLERS {
            let v2 = [root.to_owned(), root.join("unified")]
                .into_iter()
                .find(|base| {
                    let listed = std::fs::read_to_string(base.join("cgroup.controllers"));
                    listed
                        .is_ok_and(|listed| listed.split_whitespace().any(|listed| listed == name))
                });
            let v1 = folders.iter().map(|folder| root.join(folder));
            let v1 = v1.into_iter().find(|base| base.join(known_by).exists());
            let found = match (v2, v1) {
                (Some(base), _) => enable(&base, name).map(|()| (Version::V2, base)),
                (None, Some(base)) => {
                    std::fs::create_dir_all(base.join(PARENT)).map(|()| (Version::V1, base))
                }
                (None, None) => Err(std::io::Error::other("it is not mounted")),
            };
            let found = found.and_then(|found| attempt(&found.1.join(PARENT)).map(|()| found));
            match found {
                Ok((version, base)) => groups.found.push((controller, version, base.join(PARENT))),
                Err(error) => groups
                    .gaps
                    .push(format!("no limits by the control group {name} ({error})")),
            }
        }
        groups
    }

    /// Can processor time be limited?
    pub fn limits_processors(&self) -> bool {
        let mut found = self.found.iter();
        found.any(|(controller, ..)| *controller == Controller::Cpu)
    }

    /// What cannot be limited, each with the reason.
    pub fn gaps(&self) -> Vec<String> {
        self.gaps.clone()
    }

    /// Makes the groups of a guest. Whoever writes 0 to the files that are returned is in them.
    ///
    /// # Errors
    /// The kernel refuses a group or a value.
    pub fn make(&self, id: &str, limits: &Limits) -> Result<Vec<File>> {
        // It may have ended a moment ago.
        self.lock().retain(|group| !group.ends_with(id));
        let mut doors = BTreeSet::new();
        for (controller, version, parent) in &self.found {
            let group = parent.join(id);
            std::fs::create_dir_all(&group)?;
            for (file, value) in files(*controller, *version, limits) {
                let path = group.join(file);
                std::fs::write(&path, &value).map_err(|error| {
                    let text = format!("write {value} to {}: {error}", path.display());
                    std::io::Error::new(error.kind(), text)
                })?;
            }
            // A single thread that moves itself needs no lock of all processes, in version 1: 0.1 ms, not 14.
            doors.insert(group.join(match version {
                Version::V1 => "tasks",
                Version::V2 => "cgroup.procs",
            }));
        }
        let open = |door| File::options().write(true).open(door);
        doors.into_iter().map(open).collect()
    }

    /// Removes the groups of a guest that ended, or was never there. The kernel lets go of a dead process a moment after
    /// its parent learned of it: what is still in use is tried again by [`Groups::tidy`].
    pub fn remove(&self, id: &str) {
        let groups = self.found.iter().map(|(_, _, parent)| parent.join(id));
        self.lock().extend(groups);
        self.tidy();
    }

    /// Tries again to remove what could not be removed.
    pub fn tidy(&self) {
        self.lock().retain(|group| {
            let removed = std::fs::remove_dir(group);
            removed.is_err_and(|error| error.kind() == std::io::ErrorKind::ResourceBusy)
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.remaining
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a group and removes it: the parent may be there and belong to another user.
fn attempt(parent: &Path) -> Result<()> {
    let group = parent.join(format!("attempt-{}", std::process::id()));
    match std::fs::create_dir(&group) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match std::fs::remove_dir(&group) {
        // Another thread of this process tries, too.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Lets groups below the parent limit something, in version 2.
fn enable(base: &Path, name: &str) -> Result<()> {
    let parent = base.join(PARENT);
    std::fs::create_dir_all(&parent)?;
    for folder in [base, &parent] {
        let path = folder.join("cgroup.subtree_control");
        let on = std::fs::read_to_string(&path)?;
        if !on.split_whitespace().any(|on| on == name) {
            std::fs::write(&path, format!("+{name}"))?;
        }
    }
    Ok(())
}

/// The files to write for a controller, relative to the group.
fn files(controller: Controller, version: Version, limits: &Limits) -> Vec<(&'static str, String)> {
    match (controller, version) {
        (Controller::Memory, Version::V1) => {
            vec![("memory.limit_in_bytes", limits.memory_bytes.to_string())]
        }
        (Controller::Memory, Version::V2) => vec![("memory.max", limits.memory_bytes.to_string())],
        (Controller::Processes, _) => vec![("pids.max", limits.processes.to_string())],
        // Groups of equal weight, which is what a new group has.
        (Controller::Disk, _) => Vec::new(),
        (Controller::Cpu, version) => cpu(version, limits),
    }
}

/// Nova's share of a guest whose flavor names none is 1024 for each processor. Without a quota of the flavor a guest
/// has the time of its processors and of what QEMU does beside them.
fn cpu(version: Version, limits: &Limits) -> Vec<(&'static str, String)> {
    let vcpus = i64::from(limits.vcpus);
    let shares = limits.cpu.shares.unwrap_or(1024 * u64::from(limits.vcpus));
    let shares = shares.clamp(2, 262_144);
    let (period, quota) = match limits.cpu.quota_us {
        // The quota is per virtual processor, the group holds them all.
        Some(quota) if quota > 0 => (
            limits.cpu.period_us.unwrap_or(PERIOD_US),
            quota.saturating_mul(vcpus),
        ),
        _ => (PERIOD_US, (vcpus + SPARE_PROCESSORS) * PERIOD_US as i64),
    };
    match version {
        Version::V1 => vec![
            ("cpu.shares", shares.to_string()),
            ("cpu.cfs_period_us", period.to_string()),
            ("cpu.cfs_quota_us", quota.to_string()),
        ],
        Version::V2 => {
            // The usual conversion from 2..262144 to 1..10000.
            let weight = 1 + (shares - 2) * 9_999 / 262_142;
            vec![
                ("cpu.weight", weight.to_string()),
                ("cpu.max", format!("{quota} {period}")),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(cpu: CpuLimits) -> Limits {
        let mut spec = ServerSpec::minimal("x", "x");
        (spec.vcpus, spec.memory_mb, spec.cpu_limits) = (2, 640, cpu);
        let settings = QemuSettings {
            memory_overhead_mb: 100,
            tcg_cache_mb: 50,
            ..QemuSettings::default()
        };
        Limits::of(&spec, Accel::Tcg, &settings)
    }

    fn written(version: Version, limits: &Limits) -> Vec<(&'static str, String)> {
        let all = CONTROLLERS.iter();
        all.flat_map(|(controller, ..)| files(*controller, version, limits))
            .collect()
    }

    #[test]
    fn limits_become_the_files_of_either_version() {
        let limited = limits(CpuLimits {
            shares: Some(1024),
            period_us: None,
            quota_us: Some(50_000),
        });
        let text = |name, value: &str| (name, value.to_owned());
        let v1 = [
            text("memory.limit_in_bytes", "838860800"),
            text("pids.max", "514"),
            text("cpu.shares", "1024"),
            text("cpu.cfs_period_us", "100000"),
            text("cpu.cfs_quota_us", "100000"),
        ];
        assert_eq!(written(Version::V1, &limited), v1);
        let v2 = [
            text("memory.max", "838860800"),
            text("pids.max", "514"),
            text("cpu.weight", "39"),
            text("cpu.max", "100000 100000"),
        ];
        assert_eq!(written(Version::V2, &limited), v2);
        let free = limits(CpuLimits {
            quota_us: Some(-1),
            ..CpuLimits::default()
        });
        assert!(written(Version::V1, &free).contains(&text("cpu.shares", "2048")));
        assert!(written(Version::V1, &free).contains(&text("cpu.cfs_quota_us", "400000")));
    }

    #[test]
    fn controllers_are_found_in_either_version_and_missing_ones_are_named() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir_all(path("memory")).unwrap();
        std::fs::write(path("memory/memory.usage_in_bytes"), "0").unwrap();
        // A version 2 hierarchy as plain files: the kernel would make those of the parent.
        std::fs::create_dir_all(path("unified/kilonova")).unwrap();
        std::fs::write(path("unified/cgroup.controllers"), "pids io\n").unwrap();
        for folder in ["unified", "unified/kilonova"] {
            std::fs::write(path(folder).join("cgroup.subtree_control"), "pids").unwrap();
        }
        let groups = Groups::at(root.path());
        let found: Vec<_> = groups
            .found
            .iter()
            .map(|(what, version, _)| (*what, *version))
            .collect();
        let want = [
            (Controller::Memory, Version::V1),
            (Controller::Processes, Version::V2),
            (Controller::Disk, Version::V2),
        ];
        assert_eq!(found, want);
        assert_eq!(groups.gaps.len(), 1);
        assert!(
            groups.gaps[0].contains("control group cpu"),
            "{:?}",
            groups.gaps
        );
        let on = std::fs::read_to_string(path("unified/cgroup.subtree_control")).unwrap();
        assert_eq!(on, "+io", "pids was on");
    }
}
