//! What the body of `POST /servers` may say, and what becomes of it: a row for each field of the request, at any
//! version. What values they take is written in the request's own types, with the versions; here stands only what more
//! must hold.

use crate::accepted::Fate::{Hint, Honoured, Partly, Refused};
use crate::accepted::Takes::{OneOf, Text};
use crate::accepted::{self, Fate, Refusal, Row, Takes, lacks};
use crate::hardware::DiskBus;

const API: Fate = Honoured(&["compute/api/src/servers/create.rs"]);
const ASK: Fate = Honoured(&["compute/api/src/servers/ask.rs"]);
const BOOT: Fate = Honoured(&["compute/control/src/servers/boot.rs"]);
const CREATE: Fate = Honoured(&["compute/control/src/servers/create.rs"]);
const DEVICES: Fate = Honoured(&["compute/model/src/metadata/openstack.rs"]);
const NICS: Fate = Honoured(&["compute/control/src/servers/nics.rs"]);
const PLACE: Fate = Honoured(&["compute/scheduler/src/filters/place.rs"]);
const PLAN: Fate = Honoured(&["compute/control/src/servers/plan.rs"]);
const AFFINITY: Fate = Honoured(&["compute/scheduler/src/filters/affinity.rs"]);

/// What shows disks as a request wants them.
const SHOWN: &[&str] = &["compute/control/src/servers/boot/shown.rs"];

const fn row(name: &'static str, takes: Takes, fate: Fate) -> Row {
    Row { name, takes, fate }
}

const fn refused(why: &'static str) -> Fate {
    Refused { unless: &[], why }
}

