//! What lists are filtered and sorted by.

use crate::tables::Owner;

/// How the text of a filter is compared with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Flag,
    Number,
    /// Compared by operators: `gt:2026-01-02T03:04:05`.
    Time,
    /// A dictionary, all of whose entries the thing must have.
    Properties(Owner),
}

/// Something that a list may be filtered or sorted by.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub column: &'static str,
    pub kind: Kind,
    /// Whether the column may be empty; nothing sorts as the least, alike on all engines.
    pub empty: bool,
    /// The version from which members may filter by it; none: only administrators may, and more is only sorted by.
    pub members: Option<u16>,
}

/// What is listed.
#[derive(Debug)]
pub struct Noun {
    pub fields: &'static [Field],
    /// Keys that are read by the list itself.
    pub also: &'static [&'static str],
    /// Whether `with_count` counts them.
    pub counted: bool,
}

const fn text(name: &'static str) -> Field {
    Field {
        name,
        column: name,
        kind: Kind::Text,
        empty: false,
        members: None,
    }
}

const fn of(kind: Kind, name: &'static str) -> Field {
    Field { kind, ..text(name) }
}

impl Field {
    const fn empty(self) -> Self {
        Self {
            empty: true,
            ..self
        }
    }

    const fn column(self, column: &'static str) -> Self {
        Self { column, ..self }
    }

    /// Members may filter by it.
    const fn open(self) -> Self {
        self.since(0)
    }

    const fn since(self, minor: u16) -> Self {
        Self {
            members: Some(minor),
            ..self
        }
    }
}

pub const VOLUMES: Noun = Noun {
    fields: &[
        text("id"),
        text("name").empty().open(),
        text("display_name").column("name").empty(),
        text("description").empty(),
        text("status").open(),
        of(Kind::Number, "size").open(),
        text("availability_zone").empty().open(),
        of(Kind::Flag, "bootable").open(),
        of(Kind::Properties(Owner::Volume), "metadata").open(),
        of(Kind::Properties(Owner::Image), "glance_metadata").since(4),
        text("group_id").empty().since(10),
        of(Kind::Time, "created_at").since(60),
        of(Kind::Time, "updated_at").empty().since(60),
        of(Kind::Flag, "consumes_quota").since(65),
        text("project_id"),
        text("user_id"),
        text("host").empty(),
        text("volume_type_id").column("type_id"),
        of(Kind::Flag, "multiattach"),
        text("snapshot_id").empty(),
        text("source_volid").empty(),
    ],
    also: &["migration_status"],
    counted: true,
};

pub const ATTACHMENTS: Noun = Noun {
    fields: &[
        text("id"),
        text("volume_id").open(),
        text("status").open(),
        text("attach_status").column("status").open(),
        text("instance_id").empty().open(),
        text("instance_uuid").column("instance_id").empty(),
        text("attached_host").column("host").empty(),
        text("project_id"),
        of(Kind::Time, "created_at"),
    ],
    also: &[],
    counted: false,
};

pub const SNAPSHOTS: Noun = Noun {
    fields: &[
        text("id"),
        text("name").empty().open(),
        text("display_name").column("name").empty(),
        text("description").empty(),
        text("status").open(),
        text("volume_id").open(),
        of(Kind::Number, "size"),
        of(Kind::Number, "volume_size").column("size"),
        of(Kind::Properties(Owner::Snapshot), "metadata").since(22),
        of(Kind::Flag, "consumes_quota").since(65),
        text("project_id"),
        text("user_id"),
        text("group_snapshot_id").empty(),
        of(Kind::Time, "created_at"),
        of(Kind::Time, "updated_at").empty(),
    ],
    also: &["availability_zone"],
    counted: true,
};

