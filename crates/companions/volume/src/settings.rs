//! What an operator may decide about the volume service.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::resource::Resource;

/// Settings of the volume service. Names in brackets are Cinder's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// URL of its database, which the caller opens; `None` for one of the caller's choice.
    pub connection: Option<String>,
    /// Folder of backups. Empty where nothing is set: the caller chooses one.
    pub backup_dir: PathBuf,
    /// Folder of what serves volumes: command sockets and process numbers, for as long as the machine runs. Empty where
    /// nothing is set: the caller chooses one.
    pub export_dir: PathBuf,
    /// Name of this host, the first part of `HOST@BACKEND#POOL`.
    pub host: String,
    /// Further names of hosts that are this machine.
    pub also_hosts: Vec<String>,
    /// The back end of this host, where `backends` is empty. Its folder is empty where nothing is set: the caller chooses
    /// one.
    pub back_end: BackEnd,
    /// Several back ends of this host [enabled_backends].
    pub backends: Vec<BackEnd>,
    /// The zone of this host's back ends [storage_availability_zone].
    pub zone: String,
    /// The zone of volumes for which none is asked; `zone` when empty [default_availability_zone].
    pub default_zone: Option<String>,
    /// Whether a zone that does not exist is taken for the default one [allow_availability_zone_fallback].
    pub zone_fallback: bool,
    /// The type of volumes for which none is asked [default_volume_type].
    pub default_type: String,
    /// What a project may have unless said otherwise.
    pub limits: Limits,
    /// Whether snapshots count their gigabytes [no_snapshot_gb_quota, reversed].
    pub snapshots_count: bool,
    /// How long messages for users are kept [message_ttl].
    pub message_ttl: Duration,
    /// Whether images are made of volumes in use where the client forces it [enable_force_upload].
    pub force_upload: bool,
    /// Items on a page, at most, and when the client names no limit [osapi_max_limit].
    pub max_page: u64,
    /// Bytes that are left free on the file system of the volumes.
    pub keep_free: u64,
    /// A file of rules that replace defaults, `policy.yaml` or `.json` [oslo_policy policy_file].
    pub policy_file: Option<PathBuf>,
}

/// A back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackEnd {
    /// The second part of `HOST@BACKEND#POOL`: of one of several, the name of its section [enabled_backends].
    pub name: String,
    /// The name of its one pool, which extra specs of types name [volume_backend_name]. Of one alone that is its name too.
    pub pool: String,
    /// Folder of its volumes' files; with LVM, of images while volumes are made of them.
    pub volume_dir: PathBuf,
    /// What keeps its volumes [volume_driver].
    pub storage: Storage,
    /// How hosts reach its volumes [target_helper].
    pub helper: Helper,
    /// GiB that may be promised for each GiB that there is, in percent [max_over_subscription_ratio].
    pub over_subscription: u64,
    /// Percent of the pool that is not given out [reserved_percentage].
    pub reserved_percentage: u64,
}

/// What keeps volumes [volume_driver].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Files of a folder.
    Files,
    /// Logical volumes of a volume group [volume_group].
    Lvm { group: String, kind: LvmType },
}

impl Storage {
    /// The volume group, where there is one.
    pub fn group(&self) -> Option<&str> {
        match self {
            Storage::Files => None,
            Storage::Lvm { group, .. } => Some(group),
        }
    }
}

/// How logical volumes are made [lvm_type].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LvmType {
    /// In a pool, by blocks as they are written.
    Thin,
    /// Whole.
    Thick,
}

/// How hosts reach volumes [target_helper].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Helper {
    /// Hosts of this machine open the files.
    Local,
    /// A storage daemon of QEMU serves each by NBD.
    Nbd(Nbd),
    /// tgtd serves each by iSCSI.
    Tgt(Tgt),
}

impl Helper {
    /// As a file of settings says it.
    pub fn word(&self) -> &'static str {
        match self {
            Helper::Local => "local",
            Helper::Nbd(_) => "nbd",
            Helper::Tgt(_) => "tgtadm",
        }
    }
}

