//! The complete description of one server, as a driver gets it.
//!
//! It is plain data, kept as JSON in the server's own directory, so that a driver can rebuild its picture without
//! asking anybody. New optional fields get defaults: a file written by an older version still reads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    CommandLine, DiskBus, DiskDevice, DriverError, FileSystem, GuestHardware, Iscsi, MachineType,
    Nbd, NicModel, Rbd, VideoModel, VolumeLimits,
};

/// Everything a driver must know to make one server run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// UUID of the server, in the usual lower-case text form. It names directories: see [`parse_id`].
    pub id: String,
    /// Fencing number of the operation that sends this description; older ones are refused.
    pub epoch: u64,
    /// Display name, for people who look at the host.
    pub name: String,
    /// Host name that the guest is expected to take.
    #[serde(default)]
    pub hostname: String,
    pub vcpus: u32,
    /// MiB.
    pub memory_mb: u64,
    /// None when the server boots from a volume or from a kernel alone.
    #[serde(default)]
    pub root_disk: Option<RootDisk>,
    /// How the root disk is shown. It is booted from, whatever order stands here.
    #[serde(default)]
    pub root_device: DiskDevice,
    #[serde(default)]
    pub ephemeral: Vec<Ephemeral>,
    /// MiB of swap disk; 0 for none.
    #[serde(default)]
    pub swap_mb: u64,
    /// How the swap disk is shown.
    #[serde(default)]
    pub swap_device: DiskDevice,
    #[serde(default)]
    pub nics: Vec<Nic>,
    #[serde(default)]
    pub config_drive: Option<ConfigDrive>,
    /// Boot this kernel instead of the disk's boot loader.
    #[serde(default)]
    pub direct_boot: Option<DirectBoot>,
    /// None leaves the choice to the driver.
    #[serde(default)]
    pub machine_type: Option<MachineType>,
    #[serde(default)]
    pub firmware: Firmware,
    /// None is the driver's own choice (virtio).
    #[serde(default)]
    pub disk_bus: Option<DiskBus>,
    /// None is the driver's own choice.
    #[serde(default)]
    pub video_model: Option<VideoModel>,
    #[serde(default)]
    pub cpu_limits: CpuLimits,
    #[serde(default)]
    pub hardware: GuestHardware,
    /// Attached volumes, in the order in which the guest got them. A driver without volumes answers
    /// [`DriverError::Unsupported`] when this is not empty.
    #[serde(default)]
    pub volumes: Vec<Volume>,
    /// What it boots from in place of its own disks, until a description comes without it.
    #[serde(default)]
    pub rescue: Option<Rescue>,
    /// What the agent needs to rebuild its picture (project id, flavor name, ...); drivers only keep it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl ServerSpec {
    /// Whether both ask for the same size: processors, memory, and the root disk.
    pub fn is_as_large_as(&self, other: &Self) -> bool {
        let root = |spec: &Self| spec.root_disk.as_ref().map(|disk| disk.size_gb);
        (self.vcpus, self.memory_mb, root(self)) == (other.vcpus, other.memory_mb, root(other))
    }

    /// The smallest useful description: one processor, 128 MiB, no disk, no network.
    pub fn minimal(id: impl Into<String>, name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            id: id.into(),
            epoch: 1,
            hostname: name.clone(),
            name,
            vcpus: 1,
            memory_mb: 128,
            root_disk: None,
            root_device: DiskDevice::default(),
            ephemeral: Vec::new(),
            swap_mb: 0,
            swap_device: DiskDevice::default(),
            nics: Vec::new(),
            config_drive: None,
            direct_boot: None,
            machine_type: None,
            firmware: Firmware::default(),
            disk_bus: None,
            video_model: None,
            cpu_limits: CpuLimits::default(),
            hardware: GuestHardware::default(),
            volumes: Vec::new(),
            rescue: None,
            metadata: BTreeMap::new(),
        }
    }

    /// Files made elsewhere that the description names.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let image = self.root_disk.as_ref().and_then(|disk| disk.image.as_ref());
        let rescue = self.rescue.as_ref();
        let images = image.into_iter().chain(rescue.map(|rescue| &rescue.image));
        let boots = self
            .direct_boot
            .iter()
            .chain(rescue.and_then(|rescue| rescue.direct_boot.as_ref()));
        images
            .map(|image| &image.path)
            .chain(boots.flat_map(DirectBoot::files))
    }

    /// The description that the guest is started by: while the server is rescued, with what that changes.
    pub fn started(&self) -> Self {
        let mut started = self.clone();
        let Some(rescue) = &self.rescue else {
            return started;
        };
        started.direct_boot.clone_from(&rescue.direct_boot);
        if rescue.config_drive.is_some() {
            started.config_drive.clone_from(&rescue.config_drive);
        }
        if rescue.device.is_none() {
            started.ephemeral.clear();
            started.swap_mb = 0;
            started.volumes.clear();
        }
        started
    }

    /// How the disks of the host beside the root are shown, in the order in which the guest has them.
    pub fn devices_beside_root(&self) -> impl Iterator<Item = &DiskDevice> {
        let swap = (self.swap_mb > 0).then_some(&self.swap_device);
        let ephemeral = self.ephemeral.iter().map(|disk| &disk.device);
        ephemeral.chain(swap)
    }

    /// Local disk space that the description asks for, in GiB (swap rounded up).
    pub fn local_disk_gb(&self) -> u64 {
        let root = self
            .root_disk
            .as_ref()
            .map_or(0, RootDisk::size_gb_or_image);
        root + self.ephemeral.iter().map(|disk| disk.size_gb).sum::<u64>()
            + self.swap_mb.div_ceil(1024)
    }
}

