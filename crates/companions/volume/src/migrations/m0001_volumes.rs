//! Volumes with snapshots, attachments and transfers, types with QoS specs, quotas, services, and what compute is to
//! be told.

use sql::schema::Kind::{BigInt, Bool, MediumText, Time, Varchar};
use sql::schema::{Kind, Migration, Step, Table, col, index, unique};

pub const MIGRATION: Migration = Migration {
    name: "m0001_volumes",
    steps: &[Step::Create(&[
        VOLUMES,
        SNAPSHOTS,
        ATTACHMENTS,
        VOLUME_TYPES,
        TYPE_ACCESS,
        DEFAULT_TYPES,
        PROPERTIES,
        QUOTAS,
        QUOTA_TURNS,
        SERVICES,
        VOLUME_EVENTS,
        TRANSFERS,
        QOS_SPECS,
    ])],
};

/// An id of ours, of a user or a project.
const ID: Kind = Varchar(64);
/// A word of ours.
const WORD: Kind = Varchar(32);
/// The longest name that the API takes.
const NAME: Kind = Varchar(255);

const VOLUMES: Table = Table::new(
    "volumes",
    &["id"],
    &[
        col("id", ID),
        col("project_id", ID),
        col("user_id", ID),
        col("name", NAME).null(),
        col("description", MediumText).null(),
        col("status", WORD),
        col("previous", WORD).null(),
        col("size", BigInt),
        col("type_id", ID),
        col("availability_zone", NAME).null(),
        col("host", NAME).null(),
        col("bootable", Bool),
        col("multiattach", Bool),
        col("readonly", Bool).null(),
        col("snapshot_id", ID).null(),
        col("source_volid", ID).null(),
        col("group_id", ID).null(),
        col("consumes_quota", Bool),
        col("created_at", Time),
        col("updated_at", Time).null(),
    ],
)
.indexes(&[
    index(
        "ix_volumes_project_id_created_at",
        &["project_id", "created_at"],
    ),
    index("ix_volumes_type_id", &["type_id"]),
    index("ix_volumes_group_id", &["group_id"]),
]);

const SNAPSHOTS: Table = Table::new(
    "snapshots",
    &["id"],
    &[
        col("id", ID),
        col("project_id", ID),
        col("user_id", ID),
        col("volume_id", ID),
        col("name", NAME).null(),
        col("description", MediumText).null(),
        col("status", WORD),
        col("size", BigInt),
        col("type_id", ID),
        col("group_snapshot_id", ID).null(),
        col("consumes_quota", Bool),
        col("created_at", Time),
        col("updated_at", Time).null(),
    ],
)
.indexes(&[
    index(
        "ix_snapshots_project_id_created_at",
        &["project_id", "created_at"],
    ),
    index("ix_snapshots_volume_id", &["volume_id"]),
    index("ix_snapshots_group_snapshot_id", &["group_snapshot_id"]),
]);

const ATTACHMENTS: Table = Table::new(
    "attachments",
    &["id"],
    &[
        col("id", ID),
        col("volume_id", ID),
        col("project_id", ID),
        col("status", WORD),
        col("instance_id", ID).null(),
        col("host", NAME).null(),
        col("mountpoint", NAME).null(),
        col("mode", WORD).null(),
        col("connector", MediumText).null(),
        col("connection", MediumText).null(),
        col("attached_at", Time).null(),
        col("created_at", Time),
    ],
)
.indexes(&[
    index("ix_attachments_volume_id", &["volume_id"]),
    index("ix_attachments_instance_id", &["instance_id"]),
    index("ix_attachments_project_id", &["project_id"]),
]);

const VOLUME_TYPES: Table = Table::new(
    "volume_types",
    &["id"],
    &[
        col("id", ID),
        col("name", NAME),
        col("description", MediumText).null(),
        col("is_public", Bool),
        col("qos_id", ID).null(),
        col("created_at", Time),
        col("updated_at", Time).null(),
    ],
)
.indexes(&[unique("uq_volume_types_name", &["name"])]);

const TYPE_ACCESS: Table = Table::new(
    "type_access",
    &["type_id", "project_id"],
    &[col("type_id", ID), col("project_id", ID)],
);

const DEFAULT_TYPES: Table = Table::new(
    "default_types",
    &["project_id"],
    &[col("project_id", ID), col("type_id", ID)],
);

const PROPERTIES: Table = Table::new(
    "properties",
    &["kind", "owner", "name"],
    &[
        col("kind", WORD),
        col("owner", ID),
        col("name", NAME),
        col("value", MediumText),
    ],
);

const QUOTAS: Table = Table::new(
    "quotas",
    &["whom", "owner", "resource"],
    &[
        col("whom", WORD),
        col("owner", NAME),
        col("resource", NAME),
        col("most", BigInt),
    ],
);

const QUOTA_TURNS: Table = Table::new(
    "quota_turns",
    &["project_id"],
    &[col("project_id", ID), col("taken", BigInt)],
);

const SERVICES: Table = Table::new(
    "services",
    &["binary", "host"],
    &[
        col("binary", WORD),
        col("host", NAME),
        col("id", ID),
        col("zone", NAME),
        col("disabled", Bool),
        col("disabled_reason", MediumText).null(),
        col("frozen", Bool),
        col("pool", MediumText),
        col("created_at", Time),
        col("seen_at", Time),
    ],
);

const VOLUME_EVENTS: Table = Table::new(
    "volume_events",
    &["id"],
    &[
        col("id", ID),
        col("kind", WORD),
        col("server_id", ID),
        col("volume_id", ID),
        col("created_at", Time),
    ],
)
.indexes(&[index("ix_volume_events_created_at", &["created_at"])]);

const TRANSFERS: Table = Table::new(
    "transfers",
    &["id"],
    &[
        col("id", ID),
        col("volume_id", ID),
        col("project_id", ID),
        col("name", NAME).null(),
        col("salt", ID),
        col("digest", ID),
        col("no_snapshots", Bool),
        col("created_at", Time),
    ],
)
.indexes(&[
    unique("uq_transfers_volume_id", &["volume_id"]),
    index("ix_transfers_project_id", &["project_id"]),
]);

const QOS_SPECS: Table = Table::new(
    "qos_specs",
    &["id"],
    &[
        col("id", ID),
        col("name", NAME),
        col("consumer", WORD),
        col("created_at", Time),
    ],
)
.indexes(&[unique("uq_qos_specs_name", &["name"])]);