/// Where volumes are served by NBD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nbd {
    /// [target_ip_address]
    pub address: IpAddr,
    /// Each export has one of these for itself.
    pub ports: RangeInclusive<u16>,
}

/// Where volumes are served by iSCSI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tgt {
    /// [target_ip_address, target_port]
    pub portal: SocketAddr,
    /// What names of targets begin with [target_prefix].
    pub prefix: String,
    /// The control port of tgtd; 0 is the machine's service, any other one is started here.
    pub control: u16,
}

impl Default for Nbd {
    fn default() -> Self {
        Nbd {
            address: Ipv4Addr::LOCALHOST.into(),
            ports: 10810..=11809,
        }
    }
}

impl Settings {
    /// The back ends of this host, one at least.
    pub fn back_ends(&self) -> &[BackEnd] {
        match self.backends.is_empty() {
            false => &self.backends,
            true => std::slice::from_ref(&self.back_end),
        }
    }
}

/// A program that a setting needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// As in a file of settings.
    pub option: &'static str,
    pub program: &'static str,
    /// The Debian package.
    pub package: &'static str,
}

const fn lvm(program: &'static str) -> Program {
    Program {
        option: "volume_driver = lvm",
        program,
        package: "lvm2",
    }
}

const LVM: [Program; 7] = [
    lvm("lvchange"),
    lvm("lvcreate"),
    lvm("lvextend"),
    lvm("lvremove"),
    lvm("lvrename"),
    lvm("lvs"),
    lvm("vgs"),
];

const NBD: [Program; 1] = [Program {
    option: "target_helper = nbd",
    program: storage_daemon::PROGRAM,
    package: "qemu-system-common",
}];

const TGT: [Program; 2] = [tgt("tgtadm"), tgt("tgtd")];

const fn tgt(program: &'static str) -> Program {
    Program {
        option: "target_helper = tgtadm",
        program,
        package: "tgt",
    }
}

impl BackEnd {
    /// The folder of what serves its volumes, within that of all back ends; none: hosts open the files.
    pub fn export_dir(&self, all: &Path) -> Option<PathBuf> {
        let helper = match self.helper {
            Helper::Local => return None,
            Helper::Nbd(_) => "nbd",
            Helper::Tgt(_) => "tgt",
        };
        Some(all.join(&self.name).join(helper))
    }

    /// The programs that it needs.
    pub fn programs(&self) -> impl Iterator<Item = &'static Program> + use<> {
        let storage: &'static [Program] = match self.storage {
            Storage::Files => &[],
            Storage::Lvm { .. } => &LVM,
        };
        let target: &'static [Program] = match self.helper {
            Helper::Local => &[],
            Helper::Nbd(_) => &NBD,
            Helper::Tgt(_) => &TGT,
        };
        storage.iter().chain(target)
    }
}

#[cfg(test)]
impl BackEnd {
    /// One of files, which hosts of this machine open.
    pub fn sample(name: &str, folder: &Path) -> Self {
        BackEnd {
            name: name.to_owned(),
            pool: name.to_owned(),
            volume_dir: folder.to_owned(),
            ..Settings::default().back_end
        }
    }
}

/// What a project may have; a negative number is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub volumes: i64,
    /// GiB of volumes and snapshots.
    pub gigabytes: i64,
    pub snapshots: i64,
    pub backups: i64,
    /// GiB of backups.
    pub backup_gigabytes: i64,
    pub groups: i64,
    /// GiB of one volume.
    pub per_volume_gigabytes: i64,
}

impl Limits {
    /// The limit of a resource that is counted for all types together.
    pub fn of(&self, resource: Resource) -> i64 {
        match resource {
            Resource::Volumes => self.volumes,
            Resource::Gigabytes => self.gigabytes,
            Resource::Snapshots => self.snapshots,
            Resource::Backups => self.backups,
            Resource::BackupGigabytes => self.backup_gigabytes,
            Resource::Groups => self.groups,
            Resource::PerVolumeGigabytes => self.per_volume_gigabytes,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        settings::defaults()
    }
}
