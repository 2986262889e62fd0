//! Port forwardings of floating addresses.

use sql::schema::Kind::{Int, Time};
use sql::schema::{Migration, Step, Table, col, unique};

use super::{NAME, UUID};

pub const MIGRATION: Migration = Migration {
    name: "port_forwardings",
    steps: &[Step::Create(&[Table::new(
        "net_port_forwardings",
        &["id"],
        &[
            col("id", UUID),
            col("floatingip_id", UUID),
            col("protocol", NAME),
            col("external_port", Int),
            col("internal_port_id", UUID),
            col("internal_ip_address", NAME),
            col("internal_port", Int),
            col("description", NAME),
            col("created_at", Time),
        ],
    )
    .indexes(&[
        unique(
            "net_port_forwardings_floatingip_id_protocol_external_port",
            &["floatingip_id", "protocol", "external_port"],
        ),
        unique(
            "net_port_forwardings_internal_port_id_internal_ip_address_proto",
            &[
                "internal_port_id",
                "internal_ip_address",
                "protocol",
                "internal_port",
            ],
        ),
    ])])],
};