/// The disk a server boots from, made from an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RootDisk {
    /// GiB; 0 means "as large as the image" (Nova's meaning of a flavor with disk 0).
    pub size_gb: u64,
    /// None makes an empty disk.
    #[serde(default)]
    pub image: Option<ImageRef>,
}

impl RootDisk {
    /// The size in GiB, the image's own (rounded up) when the flavor says 0.
    pub fn size_gb_or_image(&self) -> u64 {
        match (self.size_gb, &self.image) {
            (0, Some(image)) => image.virtual_size.div_ceil(1 << 30),
            (size, _) => size,
        }
    }
}

/// A base image in the host's cache. Whoever hands it over has verified its format and that it has no backing file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRef {
    /// The image's id, for people and diagnostics.
    #[serde(default)]
    pub id: String,
    /// The cached file; a driver opens it read-only.
    pub path: PathBuf,
    /// Verified, never probed.
    pub format: ImageFormat,
    /// Bytes that a guest sees.
    pub virtual_size: u64,
}

/// Disk formats a driver is asked to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    Raw,
    Qcow2,
}

impl ImageFormat {
    /// The word that Glance and QEMU use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// An extra empty disk that lives and dies with the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ephemeral {
    pub size_gb: u64,
    /// What it is formatted with when it is made; never again. It is handed over empty when None.
    #[serde(default)]
    pub guest_format: Option<FileSystem>,
    #[serde(default)]
    pub device: DiskDevice,
}

/// One network card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nic {
    /// Neutron port; also the card's name towards the driver.
    pub port_id: String,
    pub mac: String,
    /// None for a card that is plugged into nothing (tests, ports without a data plane).
    #[serde(default)]
    pub tap: Option<Tap>,
    /// 0 leaves the guest's own default.
    #[serde(default)]
    pub mtu: u32,
    /// None is the driver's own choice (virtio).
    #[serde(default)]
    pub model: Option<NicModel>,
}

/// An existing tap device, made by the network service when the port was bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tap {
    pub device: String,
    /// Network namespace that holds the device: a name below `/run/netns`, or an absolute path; None is the
    /// driver's own namespace.
    #[serde(default)]
    pub netns: Option<String>,
}

/// The files of the metadata disk with label `config-2`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigDrive {
    pub files: Vec<ConfigFile>,
}

/// One file of a config drive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Relative path with `/`, as `openstack/latest/meta_data.json`.
    pub path: String,
    pub bytes: Blob,
}

/// Bytes that travel as base64 in JSON.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Blob(pub Vec<u8>);

impl std::fmt::Debug for Blob {
    // Contents may hold a password: only the length is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Blob {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        let text = String::deserialize(deserializer)?;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// Kernel, ramdisk and command line given from outside (Glance `kernel_id`, `ramdisk_id`, `os_command_line`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectBoot {
    pub kernel: PathBuf,
    #[serde(default)]
    pub ramdisk: Option<PathBuf>,
    #[serde(default)]
    pub cmdline: Option<CommandLine>,
}

impl DirectBoot {
    /// Kernel and ramdisk.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.kernel).chain(&self.ramdisk)
    }
}

/// The disk that a server boots from while it is rescued: made anew from an image for each rescue, as large as the
/// image, and gone afterwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rescue {
    /// Tells one rescue of a server from another: a new number is a new disk.
    pub number: u64,
    pub image: ImageRef,
    /// The kernel of the image, where it has one.
    #[serde(default)]
    pub direct_boot: Option<DirectBoot>,
    /// In place of the server's own; None leaves that.
    #[serde(default)]
    pub config_drive: Option<ConfigDrive>,
    /// The disk comes after all others, which the guest keeps (Nova's stable rescue). None: it is the first, the root disk
    /// is the second, and there are no others.
    #[serde(default)]
    pub device: Option<RescueDevice>,
}

/// How the disk of a rescue is shown beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RescueDevice {
    /// A CD, which nobody writes; else a disk.
    pub cdrom: bool,
    /// None is the server's own bus of disks.
    #[serde(default)]
    pub bus: Option<DiskBus>,
}

/// What starts the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    #[default]
    Bios,
    Uefi,
}

/// Limits of a guest's processor time, from flavor extra specs `quota:cpu_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuLimits {
    /// Relative weight (cgroup v1 `cpu.shares`, 2..262144).
    #[serde(default)]
    pub shares: Option<u64>,
    /// Microseconds.
    #[serde(default)]
    pub period_us: Option<u64>,
    /// Microseconds of processor time in each period, per virtual processor.
    #[serde(default)]
    pub quota_us: Option<i64>,
}

