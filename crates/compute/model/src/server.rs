//! A server, as its row holds it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::disk_device::{DiskPlace, first_name, name_prefix};
use crate::fault::Fault;
use crate::flavor::Flavor;
use crate::hardware::DiskBus;
use crate::image::ServerImage;
use crate::image_properties;
use crate::local_disks::{self, LocalDisks};
use crate::network::{NetworkRequest, Vif};
use crate::rescue::{self, Rescue};
use crate::resize::Resize;
use crate::shelve::Shelved;
use crate::state::{PowerState, TaskState, VmState};
use crate::volume::{AttachedVolume, VolumeRequest, next_device};

/// A server. One value, loaded with one query: what lists filter by has a column of its own in
/// the table, the rest are documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Counts up with creation; gives `instance-%08x` and EC2 ids.
    pub seq: i64,
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: String,
    pub hostname: String,
    pub description: Option<String>,

    pub vm_state: VmState,
    pub task_state: Option<TaskState>,
    pub power_state: PowerState,
    /// Fencing number: counts up with every operation; a host refuses an older one.
    pub epoch: i64,
    /// Counts the commands to its host that change one device of its guest; a host refuses an older one of the same epoch.
    #[serde(default)]
    pub device_command: i64,

    pub flavor: Flavor,
    pub image: Option<ServerImage>,
    /// Where the guest runs; none before it is placed.
    pub host: Option<String>,
    pub node: Option<String>,
    pub node_id: Option<String>,
    /// Zone of the host, once there is one.
    pub availability_zone: Option<String>,
    /// Zone that the user asked for.
    pub pinned_zone: Option<String>,

    pub launch_index: i32,
    pub reservation_id: String,
    pub vifs: Vec<Vif>,
    /// The image of which the volume was made that the server boots from, as the volume service knows it. Such a server has
    /// no `image`.
    #[serde(default)]
    pub volume_image: Option<ServerImage>,
    /// The image that the request for such a server named all the same: one that stands for volumes, or that says what
    /// the hardware beside a volume is. It is shown as the server's, also after a rebuild. Nova's `image_ref`.
    #[serde(default)]
    pub image_ref: Option<String>,
    /// In the order in which the guest got them. What messages of older releases say nothing of is none.
    #[serde(default)]
    pub volumes: Vec<AttachedVolume>,
    /// Disks on its host beside the root.
    #[serde(default)]
    pub local_disks: LocalDisks,
    /// Where its guest found its disks when it was last started, as its host said; none when no disk has a tag.
    #[serde(default)]
    pub disk_places: Vec<DiskPlace>,
    /// What it was rescued by, or is going to be: see [`Server::rescued_by`].
    #[serde(default)]
    pub rescue: Option<Rescue>,
    /// Under way, or not confirmed.
    #[serde(default)]
    pub resize: Option<Resize>,
    /// None of a server that is not shelved.
    #[serde(default)]
    pub shelved: Option<Shelved>,
    pub metadata: BTreeMap<String, String>,
    pub tags: Vec<String>,
    pub key: Option<ServerKey>,
    /// As sent: base64.
    pub user_data: Option<String>,
    pub config_drive: bool,
    /// Names, for showing; the ports hold the truth.
    pub security_groups: Vec<String>,
    pub access_ip_v4: Option<IpAddr>,
    pub access_ip_v6: Option<IpAddr>,
    /// Kept and shown (`OS-DCF:diskConfig`); without further effect, as with Nova's libvirt driver.
    pub disk_config: DiskConfig,
    pub hints: BTreeMap<String, serde_json::Value>,
    pub trusted_certificates: Option<Vec<String>>,
    pub root_device_name: Option<String>,
    pub lock: Option<Lock>,
    pub progress: u8,
    pub fault: Option<Fault>,

    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub launched_at: Option<DateTime<Utc>>,
    pub terminated_at: Option<DateTime<Utc>>,
    /// Since when it is kept as deleted, by the database's clock: it goes `reclaim_instance_interval` later. Means something
    /// with that vm state alone.
    #[serde(default)]
    pub soft_deleted_at: Option<DateTime<Utc>>,
    /// Set when the record is deleted; the row stays for those who may see deleted servers.
    pub deleted_at: Option<DateTime<Utc>>,
}

