//! The section of the volume service, as operators write it.

mod serving;

use std::path::PathBuf;

use settings::{Named, Opt, Reader, Section, common};

use crate::settings::{BackEnd, Helper, Limits, Settings, Storage};
use serving::Serving;

const OPTIONS: &[Opt] = &[
    common::CONNECTION,
    Opt::path(
        "volume_dir",
        "",
        "Folder of the volumes' files; `volumes` in the state folder when empty.",
    ),
    Opt::path(
        "backup_dir",
        "",
        "Folder of backups; `backups` in the state folder when empty.",
    ),
    Opt::text(
        "volume_backend_name",
        "file",
        "Name of the back end, as in `HOST@BACKEND#POOL`; extra specs of types name it.",
    ),
    Opt::list(
        "enabled_backends",
        "",
        "Several back ends on this host: names of sections, one for each. When empty there is one, that of `volume_dir` and `volume_backend_name`.",
    ),
    Opt::text(
        "volume_driver",
        "file",
        "What keeps volumes: `file`, sparse files of `volume_dir`; `lvm`, logical volumes of `volume_group`, which need a `target_helper` other than `local`.",
    ),
    Opt::text(
        "volume_group",
        "cinder-volumes",
        "The volume group of LVM, with `volume_driver = lvm`.",
    ),
    Opt::choice(
        "lvm_type",
        &["thin", "default"],
        "thin",
        "How logical volumes are made: `thin`, in the pool `GROUP-pool`, which exists; `default`, whole.",
    ),
    Opt::text(
        "target_helper",
        "local",
        "How hosts reach volumes: `local`, hosts of this machine open the files; `nbd`, each is served by a storage daemon of QEMU; `tgtadm`, by iSCSI, with a password of its own (CHAP).",
    ),
    Opt::text(
        "target_ip_address",
        "127.0.0.1",
        "Where volumes are served; hosts are told this address. The machine's own tgtd (`tgt_control_port = 0`) listens where its service says, at all addresses unless that says otherwise, whatever stands here. NBD encrypts nothing and asks nobody who they are: see docs/security.md before it is another than this machine's own.",
    ),
    Opt::integer(
        "nbd_first_port",
        "10810",
        "First of the TCP ports of volumes that are served by NBD: each attachment has one for itself.",
    )
    .range(1, 65535),
    Opt::integer("nbd_last_port", "11809", "Last of these ports.").range(1, 65535),
    Opt::integer(
        "target_port",
        "3260",
        "The TCP port of volumes that are served by iSCSI; that of the machine's own tgtd where it is the one that serves.",
    )
    .range(1, 65535),
    Opt::text(
        "target_prefix",
        "iqn.2010-10.org.openstack:",
        "What names of iSCSI targets begin with.",
    ),
    Opt::integer(
        "tgt_control_port",
        "0",
        "The control port of tgtd: 0 is the machine's own service; any other one is started here, for these volumes alone.",
    )
    .range(0, 32767),
    Opt::text(
        "storage_availability_zone",
        "nova",
        "The availability zone of this host's volumes.",
    ),
    Opt::text(
        "default_availability_zone",
        "",
        "The zone of volumes for which none is asked; this host's when empty.",
    ),
    Opt::boolean(
        "allow_availability_zone_fallback",
        "false",
        "Whether a zone that does not exist is taken for the default one, instead of being refused.",
    ),
    Opt::text(
        "default_volume_type",
        "__DEFAULT__",
        "The type of volumes for which none is asked. It is made at the start if it does not exist.",
    ),
    Opt::integer(
        "quota_volumes",
        "10",
        "Volumes of a project; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "quota_gigabytes",
        "1000",
        "GiB of volumes and snapshots of a project; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "quota_snapshots",
        "10",
        "Snapshots of a project; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "quota_backups",
        "10",
        "Backups of a project; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "quota_backup_gigabytes",
        "1000",
        "GiB of backups of a project; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "quota_groups",
        "10",
        "Groups of volumes of a project; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::integer(
        "per_volume_size_limit",
        "-1",
        "GiB of one volume; -1 is without limit.",
    )
    .range(-1, i64::MAX),
    Opt::boolean(
        "no_snapshot_gb_quota",
        "false",
        "Whether snapshots do not count against the gigabytes of a project.",
    ),
    Opt::seconds(
        "message_ttl",
        "2592000",
        "How long messages for users are kept.",
    ),
    Opt::boolean(
        "enable_force_upload",
        "false",
        "Whether images may be made of volumes in use; otherwise a client's force is ignored, as in Cinder.",
    ),
    Opt::integer("osapi_max_limit", "1000", "Most items of a page of a list.").range(1, 1_000_000),
    Opt::float(
        "max_over_subscription_ratio",
        "20.0",
        "GiB of volumes that may be promised for each GiB of the file system: files are sparse.",
    )
    .float_range(1.0, 1000.0),
    Opt::integer(
        "reserved_percentage",
        "0",
        "Percent of the file system that is not given to volumes.",
    )
    .range(0, 100),
    common::POLICY_FILE,
];

