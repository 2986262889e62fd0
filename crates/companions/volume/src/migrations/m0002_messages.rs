//! Messages for users.

use sql::schema::Kind::{Time, Varchar};
use sql::schema::{Migration, Step, Table, col, index};

pub const MIGRATION: Migration = Migration {
    name: "m0002_messages",
    steps: &[Step::Create(&[MESSAGES])],
};

const MESSAGES: Table = Table::new(
    "messages",
    &["id"],
    &[
        col("id", Varchar(64)),
        col("project_id", Varchar(64)),
        col("request_id", Varchar(255)),
        col("resource_type", Varchar(32)),
        col("resource_uuid", Varchar(64)).null(),
        col("action_id", Varchar(16)),
        col("detail_id", Varchar(16)),
        col("event_id", Varchar(64)),
        col("message_level", Varchar(32)),
        col("created_at", Time),
        col("expires_at", Time),
    ],
)
.indexes(&[
    index(
        "ix_messages_project_id_created_at",
        &["project_id", "created_at"],
    ),
    index("ix_messages_expires_at", &["expires_at"]),
]);