/// Every field, sorted; what is below a list is a field of its members.
#[rustfmt::skip]
pub const FIELDS: &[Row] = &[
    row("OS-SCH-HNT:scheduler_hints", Text, ASK),
    row("OS-SCH-HNT:scheduler_hints.{key}", Text, Hint("an older name for os:scheduler_hints; see there")),
    row("os:scheduler_hints", Text, ASK),
    row("os:scheduler_hints.build_near_host_ip", Text, AFFINITY),
    row("os:scheduler_hints.cidr", Text, AFFINITY),
    row("os:scheduler_hints.different_cell", Text, Hint("there is one cell")),
    row("os:scheduler_hints.different_host", Text, AFFINITY),
    row("os:scheduler_hints.group", Text, Honoured(&["compute/model/src/server_group.rs"])),
    row("os:scheduler_hints.query", Text, Honoured(&["compute/scheduler/src/filters/json.rs"])),
    row("os:scheduler_hints.same_host", Text, AFFINITY),
    row("os:scheduler_hints.target_cell", Text, Hint("there is one cell")),
    row("os:scheduler_hints.{key}", Text, Hint("names that no filter knows are kept with the server")),
    row("server", Text, API),
    row("server.OS-DCF:diskConfig", OneOf(&["AUTO", "MANUAL"]), PLAN),
    row("server.accessIPv4", Text, CREATE),
    row("server.accessIPv6", Text, CREATE),
    row("server.adminPass", Text, CREATE),
    row("server.availability_zone", Text, PLAN),
    row("server.block_device_mapping", Text, BOOT),
    row("server.block_device_mapping.connection_info", Text, refused("the volume service says how a volume is reached")),
    row("server.block_device_mapping.delete_on_termination", Text, ASK),
    row("server.block_device_mapping.device_name", Text, Hint("the name of a disk is that of its bus, as with Nova's libvirt driver")),
    row("server.block_device_mapping.no_device", Text, ASK),
    row("server.block_device_mapping.snapshot_id", Text, ASK),
    row("server.block_device_mapping.virtual_name", Text, ASK),
    row("server.block_device_mapping.volume_id", Text, ASK),
    row("server.block_device_mapping.volume_size", Text, ASK),
    row("server.block_device_mapping_v2", Text, BOOT),
    row("server.block_device_mapping_v2.boot_index", Text, BOOT),
    row("server.block_device_mapping_v2.connection_info", Text, refused("the volume service says how a volume is reached")),
    row("server.block_device_mapping_v2.delete_on_termination", Text, BOOT),
    row("server.block_device_mapping_v2.destination_type", Text, BOOT),
    row("server.block_device_mapping_v2.device_name", Text, Hint("the name of a disk is that of its bus, as with Nova's libvirt driver")),
    row("server.block_device_mapping_v2.device_type", Text, Partly { by: SHOWN, only: &["disk", "cdrom"], why: "disks of servers are disks or CDs, and no floppy disk holds a GiB" }),
    row("server.block_device_mapping_v2.disk_bus", OneOf(DiskBus::WORDS), Partly {
        by: SHOWN,
        only: &["virtio", "scsi", "ide", "sata", "usb"],
        why: "disks sit on the buses virtio, scsi, ide, sata or usb",
    }),
    row("server.block_device_mapping_v2.guest_format", Text, Honoured(&["compute/control/src/servers/local_disks.rs"])),
    row("server.block_device_mapping_v2.image_id", Text, refused("uuid names the image of a disk")),
    row("server.block_device_mapping_v2.no_device", Text, BOOT),
    row("server.block_device_mapping_v2.snapshot_id", Text, refused("uuid names what a disk is made from")),
    row("server.block_device_mapping_v2.source_type", Text, BOOT),
    row("server.block_device_mapping_v2.tag", Text, DEVICES),
    row("server.block_device_mapping_v2.uuid", Text, BOOT),
    row("server.block_device_mapping_v2.virtual_name", Text, refused("it belongs to block_device_mapping")),
    row("server.block_device_mapping_v2.volume_id", Text, refused("uuid names what a disk is made from")),
    row("server.block_device_mapping_v2.volume_size", Text, BOOT),
    row("server.block_device_mapping_v2.volume_type", Text, BOOT),
    row("server.config_drive", Text, CREATE),
    row("server.description", Text, CREATE),
    row("server.flavorRef", Text, PLAN),
    row("server.host", Text, PLACE),
    row("server.hostname", Text, CREATE),
    row("server.hypervisor_hostname", Text, PLACE),
    row("server.imageRef", Text, PLAN),
    row("server.key_name", Text, PLAN),
    row("server.max_count", Text, CREATE),
    row("server.metadata", Text, CREATE),
    row("server.min_count", Text, CREATE),
    row("server.name", Text, CREATE),
    row("server.networks", Text, NICS),
    row("server.networks.fixed_ip", Text, NICS),
    row("server.networks.port", Text, NICS),
    row("server.networks.tag", Text, DEVICES),
    row("server.networks.uuid", Text, NICS),
    row("server.personality", Text, CREATE),
    row("server.personality.contents", Text, ASK),
    row("server.personality.path", Text, ASK),
    row("server.return_reservation_id", Text, API),
    row("server.security_groups", Text, NICS),
    row("server.security_groups.name", Text, NICS),
    row("server.tags", Text, CREATE),
    row("server.trusted_image_certificates", Text, refused(lacks::SIGNATURES)),
    row("server.user_data", Text, CREATE),
];

/// Why a server cannot have this value of a field.
pub fn refusal(field: &str, value: &str) -> Option<Refusal> {
    let row = accepted::row(FIELDS, field)?;
    row.refusal(value).map(|why| Refusal {
        what: "Field",
        name: field.to_owned(),
        value: value.to_owned(),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_sorted_and_say_what_becomes_of_them() {
        let names: Vec<_> = FIELDS.iter().map(|row| row.name).collect();
        assert!(names.is_sorted(), "{names:?}");
        let of =
            |field: &str, value| refusal(&format!("server.block_device_mapping_v2.{field}"), value);
        assert_eq!(
            of("device_type", "floppy")
                .map(|why| why.to_string())
                .unwrap(),
            "Field server.block_device_mapping_v2.device_type=\"floppy\" cannot be honoured: disks of servers are disks or \
             CDs, and no floppy disk holds a GiB."
        );
        assert_eq!(of("device_type", "cdrom"), None);
        assert!(of("device_type", "lun").is_some());
        for bus in ["virtio", "usb"] {
            assert_eq!(of("disk_bus", bus), None);
        }
        assert!(of("disk_bus", "fdc").is_some());
        assert!(of("volume_id", "x").is_some());
        assert_eq!(of("device_name", "vda"), None);
    }
}
