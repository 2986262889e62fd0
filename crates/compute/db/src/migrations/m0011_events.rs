//! The sequence of events: what waits for its number, what has one, and the last number given.

use sql::schema::Kind::{BigInt, Int, Serial, Time, Varchar};
use sql::schema::{Column, Migration, Step, Table, col, index};

use super::{ID, NAME, UUID};

pub const MIGRATION: Migration = Migration {
    name: "compute_0011_events",
    steps: &[
        Step::Create(&[OUTBOX, EVENTS, POSITION]),
        Step::Run("INSERT INTO event_position (id, number) VALUES (1, 0)"),
    ],
};

/// Written with the change; its own number only keeps the changes of one server in order.
const OUTBOX: Table = Table::new("event_outbox", &["seq"], &columns(col("seq", Serial)));

const EVENTS: Table = Table::new(
    "server_events",
    &["number"],
    &columns(col("number", BigInt)),
)
.indexes(&[index("server_events_project", &["project_id", "number"])]);

/// One row.
const POSITION: Table = Table::new(
    "event_position",
    &["id"],
    &[col("id", Int), col("number", BigInt)],
);

/// What both tables say of an event, behind its key.
const fn columns(key: Column) -> [Column; 13] {
    [
        key,
        col("kind", Varchar(32)),
        col("server_id", UUID),
        col("project_id", ID),
        col("user_id", ID),
        col("host", NAME).null(),
        col("old_vm_state", Varchar(32)).null(),
        col("old_task_state", Varchar(32)).null(),
        col("old_power_state", Int).null(),
        col("vm_state", Varchar(32)),
        col("task_state", Varchar(32)).null(),
        col("power_state", Int),
        col("at", Time),
    ]
}
