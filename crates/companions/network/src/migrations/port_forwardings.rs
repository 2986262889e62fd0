//! Port forwardings of floating addresses.

use sql::sea_orm_migration::prelude::*;

use super::first::Kind::{Id, Int, Name, Time};
use super::first::{SET, Table, create};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "port_forwardings"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, &TABLE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = sql::sea_orm::sea_query::Table::drop()
            .table(Alias::new(TABLE.name))
            .to_owned();
        manager.drop_table(drop).await
    }
}

const TABLE: Table = Table {
    name: "net_port_forwardings",
    key: &["id"],
    columns: &[
        ("id", Id, SET),
        ("floatingip_id", Id, SET),
        ("protocol", Name, SET),
        ("external_port", Int, SET),
        ("internal_port_id", Id, SET),
        ("internal_ip_address", Name, SET),
        ("internal_port", Int, SET),
        ("description", Name, SET),
        ("created_at", Time, SET),
    ],
    unique: &[
        &["floatingip_id", "protocol", "external_port"],
        &[
            "internal_port_id",
            "internal_ip_address",
            "protocol",
            "internal_port",
        ],
    ],
    index: &[],
};
