//! The tables as migrations that a service lists in its own history, so that a workflow commits in
//! the same transaction as the row it is about.

use sql::schema::Kind::{BigInt, Bool, Int, LongText, Serial, Time, Varchar};
use sql::schema::{Kind, Literal, Migration, Step, Table, col, index};

/// Makes `workflow` and `workflow_step`.
pub const MIGRATION: Migration = Migration {
    name: "workflow_0001",
    steps: &[Step::Create(&[WORKFLOW, STEP])],
};

/// Adds the point of no return and signals.
pub const SIGNALS_MIGRATION: Migration = Migration {
    name: "workflow_0002",
    steps: &[
        Step::AddColumn("workflow", col("forward_from", NAME).null()),
        Step::AddColumn(
            "workflow",
            col("signalled", Bool).default(Literal::Flag(false)),
        ),
        Step::Create(&[SIGNAL]),
    ],
};

const WORKFLOW: Table = Table::new(
    "workflow",
    &["id"],
    &[
        col("id", UUID),
        col("kind", NAME),
        col("version", Int),
        col("subject", NAME),
        col("state", LongText),
        col("direction", Varchar(16)),
        col("position", NAME),
        col("back_to", NAME).null(),
        col("status", Varchar(16)),
        col("seq", Int),
        col("owner", Varchar(128)),
        col("epoch", BigInt),
        col("lease_until", Time),
        col("attempts", Int),
        col("cancel", Bool),
        col("error", LongText).null(),
        col("created_at", Time),
        col("updated_at", Time),
    ],
)
.indexes(&[
    index("workflow_status_lease", &["status", "lease_until"]),
    index("workflow_subject", &["subject"]),
]);

const STEP: Table = Table::new(
    "workflow_step",
    &["workflow_id", "seq"],
    &[
        col("workflow_id", UUID),
        col("seq", Int),
        col("name", NAME),
        col("outcome", Varchar(16)),
        col("started_at", Time),
        col("ended_at", Time),
        col("error", LongText).null(),
    ],
);

const SIGNAL: Table = Table::new(
    "workflow_signal",
    &["id"],
    &[
        col("id", Serial),
        col("workflow_id", UUID),
        col("name", NAME),
        col("payload", LongText),
        col("created_at", Time),
    ],
)
.indexes(&[index("workflow_signal_workflow", &["workflow_id"])]);

const NAME: Kind = Varchar(64);
const UUID: Kind = Varchar(36);
