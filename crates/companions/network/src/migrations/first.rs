//! The tables of the first release.

use sql::sea_orm::DbBackend;
use sql::sea_orm_migration::prelude::*;

use Kind::{Document, Flag, Id, Int, Long, Name, Time};

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "first"
    }
}

pub(super) enum Kind {
    /// A UUID as text.
    Id,
    /// Text of at most 255 characters, the longest the API accepts.
    Name,
    Flag,
    Int,
    Long,
    /// UTC with microseconds.
    Time,
    /// JSON as text.
    Document,
}

pub(super) const SET: bool = false;
const NULL: bool = true;

pub(super) struct Table {
    pub name: &'static str,
    pub key: &'static [&'static str],
    pub columns: &'static [(&'static str, Kind, bool)],
    pub unique: &'static [&'static [&'static str]],
    pub index: &'static [&'static str],
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            create(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES.iter().rev() {
            let drop = sql::sea_orm::sea_query::Table::drop()
                .table(Alias::new(table.name))
                .to_owned();
            manager.drop_table(drop).await?;
        }
        Ok(())
    }
}

/// Bytes of an index's name that every engine takes.
const LONGEST_NAME: usize = 63;

/// Makes a table with its keys.
pub(super) async fn create(manager: &SchemaManager<'_>, table: &Table) -> Result<(), DbErr> {
    let mut statement = sql::sea_orm::sea_query::Table::create();
    statement.table(Alias::new(table.name));
    for (name, kind, nullable) in table.columns {
        statement.col(column(
            name,
            kind,
            *nullable,
            manager.get_database_backend(),
        ));
    }
    let mut key = Index::create();
    for name in table.key {
        key.col(Alias::new(*name));
    }
    statement.primary_key(&mut key);
    manager.create_table(statement.to_owned()).await?;
    for columns in table.unique {
        index(manager, table.name, columns, true).await?;
    }
    for column in table.index {
        index(manager, table.name, &[*column], false).await?;
    }
    Ok(())
}

/// The name of the index on these columns.
pub(super) fn index_name(table: &str, columns: &[&str]) -> String {
    let mut name = format!("{table}_{}", columns.join("_"));
    name.truncate(LONGEST_NAME);
    name
}

/// Makes an index.
pub(super) async fn index(
    manager: &SchemaManager<'_>,
    table: &str,
    columns: &[&str],
    unique: bool,
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index
        .name(index_name(table, columns))
        .table(Alias::new(table));
    for name in columns {
        index.col(Alias::new(*name));
    }
    if unique {
        index.unique();
    }
    manager.create_index(index.to_owned()).await
}

fn column(name: &str, kind: &Kind, nullable: bool, engine: DbBackend) -> ColumnDef {
    let mut column = ColumnDef::new(Alias::new(name));
    match (kind, engine) {
        (Id, _) => column.string_len(36),
        (Name, _) => column.string_len(255),
        (Flag, _) => column.boolean(),
        (Int, _) => column.integer(),
        (Long, _) => column.big_integer(),
        (Document, _) => column.text(),
        // MariaDB's plain TIMESTAMP cuts microseconds off.
        (Time, DbBackend::MySql) => column.custom(Alias::new("datetime(6)")),
        (Time, _) => column.timestamp_with_time_zone(),
    };
    if nullable {
        column.null()
    } else {
        column.not_null()
    };
    column
}

