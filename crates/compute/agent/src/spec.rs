//! A server as the hypervisor's description of it.

use std::collections::BTreeMap;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bus::Failure;
use compute_model::fault::Kind;
use compute_model::guest_hardware::GuestHardware;
use compute_model::hardware::{FileSystem, FirmwareType, quoted};
use compute_model::image::ServerImage;
use compute_model::metadata::{self, Guest};
use compute_model::network::Vif;
use compute_model::{Server, image_properties};
use compute_rpc::agent::Given;
use compute_rpc::{code, failure};
use hypervisor::{
    CommandLine, ConfigDrive, ConfigFile, CpuLimits, DirectBoot, Ephemeral, Firmware, ImageRef,
    Nic, RootDisk, ServerSpec, Tap,
};
use rand::Rng;

use crate::images::{BootFiles, Ready, Root};
use crate::numbers::epoch;
use crate::settings::Settings;

/// What a config drive holds beyond the server's own data.
#[derive(Default)]
pub struct Extras<'a> {
    pub admin_password: Option<&'a str>,
    /// Path and base64 content.
    pub files: &'a [(String, String)],
}

impl<'a> Extras<'a> {
    pub fn of(given: &'a Given) -> Self {
        Extras {
            admin_password: given.admin_password.as_deref(),
            files: &given.injected_files,
        }
    }
}

/// The description of a server that is new on this host, without its volumes.
///
/// # Errors
/// A property or file of the server cannot be read: no host will do better.
pub fn new(
    server: &Server,
    root: Root,
    extras: &Extras,
    settings: &Settings,
) -> Result<ServerSpec, Failure> {
    let mut spec = ServerSpec::minimal(&server.id, &server.name);
    spec.epoch = epoch(server.epoch);
    spec.hostname.clone_from(&server.hostname);
    let (root, direct_boot) = root_disk(server, root)?;
    spec.root_disk = root;
    spec.direct_boot = direct_boot;
    size(&mut spec, server, settings)?;
    spec.machine_type = property(server, "hw_machine_type")?;
    spec.disk_bus = property(server, "hw_disk_bus")?;
    spec.video_model = property(server, "hw_video_model")?;
    spec.firmware = match property(server, "hw_firmware_type")? {
        Some(FirmwareType::Uefi) => Firmware::Uefi,
        Some(FirmwareType::Bios) | None => Firmware::Bios,
    };
    spec.nics = nics(server)?;
    if server.config_drive {
        spec.config_drive = Some(config_drive(server, extras, settings)?);
    }
    spec.metadata = BTreeMap::from([
        ("project_id".to_owned(), server.project_id.clone()),
        ("flavor".to_owned(), server.flavor.name.clone()),
    ]);
    Ok(spec)
}

/// Gives a description what follows from the server's flavor.
///
/// # Errors
/// An extra spec, or a property of the server's image, cannot be read.
pub fn size(spec: &mut ServerSpec, server: &Server, settings: &Settings) -> Result<(), Failure> {
    let flavor = &server.flavor;
    spec.vcpus = flavor.vcpus;
    spec.memory_mb = u64::from(flavor.ram);
    if let Some(root) = &mut spec.root_disk {
        root.size_gb = u64::from(flavor.disk);
    }
    spec.root_device.clone_from(&server.local_disks.root);
    spec.ephemeral = ephemeral(server, settings);
    spec.swap_mb = u64::from(server.local_disks.swap_mb(flavor));
    spec.swap_device.clone_from(&server.local_disks.swap);
    spec.cpu_limits = cpu_limits(server)?;
    let none = BTreeMap::new();
    let image = server.described_by();
    let properties = image.map_or(&none, |image| &image.properties);
    spec.hardware = GuestHardware::of(flavor, properties).map_err(unusable)?;
    Ok(())
}