impl Server {
    /// The status users see.
    pub fn status(&self) -> &'static str {
        crate::status::of(self.vm_state, self.task_state, self.deleted_at.is_some())
    }

    /// Whether its guest was ever started.
    pub fn launched(&self) -> bool {
        self.launched_at.is_some()
    }

    /// What it boots from while it is rescued.
    pub fn rescued_by(&self) -> Option<&Rescue> {
        let begins = self.task_state == Some(TaskState::Rescuing);
        let ends = self.task_state == Some(TaskState::Unrescuing);
        let is_rescued = begins || self.vm_state == VmState::Rescued && !ends;
        self.rescue.as_ref().filter(|_| is_rescued)
    }

    /// The image that says what the server's hardware is: its own, or that of the volume it boots from.
    pub fn described_by(&self) -> Option<&ServerImage> {
        self.image.as_ref().or(self.volume_image.as_ref())
    }

    /// The id of the image that it is shown with: its own, or the one that its request named beside a volume.
    pub fn shown_image(&self) -> Option<&str> {
        let own = self.image.as_ref().map(|image| image.id.as_str());
        own.or(self.image_ref.as_deref())
    }

    /// Whether it boots from a volume.
    pub fn boots_from_volume(&self) -> bool {
        self.image.is_none()
    }

    /// The bus of those disks for which nobody names one: that of its image.
    pub fn disk_bus(&self) -> DiskBus {
        let image = self.described_by();
        let said =
            image.map(|image| image_properties::typed::<DiskBus>(&image.properties, "hw_disk_bus"));
        // The API refuses other words; a row may be older than the check.
        said.and_then(Result::ok)
            .flatten()
            .unwrap_or(DiskBus::Virtio)
    }

    /// It is one of this image from now on: the one that its root is made of, or that a root volume holds. The root is
    /// called after the image's bus where nobody named another.
    pub fn set_image(&mut self, image: ServerImage) {
        match self.boots_from_volume() {
            true => self.volume_image = Some(image),
            false => self.image = Some(image),
        }
        let name = self.root_name();
        for root in self.volumes.iter_mut().filter(|volume| volume.boot) {
            root.device.clone_from(&name);
        }
        self.root_device_name = Some(name);
    }

    /// The name of the disk that it boots from, which is the first one of its bus. Its record keeps it
    /// (`root_device_name`): set that with what changes the bus ([`Server::set_image`]).
    fn root_name(&self) -> String {
        let root = self.volumes.iter().find(|volume| volume.boot);
        let own = match self.boots_from_volume() {
            true => root.and_then(|root| root.bus),
            false => self.local_disks.root.bus,
        };
        first_name(own.unwrap_or_else(|| self.disk_bus()))
    }

    /// The name of its root, as its record has it.
    pub fn root_device(&self) -> &str {
        self.root_device_name.as_deref().unwrap_or("/dev/vda")
    }

    /// The names of its local disks, each the first free one of its bus: the root, then those of
    /// [`LocalDisks::beside_root`].
    pub fn local_names(&self) -> Vec<String> {
        let mut names = vec![self.root_device().to_owned()];
        for (_, device) in self.local_disks.beside_root(&self.flavor) {
            names.push(next_device(&self.prefix(device.bus), &names));
        }
        names
    }

    /// The name of the next disk that it gets on a bus, none for the usual one: its local disks come first, then its
    /// volumes.
    pub fn next_device(&self, bus: Option<DiskBus>) -> String {
        let mut taken = self.local_names();
        taken.extend(self.volumes.iter().map(|volume| volume.device.clone()));
        next_device(&self.prefix(bus), &taken)
    }

    /// The name of the disk that it is rescued by, shown as its image says: one that comes before the other disks is
    /// the first of the usual bus, one beside them gets the next name of its own bus.
    pub fn rescue_name(&self, shown: Option<rescue::Device>) -> String {
        match shown {
            None => first_name(self.disk_bus()),
            Some(device) => self.next_device(device.bus),
        }
    }

    fn prefix(&self, bus: Option<DiskBus>) -> String {
        let bus = bus.unwrap_or_else(|| self.disk_bus());
        format!("/dev/{}", name_prefix(bus))
    }

    /// Its disks with tags, in the order in which the guest has them.
    pub fn tagged_disks(&self) -> Vec<TaggedDisk> {
        let root = &self.local_disks.root;
        let root =
            (!self.boots_from_volume()).then(|| (local_disks::ROOT.to_owned(), root.clone()));
        let local = root
            .into_iter()
            .chain(self.local_disks.beside_root(&self.flavor));
        let local = local.map(|(name, device)| (name, device.tag, false));
        let volumes = self.volumes.iter().filter(|volume| !volume.detaching);
        let volumes = volumes.map(|volume| (volume.volume_id.clone(), volume.tag.clone(), true));
        let tagged = local.chain(volumes).filter_map(|(name, tag, is_volume)| {
            Some(TaggedDisk {
                name,
                tag: tag?,
                is_volume,
            })
        });
        tagged.collect()
    }

    /// The name a hypervisor knows it by (`OS-EXT-SRV-ATTR:instance_name`), by Nova's default
    /// template.
    pub fn instance_name(&self) -> String {
        format!("instance-{:08x}", self.seq)
    }
}

