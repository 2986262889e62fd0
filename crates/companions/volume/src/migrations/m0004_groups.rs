//! Groups of volumes, their types and their snapshots.

use sql::schema::Kind::{Bool, MediumText, Time, Varchar};
use sql::schema::{Migration, Step, Table, col, index, unique};

pub const MIGRATION: Migration = Migration {
    name: "m0004_groups",
    steps: &[Step::Create(&[
        GROUP_TYPES,
        GROUPS,
        GROUP_VOLUME_TYPES,
        GROUP_SNAPSHOTS,
    ])],
};

const GROUP_TYPES: Table = Table::new(
    "group_types",
    &["id"],
    &[
        col("id", Varchar(64)),
        col("name", Varchar(255)),
        col("description", MediumText).null(),
        col("is_public", Bool),
        col("created_at", Time),
        col("updated_at", Time).null(),
    ],
)
.indexes(&[unique("uq_group_types_name", &["name"])]);

/// `groups` is a word of one engine's own.
const GROUPS: Table = Table::new(
    "volume_groups",
    &["id"],
    &[
        col("id", Varchar(64)),
        col("project_id", Varchar(64)),
        col("user_id", Varchar(64)),
        col("name", Varchar(255)).null(),
        col("description", MediumText).null(),
        col("group_type_id", Varchar(64)),
        col("status", Varchar(32)),
        col("availability_zone", Varchar(255)).null(),
        col("host", Varchar(255)).null(),
        col("group_snapshot_id", Varchar(64)).null(),
        col("source_group_id", Varchar(64)).null(),
        col("created_at", Time),
        col("updated_at", Time).null(),
    ],
)
.indexes(&[
    index(
        "ix_volume_groups_project_id_created_at",
        &["project_id", "created_at"],
    ),
    index("ix_volume_groups_group_type_id", &["group_type_id"]),
]);

const GROUP_VOLUME_TYPES: Table = Table::new(
    "group_volume_types",
    &["group_id", "type_id"],
    &[col("group_id", Varchar(64)), col("type_id", Varchar(64))],
);

const GROUP_SNAPSHOTS: Table = Table::new(
    "group_snapshots",
    &["id"],
    &[
        col("id", Varchar(64)),
        col("project_id", Varchar(64)),
        col("user_id", Varchar(64)),
        col("group_id", Varchar(64)),
        col("group_type_id", Varchar(64)),
        col("name", Varchar(255)).null(),
        col("description", MediumText).null(),
        col("status", Varchar(32)),
        col("created_at", Time),
        col("updated_at", Time).null(),
    ],
)
.indexes(&[
    index(
        "ix_group_snapshots_project_id_created_at",
        &["project_id", "created_at"],
    ),
    index("ix_group_snapshots_group_id", &["group_id"]),
]);