/// The section of one of several back ends.
const BACK_END: &[Opt] = &[
    Opt::path("volume_dir", "", "Folder of this back end's files. Needed, and not within another's."),
    Opt::text(
        "volume_backend_name",
        "",
        "Name of its pool, as in `HOST@BACKEND#POOL`; extra specs of types name it. The section's name when empty.",
    ),
    Opt::text(
        "volume_driver",
        "",
        "What keeps its volumes; that of `[volume]` when empty. With `lvm`, images lie in `volume_dir` while volumes are made of them.",
    ),
    Opt::text(
        "volume_group",
        "",
        "Its volume group of LVM; that of `[volume]` when empty.",
    ),
    Opt::choice(
        "lvm_type",
        &["thin", "default"],
        "",
        "How its logical volumes are made; as `[volume]` says when empty.",
    ),
    Opt::text(
        "target_helper",
        "",
        "How hosts reach its volumes; that of `[volume]` when empty.",
    ),
    Opt::text(
        "target_ip_address",
        "",
        "Where its volumes are served; that of `[volume]` when empty.",
    ),
    Opt::float(
        "max_over_subscription_ratio",
        "",
        "GiB of volumes that may be promised for each GiB of its file system; that of `[volume]` when empty.",
    )
    .float_range(1.0, 1000.0),
    Opt::integer(
        "reserved_percentage",
        "",
        "Percent of its file system that is not given to volumes; that of `[volume]` when empty.",
    )
    .range(0, 100),
];

/// The longest name of a back end or pool: hosts have 255 bytes with both.
const LONGEST_NAME: usize = 64;

impl Section for Settings {
    const NAME: &'static str = "volume";
    const ABOUT: &'static str = "The embedded volume service.";
    const NAMED: Option<Named> = Some(Named {
        by: "enabled_backends",
        about: "One of several back ends.",
        options: BACK_END,
    });

    fn options() -> &'static [Opt] {
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        let serving = serving::read(from);
        let mut back_end = BackEnd {
            name: from.text("volume_backend_name"),
            pool: from.text("volume_backend_name"),
            volume_dir: from.path("volume_dir"),
            storage: Storage::Files,
            helper: Helper::Local,
            over_subscription: percent(from.float("max_over_subscription_ratio")),
            reserved_percentage: from.integer("reserved_percentage"),
        };
        let backends = back_ends(from, &serving, &back_end);
        // Where there are several, each has its own.
        if backends.is_empty() {
            (back_end.storage, back_end.helper) = (serving.storage(from), serving.helper(from));
        }
        let settings = Settings {
            connection: from.optional("connection"),
            backup_dir: from.path("backup_dir"),
            export_dir: PathBuf::new(),
            host: "localhost".to_owned(),
            also_hosts: Vec::new(),
            back_end,
            backends,
            zone: from.text("storage_availability_zone"),
            default_zone: from.optional("default_availability_zone"),
            zone_fallback: from.boolean("allow_availability_zone_fallback"),
            default_type: from.text("default_volume_type"),
            limits: Limits {
                volumes: from.integer("quota_volumes"),
                gigabytes: from.integer("quota_gigabytes"),
                snapshots: from.integer("quota_snapshots"),
                backups: from.integer("quota_backups"),
                backup_gigabytes: from.integer("quota_backup_gigabytes"),
                groups: from.integer("quota_groups"),
                per_volume_gigabytes: from.integer("per_volume_size_limit"),
            },
            snapshots_count: !from.boolean("no_snapshot_gb_quota"),
            message_ttl: from.seconds("message_ttl"),
            force_upload: from.boolean("enable_force_upload"),
            max_page: from.integer("osapi_max_limit"),
            keep_free: 64 << 20,
            policy_file: from.existing_file("policy_file"),
        };
        serving::refuse_idle(from, settings.back_ends());
        serving::refuse_portals(from, settings.back_ends());
        settings
    }
}