/// A disk that its owner gave a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedDisk {
    /// As in [`DiskPlace::disk`]; of a volume its id.
    pub name: String,
    pub tag: String,
    pub is_volume: bool,
}

/// The key given at creation: a copy, so that deleting the pair does not change the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerKey {
    pub name: String,
    /// `ssh` or `x509`.
    pub kind: String,
    pub data: String,
}

/// `OS-DCF:diskConfig`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DiskConfig {
    Auto,
    Manual,
}

impl DiskConfig {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            DiskConfig::Auto => "AUTO",
            DiskConfig::Manual => "MANUAL",
        }
    }
}

/// A lock against actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub by: LockOwner,
    pub reason: Option<String>,
}

/// Who holds a lock: an owner cannot lift an administrator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LockOwner {
    Owner,
    Admin,
}

impl LockOwner {
    /// The word in the database and in `locked_by` filters.
    pub fn as_str(self) -> &'static str {
        match self {
            LockOwner::Owner => "owner",
            LockOwner::Admin => "admin",
        }
    }
}

/// What creation needs beyond the server's own row, kept in the build workflow.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BuildPlan {
    /// Networks wanted; empty for none.
    pub networks: Vec<NetworkRequest>,
    /// Ids of security groups for new ports.
    pub security_group_ids: Vec<String>,
    pub host: Option<String>,
    pub hypervisor_hostname: Option<String>,
    pub forced_host: Option<String>,
    pub forced_node: Option<String>,
    /// For the config drive only; never stored with the server.
    pub admin_password: Option<String>,
    /// Volumes that it is to have.
    #[serde(default)]
    pub volumes: Vec<VolumeRequest>,
    /// The caller's token, in whose name volumes are made, sealed with the password of compute's own user; none when none
    /// is made.
    #[serde(default)]
    pub token: Option<String>,
    /// Files of `personality` (until 2.56): path and base64 content.
    pub injected_files: Vec<(String, String)>,
}

