//! How volumes are served, out of the section of the service and of those of back ends.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use settings::Reader;

use crate::settings::{BackEnd, Helper, LvmType, Nbd, Storage, Tgt};

/// Names of targets have 223 bytes, of which two ids take 81.
const LONGEST_PREFIX: usize = 128;

/// What an option belongs to: a test of a back end, and its name.
type Beside = (fn(&BackEnd) -> bool, &'static str);

const LVM: Beside = (
    |one| matches!(one.storage, Storage::Lvm { .. }),
    "volume_driver = lvm",
);
const NBD: Beside = (
    |one| matches!(one.helper, Helper::Nbd(_)),
    "target_helper = nbd",
);
const TGT: Beside = (
    |one| matches!(one.helper, Helper::Tgt(_)),
    "target_helper = tgtadm",
);
const TARGET: Beside = (
    |one| !matches!(one.helper, Helper::Local),
    "target_helper = nbd or tgtadm",
);

/// Options of the service and of a back end that have no effect beside other helpers and drivers.
const OF_BACK_ENDS: [(&str, Beside); 3] = [
    ("target_ip_address", TARGET),
    ("volume_group", LVM),
    ("lvm_type", LVM),
];

/// The same of the service alone.
const OF_ALL: [(&str, Beside); 5] = [
    ("nbd_first_port", NBD),
    ("nbd_last_port", NBD),
    ("target_port", TGT),
    ("target_prefix", TGT),
    ("tgt_control_port", TGT),
];

/// Refuses what is set and has no effect on any of these back ends.
pub fn refuse_idle(from: &mut Reader<'_>, all: &[BackEnd]) {
    refuse_of(from, &OF_BACK_ENDS, all);
    refuse_of(from, &OF_ALL, all);
}

/// Refuses what the section of a back end sets and has no effect on it.
pub fn refuse_idle_of_one(section: &mut Reader<'_>, one: &BackEnd) {
    refuse_of(section, &OF_BACK_ENDS, std::slice::from_ref(one));
}

fn refuse_of(from: &mut Reader<'_>, options: &[(&str, Beside)], all: &[BackEnd]) {
    for (option, (is_used, with)) in options {
        if !all.iter().any(is_used) && from.is_set(option) {
            from.refuse(option, format!("has no effect without {with}"));
        }
    }
}

/// Refuses back ends whose volumes one tgtd would serve at different addresses.
pub fn refuse_portals(from: &mut Reader<'_>, all: &[BackEnd]) {
    let mut portals = all.iter().filter_map(|one| match &one.helper {
        Helper::Tgt(tgt) if tgt.control != 0 => Some((one.name.as_str(), tgt)),
        _ => None,
    });
    let Some((first, tgt)) = portals.next() else {
        return;
    };
    let other =
        portals.find(|(_, other)| other.control == tgt.control && other.portal != tgt.portal);
    if let Some((name, other)) = other {
        from.refuse(
            "tgt_control_port",
            format!(
                "starts one tgtd, which does not serve the back ends '{first}' at {} and '{name}' at {}",
                tgt.portal, other.portal
            ),
        );
    }
}

/// What the options say, of whichever helper they are.
#[derive(Debug, Clone)]
pub struct Serving {
    helper: String,
    address: IpAddr,
    ports: RangeInclusive<u16>,
    port: u16,
    prefix: String,
    control: u16,
    driver: String,
    group: String,
    kind: String,
}

/// Reads the section of the service.
pub fn read(from: &mut Reader<'_>) -> Serving {
    let ports: RangeInclusive<u16> = from.integer("nbd_first_port")..=from.integer("nbd_last_port");
    if ports.is_empty() {
        from.refuse("nbd_last_port", "must not be less than nbd_first_port");
    }
    let address: Option<IpAddr> = from.parsed("target_ip_address");
    Serving {
        helper: from.text("target_helper"),
        address: address.unwrap_or(Ipv4Addr::LOCALHOST.into()),
        ports,
        port: from.integer("target_port"),
        prefix: prefix(from),
        control: from.integer("tgt_control_port"),
        driver: from.text("volume_driver"),
        group: from.text("volume_group"),
        kind: from.text("lvm_type"),
    }
}

/// It becomes a part of names of targets, which are words of commands.
fn prefix(from: &mut Reader<'_>) -> String {
    let prefix = from.text("target_prefix");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-');
    let is_one = prefix.starts_with("iqn.") && prefix.len() <= LONGEST_PREFIX;
    if !is_one || !prefix.chars().all(plain) {
        from.refuse(
            "target_prefix",
            "must begin with iqn. and have letters, digits, '.', ':' and '-', 128 at most",
        );
    }
    prefix
}

impl Serving {
    /// The same with what the section of a back end says.
    pub fn within(&self, section: &mut Reader<'_>) -> Self {
        let helper = section.optional("target_helper");
        let address: Option<IpAddr> = section.parsed("target_ip_address");
        let driver = section.optional("volume_driver");
        let group = section.optional("volume_group");
        let kind = section.optional("lvm_type");
        Serving {
            driver: driver.unwrap_or_else(|| self.driver.clone()),
            group: group.unwrap_or_else(|| self.group.clone()),
            kind: kind.unwrap_or_else(|| self.kind.clone()),
            helper: helper.unwrap_or_else(|| self.helper.clone()),
            address: address.unwrap_or(self.address),
            ..self.clone()
        }
    }

    /// What keeps the volumes. Cinder's other drivers are refused.
    pub fn storage(&self, from: &mut Reader<'_>) -> Storage {
        /// The longest name of a group that leaves room for those of volumes: LVM has 127 bytes for both.
        const LONGEST: usize = 32;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
        match self.driver.as_str() {
            "file" => Storage::Files,
            "lvm" | "cinder.volume.drivers.lvm.LVMVolumeDriver" => {
                let begins = |c: char| c.is_ascii_alphanumeric();
                let is_name = self.group.starts_with(begins) && self.group.len() <= LONGEST;
                if !is_name || !self.group.chars().all(plain) {
                    from.refuse(
                        "volume_group",
                        "must be the name of a volume group, of at most 32 bytes",
                    );
                }
                if self.helper == "local" {
                    from.refuse(
                        "target_helper",
                        "must be nbd or tgtadm beside volume_driver = lvm: hosts open no devices",
                    );
                }
                Storage::Lvm {
                    group: self.group.clone(),
                    kind: match self.kind.as_str() {
                        "default" => LvmType::Thick,
                        _ => LvmType::Thin,
                    },
                }
            }
            other => {
                from.refuse(
                    "volume_driver",
                    format!("'{other}' is not built: file and lvm are"),
                );
                Storage::Files
            }
        }
    }

    /// How the volumes are served. Cinder's other helpers are refused, whose volumes no host would reach.
    pub fn helper(&self, from: &mut Reader<'_>) -> Helper {
        if self.address.is_unspecified() {
            from.refuse(
                "target_ip_address",
                "must be an address that hosts can connect to",
            );
        }
        match self.helper.as_str() {
            "local" => Helper::Local,
            "nbd" => Helper::Nbd(Nbd {
                address: self.address,
                ports: self.ports.clone(),
            }),
            "tgtadm" => Helper::Tgt(Tgt {
                portal: SocketAddr::new(self.address, self.port),
                prefix: self.prefix.clone(),
                control: self.control,
            }),
            other => {
                from.refuse(
                    "target_helper",
                    format!("'{other}' is not built: local, nbd and tgtadm are"),
                );
                Helper::Local
            }
        }
    }
}