pub const BACKUPS: Noun = Noun {
    fields: &[
        text("id"),
        text("name").empty().open(),
        text("display_name").column("name").empty(),
        text("description").empty(),
        text("status").open(),
        text("volume_id").open(),
        text("snapshot_id").empty(),
        text("parent_id").empty(),
        of(Kind::Number, "size"),
        text("availability_zone").empty(),
        text("container").empty(),
        text("host").empty(),
        of(Kind::Properties(Owner::Backup), "metadata"),
        text("project_id"),
        text("user_id"),
        of(Kind::Time, "created_at"),
        of(Kind::Time, "updated_at").empty(),
        of(Kind::Time, "data_timestamp"),
    ],
    also: &[],
    counted: true,
};

pub const GROUPS: Noun = Noun {
    fields: &[
        text("id"),
        text("name").empty().open(),
        text("description").empty(),
        text("status"),
        text("availability_zone").empty(),
        text("host").empty(),
        text("group_type_id"),
        text("group_snapshot_id").empty(),
        text("source_group_id").empty(),
        text("project_id"),
        text("user_id"),
        of(Kind::Time, "created_at"),
        of(Kind::Time, "updated_at").empty(),
    ],
    also: &["list_volume"],
    counted: false,
};

pub const GROUP_SNAPSHOTS: Noun = Noun {
    fields: &[
        text("id"),
        text("name").empty().open(),
        text("status").open(),
        text("group_id").open(),
        text("description").empty(),
        text("group_type_id"),
        text("project_id"),
        text("user_id"),
        of(Kind::Time, "created_at"),
        of(Kind::Time, "updated_at").empty(),
    ],
    also: &[],
    counted: false,
};

pub const GROUP_TYPES: Noun = Noun {
    fields: &[
        text("id"),
        text("name"),
        text("description").empty(),
        of(Kind::Flag, "is_public"),
        of(Kind::Time, "created_at"),
        of(Kind::Time, "updated_at").empty(),
    ],
    also: &["is_public"],
    counted: false,
};

pub const MESSAGES: Noun = Noun {
    fields: &[
        text("id"),
        text("resource_uuid").empty().open(),
        text("resource_type").open(),
        text("event_id").open(),
        text("request_id").open(),
        text("message_level").open(),
        text("project_id"),
        text("action_id"),
        text("detail_id"),
        of(Kind::Time, "created_at"),
        of(Kind::Time, "expires_at"),
    ],
    also: &[],
    counted: false,
};

pub const TRANSFERS: Noun = Noun {
    fields: &[
        text("id"),
        text("name").empty().open(),
        text("volume_id").open(),
        text("project_id"),
        of(Kind::Time, "created_at"),
    ],
    also: &[],
    counted: false,
};

pub const QOS: Noun = Noun {
    fields: &[
        text("id").open(),
        text("name").open(),
        text("consumer").open(),
        of(Kind::Time, "created_at"),
    ],
    also: &[],
    counted: false,
};

pub const TYPES: Noun = Noun {
    fields: &[
        text("id"),
        text("name"),
        text("description").empty(),
        of(Kind::Flag, "is_public"),
        of(Kind::Properties(Owner::Type), "extra_specs").since(52),
        of(Kind::Time, "created_at"),
        of(Kind::Time, "updated_at").empty(),
    ],
    also: &["is_public"],
    counted: false,
};

/// What members may filter lists by, as `resource_filters` shows it.
pub const PUBLISHED: &[(&str, &[&str])] = &[
    (
        "attachment",
        &["volume_id", "status", "instance_id", "attach_status"],
    ),
    ("backup", &["name", "status", "volume_id"]),
    ("group", &["name"]),
    ("group_snapshot", &["name", "status", "group_id"]),
    (
        "message",
        &[
            "resource_uuid",
            "resource_type",
            "event_id",
            "request_id",
            "message_level",
        ],
    ),
    ("pool", &["name", "volume_type"]),
    (
        "snapshot",
        &[
            "name",
            "status",
            "volume_id",
            "metadata",
            "availability_zone",
            "consumes_quota",
        ],
    ),
    (
        "volume",
        &[
            "name",
            "status",
            "metadata",
            "bootable",
            "migration_status",
            "availability_zone",
            "group_id",
            "size",
            "created_at",
            "updated_at",
            "consumes_quota",
        ],
    ),
    ("volume_type", &["is_public", "extra_specs"]),
];