/// A volume of the block storage service, as this host reaches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// UUID. The guest sees it as the disk's serial number, of which virtio disks show the first 20 characters.
    pub id: String,
    pub source: VolumeSource,
    #[serde(default)]
    pub read_only: bool,
    /// Other guests may have it at the same time, and write to it. All that have it say so, or none.
    #[serde(default)]
    pub shared: bool,
    /// How much this guest may read and write on it.
    #[serde(default)]
    pub limits: VolumeLimits,
    /// None is the server's own bus of disks.
    #[serde(default)]
    pub bus: Option<DiskBus>,
    /// Whether the guest boots from it.
    #[serde(default)]
    pub boot: bool,
    /// Where it is tried after the disk that the guest boots from, counted from 1; None: not at all.
    #[serde(default)]
    pub boot_order: Option<u32>,
    /// A CD, which the guest does not write; else a disk.
    #[serde(default)]
    pub cdrom: bool,
    /// What its owner calls it: see [`crate::DiskPlaces`].
    #[serde(default)]
    pub tag: Option<String>,
}

impl Volume {
    /// Whether its `boot_order` is that of the disk that the guest boots from, which is 0, or of one of these.
    pub fn order_is_taken(&self, others: &[Volume]) -> bool {
        let Some(order) = self.boot_order else {
            return false;
        };
        order == 0 || others.iter().any(|other| other.boot_order == Some(order))
    }
}

/// Where the bytes of a volume are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeSource {
    /// A raw file of this machine. A driver opens none outside the folders that its settings name.
    File {
        path: PathBuf,
    },
    /// Another machine serves it. Passwords are open here.
    Nbd(Nbd),
    Iscsi(Iscsi),
    Rbd(Rbd),
}

impl VolumeSource {
    /// The file of this machine that it is, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path } => Some(path),
            Self::Nbd(_) | Self::Iscsi(_) | Self::Rbd(_) => None,
        }
    }
}

/// Checks that `id` is a UUID in the usual text form. Ids become file names: nothing else may pass.
///
/// # Errors
/// [`DriverError::NotFound`], as no server can have such an id.
pub fn parse_id(id: &str) -> Result<&str, DriverError> {
    match uuid::Uuid::try_parse(id) {
        Ok(uuid) if uuid.hyphenated().to_string() == id => Ok(id),
        _ => Err(DriverError::NotFound { id: id.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_survives_json_and_old_files_still_read() {
        let mut spec = ServerSpec::minimal("0d7b1a2c-6a3e-4f0e-9f41-000000000001", "one");
        spec.config_drive = Some(ConfigDrive {
            files: vec![ConfigFile {
                path: "a/b".into(),
                bytes: vec![0, 255, 7].into(),
            }],
        });
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ServerSpec>(&text).unwrap(), spec);
        let old = r#"{"id":"x","epoch":3,"name":"n","vcpus":1,"memory_mb":64}"#;
        assert_eq!(serde_json::from_str::<ServerSpec>(old).unwrap().epoch, 3);
    }

    #[test]
    fn a_kept_description_with_a_word_of_no_list_does_not_read() {
        let kept = |field: &str, value: &str| {
            let mut spec = serde_json::to_value(ServerSpec::minimal("x", "n")).unwrap();
            spec[field] = value.into();
            serde_json::from_value::<ServerSpec>(spec)
        };
        assert!(kept("machine_type", "pc").is_ok());
        assert_eq!(
            kept("video_model", "std").unwrap().video_model,
            Some(VideoModel::Vga),
            "as older versions wrote it"
        );
        for field in ["machine_type", "disk_bus", "video_model", "firmware"] {
            for odd in ["initrd=/etc/hostname", "virtio,x=y", "help,", "a\nb"] {
                assert!(kept(field, odd).is_err(), "{field} {odd:?}");
            }
        }
    }

    #[test]
    fn an_id_that_is_no_plain_uuid_never_becomes_a_file_name() {
        assert!(parse_id("0d7b1a2c-6a3e-4f0e-9f41-000000000001").is_ok());
        for bad in [
            "",
            "..",
            "../x",
            "0D7B1A2C-6A3E-4F0E-9F41-000000000001",
            "0d7b1a2c6a3e4f0e9f41000000000001",
        ] {
            assert!(parse_id(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_root_disk_of_size_zero_counts_as_its_image() {
        let image = ImageRef {
            id: String::new(),
            path: "/i".into(),
            format: ImageFormat::Raw,
            virtual_size: (1 << 30) + 1,
        };
        assert_eq!(
            RootDisk {
                size_gb: 0,
                image: Some(image.clone())
            }
            .size_gb_or_image(),
            2
        );
        assert_eq!(
            RootDisk {
                size_gb: 9,
                image: Some(image)
            }
            .size_gb_or_image(),
            9
        );
    }
}