const TABLES: &[Table] = &[
    Table {
        name: "net_networks",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("name", Name, SET),
            ("description", Name, SET),
            ("admin_state_up", Flag, SET),
            ("status", Name, SET),
            ("mtu", Int, SET),
            ("port_security_enabled", Flag, SET),
            ("is_default", Flag, SET),
            ("network_type", Name, SET),
            ("physical_network", Name, NULL),
            ("segmentation_id", Int, NULL),
            ("dns_domain", Name, SET),
            ("availability_zone_hints", Document, SET),
            ("tags", Document, SET),
            ("created_at", Time, SET),
            ("updated_at", Time, SET),
            ("revision", Long, SET),
        ],
        unique: &[],
        index: &["project_id"],
    },
    Table {
        name: "net_subnets",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("network_id", Id, SET),
            ("name", Name, SET),
            ("description", Name, SET),
            ("ip_version", Int, SET),
            ("cidr", Name, SET),
            ("gateway_ip", Name, NULL),
            ("enable_dhcp", Flag, SET),
            ("ipv6_ra_mode", Name, NULL),
            ("ipv6_address_mode", Name, NULL),
            ("allocation_pools", Document, SET),
            ("dns_nameservers", Document, SET),
            ("host_routes", Document, SET),
            ("service_types", Document, SET),
            ("subnetpool_id", Name, NULL),
            ("dns_publish_fixed_ip", Flag, SET),
            ("tags", Document, SET),
            ("created_at", Time, SET),
            ("updated_at", Time, SET),
            ("revision", Long, SET),
        ],
        unique: &[],
        index: &["project_id", "network_id"],
    },
    Table {
        name: "net_ports",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("network_id", Id, SET),
            ("name", Name, SET),
            ("description", Name, SET),
            ("mac_address", Name, SET),
            ("admin_state_up", Flag, SET),
            ("status", Name, SET),
            ("device_id", Name, SET),
            ("device_owner", Name, SET),
            ("port_security_enabled", Flag, SET),
            ("dns_name", Name, SET),
            ("dns_domain", Name, SET),
            ("allowed_address_pairs", Document, SET),
            ("extra_dhcp_opts", Document, SET),
            ("host", Name, SET),
            ("vnic_type", Name, SET),
            ("vif_type", Name, SET),
            ("vif_details", Document, SET),
            ("profile", Document, SET),
            ("tags", Document, SET),
            ("created_at", Time, SET),
            ("updated_at", Time, SET),
            ("revision", Long, SET),
        ],
        unique: &[&["network_id", "mac_address"]],
        index: &["project_id", "device_id", "network_id", "host"],
    },
    Table {
        name: "net_allocations",
        key: &["subnet_id", "ip_address"],
        columns: &[
            ("subnet_id", Id, SET),
            ("ip_address", Name, SET),
            ("port_id", Id, SET),
            ("network_id", Id, SET),
            ("position", Int, SET),
        ],
        unique: &[],
        index: &["port_id"],
    },
    Table {
        name: "net_port_bindings",
        key: &["port_id", "host"],
        columns: &[
            ("port_id", Id, SET),
            ("host", Name, SET),
            ("vnic_type", Name, SET),
            ("vif_type", Name, SET),
            ("vif_details", Document, SET),
            ("profile", Document, SET),
        ],
        unique: &[],
        index: &[],
    },
    Table {
        name: "net_security_groups",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("name", Name, SET),
            ("description", Name, SET),
            ("stateful", Flag, SET),
            ("tags", Document, SET),
            ("created_at", Time, SET),
            ("updated_at", Time, SET),
            ("revision", Long, SET),
        ],
        unique: &[],
        index: &["project_id"],
    },
    Table {
        name: "net_default_groups",
        key: &["project_id"],
        columns: &[("project_id", Name, SET), ("group_id", Id, SET)],
        unique: &[],
        index: &[],
    },
    Table {
        name: "net_security_group_rules",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("security_group_id", Id, SET),
            ("direction", Name, SET),
            ("ethertype", Name, SET),
            ("protocol", Name, NULL),
            ("port_range_min", Int, NULL),
            ("port_range_max", Int, NULL),
            ("remote_ip_prefix", Name, NULL),
            ("remote_group_id", Name, NULL),
            ("description", Name, SET),
            ("fingerprint", Name, SET),
            ("tags", Document, SET),
            ("created_at", Time, SET),
            ("updated_at", Time, SET),
            ("revision", Long, SET),
        ],
        unique: &[&["security_group_id", "fingerprint"]],
        index: &[],
    },
    Table {
        name: "net_port_security_groups",
        key: &["port_id", "group_id"],
        columns: &[("port_id", Id, SET), ("group_id", Id, SET)],
        unique: &[],
        index: &["group_id"],
    },
    Table {
        name: "net_routers",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("name", Name, SET),
            ("description", Name, SET),
            ("admin_state_up", Flag, SET),
            ("status", Name, SET),
            ("gateway_network_id", Name, NULL),
            ("gateway_port_id", Name, NULL),
            ("enable_snat", Flag, SET),
            ("routes", Document, SET),
            ("availability_zone_hints", Document, SET),
            ("tags", Document, SET),
            ("created_at", Time, SET),
            ("updated_at", Time, SET),
            ("revision", Long, SET),
        ],
        unique: &[],
        index: &["project_id"],
    },
    Table {
        name: "net_floatingips",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("description", Name, SET),
            ("floating_network_id", Id, SET),
            ("floating_ip_address", Name, SET),
            ("floating_port_id", Id, SET),
            ("port_id", Name, NULL),
            ("fixed_ip_address", Name, NULL),
            ("router_id", Name, NULL),
            ("status", Name, SET),
            ("dns_name", Name, SET),
            ("dns_domain", Name, SET),
            ("tags", Document, SET),
            ("created_at", Time, SET),
            ("updated_at", Time, SET),
            ("revision", Long, SET),
        ],
        unique: &[&["port_id", "fixed_ip_address"]],
        index: &["project_id", "router_id"],
    },
    Table {
        name: "net_subnetpools",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("name", Name, SET),
            ("description", Name, SET),
            ("ip_version", Int, SET),
            ("prefixes", Document, SET),
            ("default_prefixlen", Int, SET),
            ("min_prefixlen", Int, SET),
            ("max_prefixlen", Int, SET),
            ("default_quota", Int, NULL),
            ("address_scope_id", Name, NULL),
            ("shared", Flag, SET),
            ("is_default", Flag, SET),
            ("tags", Document, SET),
            ("created_at", Time, SET),
            ("updated_at", Time, SET),
            ("revision", Long, SET),
        ],
        unique: &[],
        index: &["project_id"],
    },
    Table {
        name: "net_address_scopes",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("name", Name, SET),
            ("ip_version", Int, SET),
            ("shared", Flag, SET),
        ],
        unique: &[],
        index: &[],
    },
    Table {
        name: "net_rbac_policies",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("project_id", Name, SET),
            ("object_type", Name, SET),
            ("object_id", Id, SET),
            ("action", Name, SET),
            ("target_project", Name, SET),
        ],
        unique: &[&["object_id", "action", "target_project"]],
        index: &[],
    },
    Table {
        name: "net_quotas",
        key: &["project_id", "resource"],
        columns: &[
            ("project_id", Name, SET),
            ("resource", Name, SET),
            ("limit_value", Long, SET),
        ],
        unique: &[],
        index: &[],
    },
    Table {
        name: "net_agents",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("host", Name, SET),
            ("agent_type", Name, SET),
            ("binary_name", Name, SET),
            ("topic", Name, SET),
            ("availability_zone", Name, SET),
            ("admin_state_up", Flag, SET),
            ("description", Name, SET),
            ("configurations", Document, SET),
            ("created_at", Time, SET),
            ("started_at", Time, SET),
            ("heartbeat_at", Time, SET),
        ],
        unique: &[&["host", "agent_type"]],
        index: &[],
    },
    Table {
        name: "net_auto_topologies",
        key: &["project_id"],
        columns: &[
            ("project_id", Name, SET),
            ("network_id", Id, SET),
            ("router_id", Id, SET),
        ],
        unique: &[],
        index: &[],
    },
    Table {
        name: "net_events",
        key: &["id"],
        columns: &[
            ("id", Id, SET),
            ("kind", Name, SET),
            ("server_id", Name, SET),
            ("port_id", Name, SET),
            ("created_at", Time, SET),
        ],
        unique: &[],
        index: &[],
    },
];
