//! The section of the volume service, as operators write it.

use settings::{Opt, Reader, Section, common};

use crate::settings::{Limits, Settings};

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

impl Section for Settings {
    const NAME: &'static str = "volume";
    const ABOUT: &'static str = "The embedded volume service.";

    fn options() -> &'static [Opt] {
        OPTIONS
    }

    fn read(from: &mut Reader<'_>) -> Self {
        // At most 1000.0, so the percentage is exact.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let over_subscription = (from.float("max_over_subscription_ratio") * 100.0) as u64;
        Settings {
            connection: from.optional("connection"),
            volume_dir: from.path("volume_dir"),
            backup_dir: from.path("backup_dir"),
            host: "localhost".to_owned(),
            also_hosts: Vec::new(),
            backend: from.text("volume_backend_name"),
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
            over_subscription,
            reserved_percentage: from.integer("reserved_percentage"),
            keep_free: 64 << 20,
            policy_file: from.existing_file("policy_file"),
        }
    }
}
