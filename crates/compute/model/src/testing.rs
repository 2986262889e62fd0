//! Values to begin tests with.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::local_disks::LocalDisks;
use crate::network::Vif;
use crate::server::DiskConfig;
use crate::{Flavor, PowerState, Server, VmState};

/// A flavor of one processor, 64 MiB and a disk of 1 GiB.
pub fn flavor(id: &str) -> Flavor {
    Flavor {
        id: id.to_owned(),
        name: "tiny".into(),
        ram: 64,
        vcpus: 1,
        disk: 1,
        ephemeral: 0,
        swap: 0,
        rxtx_factor: 1.0,
        is_public: true,
        disabled: false,
        description: None,
        extra_specs: BTreeMap::new(),
        created_at: None,
        updated_at: None,
    }
}

/// A server of project `p` and user `u`: active, idle, on no host, made at the epoch.
pub fn server(id: &str) -> Server {
    let now = DateTime::<Utc>::UNIX_EPOCH;
    Server {
        seq: 1,
        id: id.to_owned(),
        project_id: "p".into(),
        user_id: "u".into(),
        name: "n".into(),
        hostname: "n".into(),
        description: None,
        vm_state: VmState::Active,
        task_state: None,
        power_state: PowerState::Running,
        epoch: 1,
        device_command: 0,
        flavor: flavor("1"),
        image: None,
        host: None,
        node: None,
        node_id: None,
        availability_zone: None,
        pinned_zone: None,
        launch_index: 0,
        reservation_id: "r-1".into(),
        vifs: Vec::new(),
        volume_image: None,
        image_ref: None,
        volumes: Vec::new(),
        local_disks: LocalDisks::default(),
        disk_places: Vec::new(),
        rescue: None,
        resize: None,
        shelved: None,
        metadata: BTreeMap::new(),
        tags: Vec::new(),
        key: None,
        user_data: None,
        config_drive: false,
        security_groups: Vec::new(),
        access_ip_v4: None,
        access_ip_v6: None,
        disk_config: DiskConfig::Manual,
        hints: BTreeMap::new(),
        trusted_certificates: None,
        root_device_name: None,
        lock: None,
        progress: 0,
        fault: None,
        created_at: now,
        updated_at: now,
        launched_at: Some(now),
        terminated_at: None,
        soft_deleted_at: None,
        deleted_at: None,
    }
}

/// The card of a port on network `net`, without addresses and traffic.
pub fn vif(port_id: &str) -> Vif {
    Vif {
        port_id: port_id.to_owned(),
        network_id: "net".into(),
        network_name: "private".into(),
        mac: "fa:16:3e:00:00:01".into(),
        mtu: 1450,
        addresses: Vec::new(),
        active: false,
        preexisting: false,
        tag: None,
        vnic_type: "normal".into(),
        tap: None,
        netns: None,
    }
}
