//! A server as the hypervisor's description of it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bus::Failure;
use compute_model::Server;
use compute_model::metadata::{self, Guest};
use compute_model::network::Vif;
use compute_rpc::code;
use hypervisor::{
    ConfigDrive, ConfigFile, CpuLimits, DirectBoot, Ephemeral, Firmware, ImageRef, Nic, RootDisk,
    ServerSpec, Tap,
};
use rand::Rng;

use crate::build::epoch;
use crate::images::Ready;
use crate::settings::Settings;

/// What a config drive holds beyond the server's own data.
#[derive(Default)]
pub struct Extras<'a> {
    pub admin_password: Option<&'a str>,
    /// Path and base64 content.
    pub files: &'a [(String, String)],
}

/// The description of a server that is new on this host.
///
/// # Errors
/// A property or file of the server cannot be read: no host will do better.
pub fn new(
    server: &Server,
    image: Option<Ready>,
    extras: &Extras,
    settings: &Settings,
) -> Result<ServerSpec, Failure> {
    let mut spec = ServerSpec::minimal(&server.id, &server.name);
    spec.epoch = epoch(server.epoch);
    spec.hostname.clone_from(&server.hostname);
    spec.vcpus = server.flavor.vcpus;
    spec.memory_mb = u64::from(server.flavor.ram);
    let (root, direct_boot) = root_disk(server, image);
    spec.root_disk = root;
    spec.direct_boot = direct_boot;
    if server.flavor.ephemeral > 0 {
        spec.ephemeral.push(Ephemeral {
            size_gb: u64::from(server.flavor.ephemeral),
            guest_format: None,
        });
    }
    spec.swap_mb = u64::from(server.flavor.swap);
    let property = |name: &str| {
        let image = server.image.as_ref()?;
        image.properties.get(name).cloned()
    };
    spec.machine_type = property("hw_machine_type");
    spec.disk_bus = property("hw_disk_bus");
    spec.video_model = property("hw_video_model").map(|model| match model.as_str() {
        "vga" => "std".to_owned(),
        _ => model,
    });
    spec.firmware = match property("hw_firmware_type").as_deref() {
        Some("uefi") => Firmware::Uefi,
        _ => Firmware::Bios,
    };
    spec.cpu_limits = cpu_limits(server);
    spec.nics = nics(server);
    if server.config_drive {
        spec.config_drive = Some(config_drive(server, extras, settings)?);
    }
    spec.metadata = BTreeMap::from([
        ("project_id".to_owned(), server.project_id.clone()),
        ("flavor".to_owned(), server.flavor.name.clone()),
    ]);
    Ok(spec)
}

/// The kept description of a server that is here, brought up to the server's present state.
pub fn renewed(mut kept: ServerSpec, server: &Server) -> ServerSpec {
    kept.epoch = epoch(server.epoch);
    kept.name.clone_from(&server.name);
    kept.nics = nics(server);
    kept
}

fn root_disk(server: &Server, image: Option<Ready>) -> (Option<RootDisk>, Option<DirectBoot>) {
    let size_gb = u64::from(server.flavor.disk);
    let Some(ready) = image else {
        return (
            Some(RootDisk {
                size_gb,
                image: None,
            }),
            None,
        );
    };
    let direct_boot = ready.kernel.map(|kernel| DirectBoot {
        kernel,
        ramdisk: ready.ramdisk,
        cmdline: server
            .image
            .as_ref()
            .and_then(|image| image.properties.get("os_command_line").cloned())
            .or_else(|| Some("root=/dev/vda console=tty0 console=ttyS0".to_owned())),
    });
    let root = RootDisk {
        size_gb,
        image: Some(ImageRef {
            id: ready.id,
            path: ready.path,
            format: ready.format,
            virtual_size: ready.virtual_size,
        }),
    };
    (Some(root), direct_boot)
}

fn nics(server: &Server) -> Vec<Nic> {
    let model = server
        .image
        .as_ref()
        .and_then(|image| image.properties.get("hw_vif_model").cloned());
    let nic = |vif: &Vif| Nic {
        port_id: vif.port_id.clone(),
        mac: vif.mac.clone(),
        tap: vif.tap.clone().map(|device| Tap {
            device,
            netns: vif.netns.clone(),
        }),
        mtu: vif.mtu,
        model: model.clone(),
    };
    server.vifs.iter().map(nic).collect()
}

fn cpu_limits(server: &Server) -> CpuLimits {
    let spec = |name: &str| server.flavor.extra_specs.get(name);
    CpuLimits {
        shares: spec("quota:cpu_shares").and_then(|text| text.parse().ok()),
        period_us: spec("quota:cpu_period").and_then(|text| text.parse().ok()),
        quota_us: spec("quota:cpu_quota").and_then(|text| text.parse().ok()),
    }
}

fn config_drive(
    server: &Server,
    extras: &Extras,
    settings: &Settings,
) -> Result<ConfigDrive, Failure> {
    let decode = |what: &str, text: &str| {
        BASE64
            .decode(text.split_whitespace().collect::<String>())
            .map_err(|error| Failure::new(code::BAD_REQUEST, format!("{what}: {error}")))
    };
    let user_data = match &server.user_data {
        Some(text) => Some(decode("user data", text)?),
        None => None,
    };
    let mut files = Vec::with_capacity(extras.files.len());
    for (path, content) in extras.files {
        files.push((path.clone(), decode(path, content)?));
    }
    let mut random_seed = vec![0; 512];
    rand::rng().fill_bytes(&mut random_seed);
    let guest = Guest {
        server,
        dhcp_domain: &settings.dhcp_domain,
        random_seed: &random_seed,
        admin_password: extras.admin_password,
        files: &files,
        vendor_data: None,
        password: None,
        user_data,
    };
    let files = metadata::config_drive(&guest).into_iter();
    Ok(ConfigDrive {
        files: files
            .map(|(path, bytes)| ConfigFile {
                path,
                bytes: bytes.into(),
            })
            .collect(),
    })
}
