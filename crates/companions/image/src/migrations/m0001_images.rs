//! Images with properties, tags and members; tasks.

use sql::schema::Kind::{BigInt, Bool, Text, Time, Varchar};
use sql::schema::{Column, Kind, Migration, Parent, Step, Table, col, index};

use super::{OWNER, UUID};

pub const MIGRATION: Migration = Migration {
    name: "m0001_images",
    steps: &[Step::Create(&[IMAGES, PROPERTIES, TAGS, MEMBERS, TASKS])],
};

const IMAGES: Table = Table::new(
    "images",
    &["id"],
    &[
        col("id", UUID),
        col("name", Varchar(255)).null(),
        col("status", STATUS),
        col("visibility", Varchar(16)),
        col("owner", OWNER).null(),
        col("disk_format", Varchar(32)).null(),
        col("container_format", Varchar(32)).null(),
        col("size", BigInt).null(),
        col("virtual_size", BigInt).null(),
        col("min_disk", BigInt),
        col("min_ram", BigInt),
        col("protected", Bool),
        col("os_hidden", Bool),
        col("checksum", Varchar(32)).null(),
        col("os_hash_algo", Varchar(64)).null(),
        col("os_hash_value", Varchar(128)).null(),
        col("data", UUID).null(),
        col("created_at", Time),
        col("updated_at", Time),
    ],
)
.indexes(&[
    index("ix_images_created_at_id", &["created_at", "id"]),
    index("ix_images_owner", &["owner"]),
    index("ix_images_name", &["name"]),
]);

const PROPERTIES: Table = Table::new(
    "image_properties",
    &["image_id", "name"],
    &[IMAGE, col("name", Varchar(255)), col("value", Text)],
)
.parent(of_image("fk_image_properties_image"));

const TAGS: Table = Table::new(
    "image_tags",
    &["image_id", "value"],
    &[IMAGE, col("value", Varchar(255))],
)
.parent(of_image("fk_image_tags_image"));

const MEMBERS: Table = Table::new(
    "image_members",
    &["image_id", "member"],
    &[
        IMAGE,
        col("member", OWNER),
        col("status", STATUS),
        col("created_at", Time),
        col("updated_at", Time),
    ],
)
.parent(of_image("fk_image_members_image"))
.indexes(&[index("ix_image_members_member", &["member"])]);

const TASKS: Table = Table::new(
    "tasks",
    &["id"],
    &[
        col("id", UUID),
        col("kind", Varchar(32)),
        col("status", STATUS),
        col("owner", OWNER).null(),
        IMAGE,
        col("user_id", Varchar(64)),
        col("request_id", Varchar(64)),
        col("input", Text),
        col("message", Text),
        col("created_at", Time),
        col("updated_at", Time),
        col("expires_at", Time).null(),
    ],
)
.indexes(&[index("ix_tasks_image_id", &["image_id"])]);

const STATUS: Kind = Varchar(16);

const IMAGE: Column = col("image_id", UUID);

/// Rows go with their image.
const fn of_image(name: &'static str) -> Parent {
    Parent {
        name,
        column: "image_id",
        table: "images",
        key: "id",
    }
}
