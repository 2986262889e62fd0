//! The first tables.

use sql::sea_orm::DatabaseBackend;
use sql::sea_orm_migration;
use sql::sea_orm_migration::prelude::*;

use Kind::*;

/// What a column holds. Identifiers are 64 characters (32 of a UUID, or what an operator chose).
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Part of the primary key.
    Key,
    KeyFlag,
    Id,
    OptId,
    /// Up to 255 characters.
    Name,
    OptName,
    Text,
    OptText,
    Flag,
    Number,
    OptNumber,
    Time,
    OptTime,
}

struct TableSpec {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    /// Columns that together occur once.
    unique: &'static [&'static str],
    /// Columns with an index of their own.
    indexes: &'static [&'static str],
}

const TABLES: &[TableSpec] = &[
    TableSpec {
        name: "projects",
        columns: &[
            ("id", Key),
            ("domain_id", Id),
            ("name", Name),
            ("description", OptText),
            ("enabled", Flag),
            ("is_domain", Flag),
            ("parent_id", OptId),
            ("tags", Text),
            ("options", Text),
            ("extra", Text),
        ],
        unique: &["domain_id", "name"],
        indexes: &["parent_id"],
    },
    TableSpec {
        name: "users",
        columns: &[
            ("id", Key),
            ("domain_id", Id),
            ("name", Name),
            ("enabled", Flag),
            ("default_project_id", OptId),
            ("options", Text),
            ("extra", Text),
            ("password_hash", OptName),
            ("password_created_at", OptTime),
            ("password_expires_at", OptTime),
            ("failed_attempts", Number),
            ("failed_at", OptTime),
        ],
        unique: &["domain_id", "name"],
        indexes: &[],
    },
    TableSpec {
        name: "groups",
        columns: &[
            ("id", Key),
            ("domain_id", Id),
            ("name", Name),
            ("description", Text),
            ("extra", Text),
        ],
        unique: &["domain_id", "name"],
        indexes: &[],
    },
    TableSpec {
        name: "memberships",
        columns: &[("user_id", Key), ("group_id", Key)],
        unique: &[],
        indexes: &["group_id"],
    },
    TableSpec {
        name: "roles",
        columns: &[
            ("id", Key),
            ("name", Name),
            ("domain_id", Id),
            ("description", OptText),
            ("options", Text),
            ("extra", Text),
        ],
        unique: &["domain_id", "name"],
        indexes: &[],
    },
    TableSpec {
        name: "implied_roles",
        columns: &[("prior_role_id", Key), ("implied_role_id", Key)],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "assignments",
        columns: &[
            ("actor_kind", Key),
            ("actor_id", Key),
            ("target_kind", Key),
            ("target_id", Key),
            ("role_id", Key),
            ("inherited", KeyFlag),
        ],
        unique: &[],
        indexes: &["target_id"],
    },
    TableSpec {
        name: "regions",
        columns: &[
            ("id", Key),
            ("description", Text),
            ("parent_region_id", OptId),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "services",
        columns: &[
            ("id", Key),
            ("type", Name),
            ("name", OptName),
            ("description", OptText),
            ("enabled", Flag),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "endpoints",
        columns: &[
            ("id", Key),
            ("service_id", Id),
            ("region_id", OptId),
            ("interface", Name),
            ("url", Text),
            ("enabled", Flag),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &["service_id"],
    },
    TableSpec {
        name: "policies",
        columns: &[("id", Key), ("type", Name), ("blob", Text), ("extra", Text)],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "credentials",
        columns: &[
            ("id", Key),
            ("user_id", Id),
            ("project_id", OptId),
            ("type", Name),
            ("blob", Text),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &["user_id"],
    },
    TableSpec {
        name: "application_credentials",
        columns: &[
            ("id", Key),
            ("user_id", Id),
            ("project_id", Id),
            ("name", Name),
            ("description", OptText),
            ("secret_hash", Name),
            ("expires_at", OptTime),
            ("unrestricted", Flag),
            ("roles", Text),
            ("access_rules", Text),
            ("created_at", Time),
        ],
        unique: &["user_id", "name"],
        indexes: &["project_id"],
    },
    TableSpec {
        name: "access_rules",
        columns: &[
            ("id", Key),
            ("user_id", Id),
            ("service", Name),
            ("path", Name),
            ("method", Name),
        ],
        unique: &[],
        indexes: &["user_id"],
    },
    TableSpec {
        name: "registered_limits",
        columns: &[
            ("id", Key),
            ("service_id", Id),
            ("region_id", OptId),
            ("resource_name", Name),
            ("default_limit", Number),
            ("description", OptText),
        ],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "limits",
        columns: &[
            ("id", Key),
            ("service_id", Id),
            ("region_id", OptId),
            ("resource_name", Name),
            ("resource_limit", Number),
            ("project_id", OptId),
            ("domain_id", OptId),
            ("description", OptText),
        ],
        unique: &[],
        indexes: &["project_id"],
    },
    TableSpec {
        name: "trusts",
        columns: &[
            ("id", Key),
            ("trustor_user_id", Id),
            ("trustee_user_id", Id),
            ("project_id", OptId),
            ("impersonation", Flag),
            ("expires_at", OptTime),
            ("remaining_uses", OptNumber),
            ("deleted_at", OptTime),
            ("roles", Text),
            ("allow_redelegation", Flag),
            ("redelegation_count", Number),
            ("redelegated_trust_id", OptId),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &["trustor_user_id", "trustee_user_id"],
    },
    TableSpec {
        name: "revocations",
        columns: &[
            ("id", Key),
            ("user_id", OptId),
            ("project_id", OptId),
            ("domain_id", OptId),
            ("trust_id", OptId),
            ("audit_id", OptId),
            ("issued_before", Time),
            ("revoked_at", Time),
        ],
        unique: &[],
        indexes: &["issued_before"],
    },
    TableSpec {
        name: "consumers",
        columns: &[
            ("id", Key),
            ("description", OptText),
            ("secret", Name),
            ("extra", Text),
        ],
        unique: &[],
        indexes: &[],
    },
    TableSpec {
        name: "domain_configs",
        columns: &[
            ("domain_id", Key),
            ("config_group", Key),
            ("option", Key),
            ("value", Text),
        ],
        unique: &[],
        indexes: &[],
    },
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for spec in TABLES {
            let backend = manager.get_database_backend();
            manager.create_table(table(spec, backend)).await?;
            for name in spec.indexes {
                let index = Index::create()
                    .name(format!("ix_{}_{name}", spec.name))
                    .table(spec.name)
                    .col(*name)
                    .to_owned();
                manager.create_index(index).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for spec in TABLES.iter().rev() {
            manager
                .drop_table(Table::drop().table(spec.name).to_owned())
                .await?;
        }
        Ok(())
    }
}

fn table(spec: &TableSpec, backend: DatabaseBackend) -> TableCreateStatement {
    let mut table = Table::create();
    table.table(spec.name);
    let mut key = Index::create();
    for (name, kind) in spec.columns {
        table.col(column(name, *kind, backend));
        if matches!(kind, Key | KeyFlag) {
            key.col(*name);
        }
    }
    table.primary_key(&mut key);
    if !spec.unique.is_empty() {
        let mut unique = Index::create();
        unique.unique().name(format!("uq_{}", spec.name));
        for name in spec.unique {
            unique.col(*name);
        }
        table.index(&mut unique);
    }
    table
}

fn column(name: &'static str, kind: Kind, backend: DatabaseBackend) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match kind {
        Key | Id | OptId => column.string_len(64),
        Name | OptName => column.string_len(255),
        Text | OptText => column.text(),
        Flag | KeyFlag => column.boolean(),
        Number | OptNumber => column.big_integer(),
        // MariaDB keeps whole seconds unless told otherwise.
        Time | OptTime if backend == DatabaseBackend::MySql => column.custom("datetime(6)"),
        Time | OptTime => column.timestamp_with_time_zone(),
    };
    if !matches!(kind, OptId | OptName | OptText | OptNumber | OptTime) {
        column.not_null();
    }
    column
}