/// At most 1000.0, so the percentage is exact.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn percent(ratio: f64) -> u64 {
    (ratio * 100.0) as u64
}

/// The back ends that a list names, each with its section; what that does not say is as with one alone.
fn back_ends(from: &mut Reader<'_>, serving: &Serving, alone: &BackEnd) -> Vec<BackEnd> {
    let names = from.list("enabled_backends");
    if names.is_empty() {
        return Vec::new();
    }
    for option in ["volume_dir", "volume_backend_name"] {
        if from.is_set(option) {
            from.refuse(
                option,
                "has no effect beside enabled_backends: it belongs into the section of a back end",
            );
        }
    }
    let mut all: Vec<BackEnd> = Vec::new();
    for name in names {
        let refused = match () {
            () if !is_name(&name) => Some("is no name of letters, digits, '_', '-' and '.'"),
            () if from.is_section(&name) => Some("is the name of another section"),
            () if all.iter().any(|one| one.name == name) => Some("is named twice"),
            () => None,
        };
        if let Some(why) = refused {
            from.refuse("enabled_backends", format!("'{name}' {why}"));
            continue;
        }
        all.push(from.named(&name, BACK_END, |section| {
            let pool = section.optional("volume_backend_name");
            if pool.as_deref().is_some_and(|pool| !is_name(pool)) {
                section.refuse(
                    "volume_backend_name",
                    "must be a name of letters, digits, '_', '-' and '.'",
                );
            }
            let volume_dir = section.path("volume_dir");
            if volume_dir.as_os_str().is_empty() {
                section.refuse("volume_dir", "must be the folder of this back end's files");
            }
            let serving = serving.within(section);
            let ratio = section.optional_float("max_over_subscription_ratio");
            let reserved = section.optional_integer("reserved_percentage");
            let one = BackEnd {
                pool: pool.unwrap_or_else(|| name.clone()),
                name: name.clone(),
                volume_dir,
                storage: serving.storage(section),
                helper: serving.helper(section),
                over_subscription: ratio.map_or(alone.over_subscription, percent),
                reserved_percentage: reserved.unwrap_or(alone.reserved_percentage),
            };
            serving::refuse_idle_of_one(section, &one);
            one
        }));
    }
    all
}