/// The host name made from a display name, as Nova sanitises it: lower case letters, digits,
/// hyphens; at most 63; `Server-<id>` when nothing is left.
pub fn hostname_of(name: &str, id: &str) -> String {
    let mut host = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            ' ' | '_' | '.' => host.push('-'),
            c if c.is_ascii_alphanumeric() || c == '-' => host.push(c.to_ascii_lowercase()),
            _ => {}
        }
    }
    let host: String = host.trim_matches(['-', '.']).chars().take(63).collect();
    let host = host.trim_end_matches('-');
    match host.is_empty() {
        true => format!("Server-{id}"),
        false => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_named_after_their_buses_and_gaps_are_filled() {
        use crate::disk_device::DiskDevice;
        use crate::local_disks::EphemeralDisk;
        let mut server = crate::testing::server("s");
        server.flavor.swap = 1;
        assert_eq!(server.local_names(), ["/dev/vda", "/dev/vdb"]);
        assert_eq!(server.next_device(None), "/dev/vdc");
        let on = |bus| EphemeralDisk {
            size_gb: 1,
            format: None,
            device: DiskDevice {
                bus,
                ..DiskDevice::default()
            },
        };
        server.local_disks.ephemeral = Some(vec![on(Some(DiskBus::Scsi)), on(None)]);
        server.local_disks.swap.bus = Some(DiskBus::Usb);
        let names = ["/dev/vda", "/dev/sda", "/dev/vdb", "/dev/sdb"];
        assert_eq!(server.local_names(), names);
        assert_eq!(server.next_device(Some(DiskBus::Sata)), "/dev/sdc");
        let scsi = ServerImage {
            properties: BTreeMap::from([("hw_disk_bus".to_owned(), "scsi".to_owned())]),
            ..ServerImage::default()
        };
        server.volume_image = Some(scsi);
        server.root_device_name = Some("/dev/sda".to_owned());
        let names = ["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"];
        assert_eq!(server.local_names(), names);
        assert_eq!(server.next_device(Some(DiskBus::Virtio)), "/dev/vda");
    }

    #[test]
    fn a_root_is_named_after_the_bus_of_a_new_image_unless_it_has_its_own() {
        let on = |bus: &str| ServerImage {
            properties: BTreeMap::from([("hw_disk_bus".to_owned(), bus.to_owned())]),
            ..ServerImage::default()
        };
        let mut server = crate::testing::server("s");
        server.image = Some(on("virtio"));
        server.set_image(on("scsi"));
        assert_eq!(server.root_device(), "/dev/sda");
        server.set_image(ServerImage::default());
        assert_eq!(server.root_device(), "/dev/vda");
        server.local_disks.root.bus = Some(DiskBus::Ide);
        server.set_image(on("scsi"));
        assert_eq!(server.root_device(), "/dev/hda");
        assert_eq!(server.image, Some(on("scsi")));
        assert_eq!(server.volume_image, None);

        let volume = |boot, bus| AttachedVolume {
            attachment_id: "a".to_owned(),
            volume_id: "v".to_owned(),
            bdm_uuid: "b".to_owned(),
            device: "/dev/vdz".to_owned(),
            tag: None,
            delete_on_termination: false,
            boot,
            boot_order: None,
            bus,
            cdrom: false,
            connection: None,
            detaching: false,
        };
        server.image = None;
        server.volumes = vec![volume(true, None), volume(false, None)];
        server.set_image(on("scsi"));
        assert_eq!(server.root_device(), "/dev/sda");
        assert_eq!(server.volumes[0].device, "/dev/sda");
        assert_eq!(server.volumes[1].device, "/dev/vdz");
        assert_eq!(
            (&server.image, &server.volume_image),
            (&None, &Some(on("scsi")))
        );
        server.volumes[0].bus = Some(DiskBus::Virtio);
        server.set_image(on("scsi"));
        assert_eq!(server.root_device(), "/dev/vda");
    }

    #[test]
    fn the_disk_of_a_rescue_is_named_after_its_own_bus() {
        use crate::disk_device::DiskDevice;
        let mut server = crate::testing::server("s");
        server.local_disks.root = DiskDevice {
            bus: Some(DiskBus::Sata),
            ..DiskDevice::default()
        };
        server.root_device_name = Some("/dev/sda".to_owned());
        // The server's disks are on virtio, but for its root.
        assert_eq!(server.rescue_name(None), "/dev/vda");
        let beside = |bus| {
            let cdrom = false;
            server.rescue_name(Some(rescue::Device { cdrom, bus }))
        };
        assert_eq!(beside(None), "/dev/vda");
        assert_eq!(beside(Some(DiskBus::Scsi)), "/dev/sdb");
        assert_eq!(beside(Some(DiskBus::Ide)), "/dev/hda");
    }

    #[test]
    fn a_display_name_becomes_a_valid_host_name() {
        assert_eq!(hostname_of("My Server_1.x", "i"), "my-server-1-x");
        assert_eq!(hostname_of("тест", "abc"), "Server-abc");
        assert_eq!(hostname_of("--a--", "i"), "a");
        assert_eq!(hostname_of(&"x".repeat(80), "i").len(), 63);
    }
}
