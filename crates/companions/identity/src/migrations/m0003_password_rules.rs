//! What the rules about passwords and accounts remember of a user.

use sql::schema::Kind::{Bool, Time};
use sql::schema::{Literal, Migration, Step, Table, col, index};

use super::{ID, NAME};

pub const MIGRATION: Migration = Migration {
    name: "m0003_password_rules",
    steps: &[
        Step::AddColumn("users", col("last_active_at", Time).null()),
        Step::AddColumn(
            "users",
            col("password_self_service", Bool).default(Literal::Flag(false)),
        ),
        Step::Create(&[Table::new(
            "old_passwords",
            &["id"],
            &[
                col("id", ID),
                col("user_id", ID),
                col("password_hash", NAME),
                col("replaced_at", Time),
            ],
        )
        .indexes(&[index("ix_old_passwords_user_id", &["user_id"])])]),
    ],
};
