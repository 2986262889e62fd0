//! Indexes for lists: pages within a project or a network in the order of ids, and what is often looked for.

use sql::sea_orm::DbBackend;
use sql::sea_orm_migration::prelude::*;

use super::first::{index, index_name};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "lists"
    }
}

/// What there is from now on.
const INDEXES: &[(&str, &[&str])] = &[
    ("net_address_scopes", &["name"]),
    ("net_address_scopes", &["project_id", "id"]),
    ("net_allocations", &["ip_address"]),
    ("net_floatingips", &["floating_ip_address"]),
    ("net_floatingips", &["floating_network_id", "id"]),
    ("net_floatingips", &["project_id", "id"]),
    ("net_networks", &["name"]),
    ("net_networks", &["project_id", "id"]),
    ("net_ports", &["mac_address"]),
    ("net_ports", &["name"]),
    ("net_ports", &["network_id", "id"]),
    ("net_ports", &["project_id", "id"]),
    ("net_rbac_policies", &["object_type", "target_project"]),
    ("net_rbac_policies", &["project_id", "id"]),
    ("net_routers", &["name"]),
    ("net_routers", &["project_id", "id"]),
    ("net_security_group_rules", &["project_id", "id"]),
    ("net_security_group_rules", &["remote_group_id"]),
    ("net_security_group_rules", &["security_group_id", "id"]),
    ("net_security_groups", &["name"]),
    ("net_security_groups", &["project_id", "id"]),
    ("net_subnetpools", &["name"]),
    ("net_subnetpools", &["project_id", "id"]),
    ("net_subnets", &["name"]),
    ("net_subnets", &["network_id", "id"]),
    ("net_subnets", &["project_id", "id"]),
    ("net_subnets", &["subnetpool_id"]),
];

/// What those above make superfluous.
const GONE: &[(&str, &str)] = &[
    ("net_floatingips", "project_id"),
    ("net_networks", "project_id"),
    ("net_ports", "network_id"),
    ("net_ports", "project_id"),
    ("net_routers", "project_id"),
    ("net_security_groups", "project_id"),
    ("net_subnetpools", "project_id"),
    ("net_subnets", "network_id"),
    ("net_subnets", "project_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, columns) in INDEXES {
            index(manager, table, columns, false).await?;
        }
        for (table, column) in GONE {
            drop(manager, table, &[*column]).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in GONE {
            index(manager, table, &[*column], false).await?;
        }
        for (table, columns) in INDEXES {
            drop(manager, table, columns).await?;
        }
        Ok(())
    }
}

/// Removes an index if it is there: MariaDB keeps what a migration did that was cut off.
async fn drop(manager: &SchemaManager<'_>, table: &str, columns: &[&str]) -> Result<(), DbErr> {
    let name = index_name(table, columns);
    let text = match manager.get_database_backend() {
        DbBackend::MySql => format!("ALTER TABLE {table} DROP INDEX IF EXISTS {name}"),
        _ => format!("DROP INDEX IF EXISTS {name}"),
    };
    manager.get_connection().execute_unprepared(&text).await?;
    Ok(())
}
