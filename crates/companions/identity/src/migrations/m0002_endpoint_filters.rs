//! Which endpoints the catalog of a project shows.

use sql::sea_orm_migration;
use sql::sea_orm_migration::prelude::*;

use super::spec::Kind::*;
use super::spec::{TableSpec, create, drop};

const TABLES: &[TableSpec] = &[
    TableSpec {
        name: "endpoint_groups",
        columns: &[
            ("id", Key),
            ("name", Name),
            ("description", OptText),
            ("filters", Text),
        ],
        unique: &["name"],
        indexes: &[],
    },
    TableSpec {
        name: "project_endpoints",
        columns: &[("endpoint_id", Key), ("project_id", Key)],
        unique: &[],
        indexes: &["project_id"],
    },
    TableSpec {
        name: "project_endpoint_groups",
        columns: &[("endpoint_group_id", Key), ("project_id", Key)],
        unique: &[],
        indexes: &["project_id"],
    },
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, TABLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop(manager, TABLES).await
    }
}