/// Names stand in `HOST@BACKEND#POOL`, whose signs they must not have.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use settings::section;

    use super::*;
    use crate::settings::{LvmType, Nbd};

    fn read(text: &str) -> Result<Settings, String> {
        let all = settings::Settings::from_text(text, &[section::<Settings>()]);
        let read = all.expect("a file").read::<Settings>();
        read.map_err(|problems| problems.to_string())
    }

    #[test]
    fn without_a_list_there_is_one_back_end() {
        let one = read("[volume]\nvolume_dir = /a\nvolume_backend_name = disk\n").expect("reads");
        let all = one.back_ends();
        assert_eq!(all.len(), 1);
        assert_eq!(
            (all[0].name.as_str(), all[0].pool.as_str()),
            ("disk", "disk")
        );
        assert_eq!(all[0].volume_dir, std::path::Path::new("/a"));
    }

    #[test]
    fn a_list_names_sections() {
        let text = "[volume]\nenabled_backends = fast, slow\nreserved_percentage = 7\n\
            [fast]\nvolume_dir = /f\nvolume_backend_name = FLASH\nmax_over_subscription_ratio = 1.5\n\
            [slow]\nvolume_dir = /s\nreserved_percentage = 9\n";
        let all = read(text).expect("reads").backends;
        let told: Vec<_> = all
            .iter()
            .map(|one| {
                let (name, pool) = (one.name.as_str(), one.pool.as_str());
                (name, pool, one.over_subscription, one.reserved_percentage)
            })
            .collect();
        assert_eq!(told, [("fast", "FLASH", 150, 7), ("slow", "slow", 2000, 9)]);
    }

    #[test]
    fn back_ends_are_served_as_their_sections_say_or_as_all_are() {
        let text = "[volume]\nenabled_backends = a, b\ntarget_helper = nbd\nnbd_last_port = 10811\n\
            [a]\nvolume_dir = /a\ntarget_ip_address = ::1\n[b]\nvolume_dir = /b\ntarget_helper = local\n";
        let all = read(text).expect("reads").backends;
        let nbd = Nbd {
            address: "::1".parse().expect("an address"),
            ports: 10810..=10811,
        };
        assert_eq!(all[0].helper, Helper::Nbd(nbd));
        assert_eq!(all[1].helper, Helper::Local);
        assert_eq!(Settings::default().back_end.helper, Helper::Local);
        let lvm = "[volume]\ntarget_helper = tgtadm\nlvm_type = default\n\
            volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver\n";
        let lvm = read(lvm).expect("reads").back_end;
        let thick = Storage::Lvm {
            group: "cinder-volumes".to_owned(),
            kind: LvmType::Thick,
        };
        assert_eq!(lvm.storage, thick);
        let Helper::Tgt(tgt) = lvm.helper else {
            panic!("{:?}", lvm.helper);
        };
        assert_eq!(tgt.portal.to_string(), "127.0.0.1:3260");
    }

    #[test]
    fn a_list_that_means_nothing_is_refused_in_a_sentence() {
        let fast = "[fast]\nvolume_dir = /f\n";
        for (text, why) in [
            (
                "[volume]\nenabled_backends = fast\n",
                "must be the folder of this back end's files",
            ),
            (
                "[volume]\nenabled_backends = fast, fast\n",
                "'fast' is named twice",
            ),
            (
                "[volume]\nenabled_backends = fast, volume\n",
                "'volume' is the name of another section",
            ),
            (
                "[volume]\nenabled_backends = fast, a#b\n",
                "'a#b' is no name",
            ),
            (
                "[volume]\nenabled_backends = fast\nvolume_dir = /x\n",
                "has no effect beside enabled_backends",
            ),
            (
                "[fast]\nvolume_drivers = lvm\n[volume]\nenabled_backends = fast\n",
                "there is no such option",
            ),
            (
                "[volume]\nenabled_backends = fast\nvolume_driver = rbd\n",
                "'rbd' is not built: file and lvm are",
            ),
            (
                "[volume]\nenabled_backends = fast\nvolume_driver = lvm\n",
                "must be nbd or tgtadm beside volume_driver = lvm",
            ),
            (
                "[volume]\nenabled_backends = fast\nvolume_driver = lvm\ntarget_helper = nbd\nvolume_group = a/b\n",
                "must be the name of a volume group",
            ),
            (
                "[volume]\nenabled_backends = fast\ntarget_helper = lioadm\n",
                "'lioadm' is not built: local, nbd and tgtadm are",
            ),
            (
                "[volume]\nenabled_backends = fast\nnbd_first_port = 9\nnbd_last_port = 8\n",
                "must not be less than nbd_first_port",
            ),
            (
                "[volume]\nenabled_backends = fast\ntarget_ip_address = 10.0.0.1\n",
                "has no effect without target_helper = nbd or tgtadm",
            ),
            (
                "[volume]\ntarget_helper = nbd\ntgt_control_port = 7\n",
                "has no effect without target_helper = tgtadm",
            ),
            (
                "[volume]\ntarget_helper = tgtadm\nnbd_last_port = 20000\n",
                "has no effect without target_helper = nbd",
            ),
            (
                "[volume]\nenabled_backends = a\ntarget_helper = nbd\n[a]\nvolume_dir = /a\nlvm_type = thin\n",
                "has no effect without volume_driver = lvm",
            ),
            (
                "[volume]\nenabled_backends = a, b\ntarget_helper = tgtadm\ntgt_control_port = 7\n\
                 [a]\nvolume_dir = /a\n[b]\nvolume_dir = /b\ntarget_ip_address = 10.0.0.1\n",
                "'a' at 127.0.0.1:3260 and 'b' at 10.0.0.1:3260",
            ),
            (
                "[volume]\nenabled_backends = fast\ntarget_ip_address = 0.0.0.0\n",
                "must be an address that hosts can connect to",
            ),
        ] {
            let with = match why.starts_with("must be") {
                true => text.to_owned(),
                false => format!("{fast}{text}"),
            };
            let said = read(&with).expect_err("refused");
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