fn ephemeral(server: &Server, settings: &Settings) -> Vec<Ephemeral> {
    let image = server.described_by();
    let os_type = image.and_then(|image| image.properties.get("os_type"));
    let usual = settings
        .default_ephemeral_format
        .unwrap_or_else(|| FileSystem::of_os(os_type.map(String::as_str)));
    let disks = server.local_disks.ephemeral(&server.flavor).into_iter();
    let described = disks.map(|disk| Ephemeral {
        size_gb: u64::from(disk.size_gb),
        guest_format: Some(disk.format.unwrap_or(usual)),
        device: disk.device,
    });
    described.collect()
}

/// The kept description of a server that is here, brought up to the server's present state but for its volumes.
///
/// # Errors
/// A property of the server cannot be read.
pub fn renewed(mut kept: ServerSpec, server: &Server) -> Result<ServerSpec, Failure> {
    kept.epoch = epoch(server.epoch);
    kept.name.clone_from(&server.name);
    kept.nics = nics(server)?;
    if server.rescued_by().is_none() {
        kept.rescue = None;
    }
    Ok(kept)
}

/// A property of the server's image as the type that a description has. The API refuses others, but a row may be older
/// than the check.
fn property<T: FromStr>(server: &Server, name: &'static str) -> Result<Option<T>, Failure> {
    match server.described_by() {
        Some(image) => property_of(image, name),
        None => Ok(None),
    }
}

fn property_of<T: FromStr>(image: &ServerImage, name: &'static str) -> Result<Option<T>, Failure> {
    image_properties::typed(&image.properties, name).map_err(|bad| unusable(bad.to_string()))
}

fn unusable(why: String) -> Failure {
    failure(code::BAD_REQUEST, Kind::BadRequest, why)
}

/// What a kernel is started with whose image says nothing, after the root.
const CONSOLES: &str = "console=tty0 console=ttyS0";

fn root_disk(
    server: &Server,
    root: Root,
) -> Result<(Option<RootDisk>, Option<DirectBoot>), Failure> {
    let image = server.described_by();
    let boot = match &root {
        Root::Image(ready) => &ready.boot,
        Root::Volume(boot) => boot,
    };
    let direct_boot = match image {
        Some(image) => direct_boot(image, boot, server.root_device())?,
        None => None,
    };
    let disk = match root {
        Root::Image(ready) => Some(RootDisk {
            size_gb: u64::from(server.flavor.disk),
            image: Some(image_ref(ready)),
        }),
        Root::Volume(_) => None,
    };
    Ok((disk, direct_boot))
}

/// The kernel of an image, where it has one, which finds its root disk by the name `root`.
///
/// # Errors
/// Its command line cannot be read.
pub fn direct_boot(
    image: &ServerImage,
    boot: &BootFiles,
    root: &str,
) -> Result<Option<DirectBoot>, Failure> {
    let Some(kernel) = &boot.kernel else {
        return Ok(None);
    };
    let line: Option<CommandLine> = property_of(image, "os_command_line")?;
    Ok(Some(DirectBoot {
        kernel: kernel.clone(),
        ramdisk: boot.ramdisk.clone(),
        cmdline: line.or_else(|| format!("root={root} {CONSOLES}").parse().ok()),
    }))
}

/// The file of an image.
pub fn image_ref(ready: Ready) -> ImageRef {
    ImageRef {
        id: ready.id,
        path: ready.path,
        format: ready.format,
        virtual_size: ready.virtual_size,
    }
}

/// The network cards of a server.
///
/// # Errors
/// The model that its image names cannot be read.
pub fn nics(server: &Server) -> Result<Vec<Nic>, Failure> {
    let model = property(server, "hw_vif_model")?;
    let nic = |vif: &Vif| Nic {
        port_id: vif.port_id.clone(),
        mac: vif.mac.clone(),
        tap: vif.tap.clone().map(|device| Tap {
            device,
            netns: vif.netns.clone(),
        }),
        mtu: vif.mtu,
        model,
    };
    Ok(server.vifs.iter().map(nic).collect())
}

fn cpu_limits(server: &Server) -> Result<CpuLimits, Failure> {
    Ok(CpuLimits {
        shares: extra_spec(server, "quota:cpu_shares")?,
        period_us: extra_spec(server, "quota:cpu_period")?,
        quota_us: extra_spec(server, "quota:cpu_quota")?,
    })
}

/// An extra spec as a number. Those set with microversions below 2.86 were never checked.
fn extra_spec<T: FromStr>(server: &Server, name: &str) -> Result<Option<T>, Failure> {
    let Some(text) = server.flavor.extra_specs.get(name) else {
        return Ok(None);
    };
    let number = text.trim().parse().map(Some);
    number.map_err(|_| unusable(format!("extra spec {name}: {} is no number", quoted(text))))
}

/// The config drive of a server.
///
/// # Errors
/// User data or a file is no base64.
pub fn config_drive(
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

#[cfg(test)]
mod tests {
    use compute_model::accepted::{Fate, Row};
    use compute_model::extra_specs;
    use compute_model::image::ServerImage;
    use compute_model::testing;

    use super::*;

    /// A server as a row may hold it that is older than the checks.
    fn old(property: (&str, &str), extra_spec: (&str, &str)) -> Server {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut server = testing::server("0d7b1a2c-6a3e-4f0e-9f41-000000000001");
        server.flavor.extra_specs = BTreeMap::from([owned(extra_spec)]);
        server.image = Some(ServerImage {
            id: "i".to_owned(),
            name: String::new(),
            disk_format: "raw".to_owned(),
            container_format: "bare".to_owned(),
            min_ram: 0,
            min_disk: 0,
            size: 1,
            virtual_size: None,
            properties: BTreeMap::from([owned(property)]),
        });
        server
    }

    /// An image with a kernel.
    fn ready() -> Ready {
        Ready {
            id: "i".to_owned(),
            path: "/cache/i".into(),
            format: hypervisor::ImageFormat::Raw,
            virtual_size: 1,
            boot: BootFiles {
                kernel: Some("/cache/k".into()),
                ramdisk: None,
            },
        }
    }

    fn kernel(server: &Server) -> Result<DirectBoot, Failure> {
        root_disk(server, Root::Image(ready())).map(|(_, boot)| boot.expect("a kernel"))
    }

    #[test]
    fn a_kernel_beside_a_volume_boots_that() {
        let mut server = old(("os_command_line", "quiet"), ("own", "x"));
        server.volume_image = server.image.take();
        let boot = Root::Volume(ready().boot);
        let (disk, direct) = root_disk(&server, boot.clone()).expect("what boots");
        let direct = direct.expect("a kernel");
        assert_eq!(disk, None, "its root is the volume");
        assert_eq!(direct.kernel, std::path::Path::new("/cache/k"));
        assert_eq!(direct.cmdline.expect("a line").as_str(), "quiet");
        // Whose image says nothing finds its root by the disk's name.
        server.volume_image = Some(ServerImage::default());
        server.root_device_name = Some("/dev/sda".to_owned());
        let (_, direct) = root_disk(&server, boot).expect("what boots");
        let line = direct.and_then(|direct| direct.cmdline).expect("a line");
        assert_eq!(line.as_str(), "root=/dev/sda console=tty0 console=ttyS0");
        let none = root_disk(&server, Root::Volume(BootFiles::default())).expect("what boots");
        assert_eq!(none, (None, None));
    }

    #[test]
    fn disks_are_shown_as_the_server_wants_them() {
        use compute_model::hardware::DiskBus;
        let mut server = old(("colour", "red"), ("own", "x"));
        server.flavor.swap = 1;
        server.local_disks.root.tag = Some("system".to_owned());
        server.local_disks.swap.bus = Some(DiskBus::Scsi);
        let host = "host".parse().expect("a name");
        let settings = Settings::of("cloud", host, "node");
        let root = Root::Image(ready());
        let spec = new(&server, root, &Extras::default(), &settings).expect("a description");
        assert_eq!(spec.root_device.tag.as_deref(), Some("system"));
        assert_eq!(spec.swap_device.bus, Some(DiskBus::Scsi));
    }

    #[test]
    fn a_property_of_an_old_row_is_read_again_and_a_bad_one_is_a_plain_fault() {
        let spec = ("colour", "red");
        let good = old(("hw_vif_model", "e1000"), spec);
        assert_eq!(
            property::<hypervisor::NicModel>(&good, "hw_vif_model")
                .unwrap()
                .unwrap()
                .as_str(),
            "e1000"
        );
        assert_eq!(
            kernel(&good).unwrap().cmdline.unwrap().as_str(),
            "root=/dev/vda console=tty0 console=ttyS0"
        );
        let machine = old(("hw_machine_type", "initrd=/etc/hostname"), spec);
        let refused = property::<hypervisor::MachineType>(&machine, "hw_machine_type").unwrap_err();
        assert_eq!(refused.code, code::BAD_REQUEST);
        assert_eq!(compute_rpc::kind(&refused), Kind::BadRequest);
        assert!(refused.message.contains("hw_machine_type"), "{refused:?}");
        assert!(nics(&old(("hw_vif_model", "e1000,mac=x"), spec)).is_err());
        assert!(kernel(&old(("os_command_line", "a\0b"), spec)).is_err());
    }

    /// Every row that says that this file honours it changes the description.
    #[test]
    fn each_row_changes_the_description() {
        let described = |property: (&str, &str), spec: (&str, &str)| {
            let mut server = old(property, spec);
            server.vifs = vec![testing::vif("p")];
            let host = "host".parse().expect("a name");
            let settings = Settings::of("cloud", host, "node");
            let root = Root::Image(ready());
            new(&server, root, &Extras::default(), &settings).expect("a description")
        };
        let (colour, own) = (("colour", "red"), ("own", "x"));
        let usual = described(colour, own);
        let ours = |row: &&Row| match row.fate {
            Fate::Honoured(by) | Fate::Partly { by, .. } => {
                by.contains(&"compute/agent/src/spec.rs")
            }
            _ => false,
        };
        let examples = BTreeMap::from([
            ("hw_disk_bus", "scsi"),
            ("hw_firmware_type", "uefi"),
            ("hw_machine_type", "q35"),
            ("hw_video_model", "none"),
            ("hw_vif_model", "e1000"),
            ("os_command_line", "quiet"),
        ]);
        let properties: Vec<_> = image_properties::PROPERTIES.iter().filter(ours).collect();
        assert_eq!(properties.len(), examples.len());
        for row in properties {
            assert_ne!(
                described((row.name, examples[row.name]), own),
                usual,
                "{}",
                row.name
            );
        }
        let specs: Vec<_> = extra_specs::SPECS.iter().filter(ours).collect();
        assert_eq!(specs.len(), 3);
        for row in specs {
            assert_ne!(described(colour, (row.name, "5000")), usual, "{}", row.name);
        }
        // What another file makes of them comes along.
        let windows = described(("os_type", "windows"), own);
        assert!(windows.hardware.windows);
        let limited = described(colour, ("quota:disk_read_bytes_sec", "9"));
        assert_eq!(limited.hardware.disk_limits.bytes.read, 9);
    }

    #[test]
    fn a_limit_that_is_no_number_is_refused_instead_of_left_out() {
        let image = ("colour", "red");
        let limits = |value| cpu_limits(&old(image, ("quota:cpu_quota", value)));
        assert_eq!(limits("50000").unwrap().quota_us, Some(50_000));
        assert_eq!(limits("-1").unwrap().quota_us, Some(-1));
        for odd in ["", "many", "1e9", "5;reboot"] {
            assert_eq!(limits(odd).unwrap_err().code, code::BAD_REQUEST, "{odd}");
        }
    }
}
