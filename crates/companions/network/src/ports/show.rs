//! Ports as the API shows them.

use std::collections::HashMap;

use serde_json::json;
use sql::sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::core::{Core, Cx};
use crate::db::store::among;
use crate::dns;
use crate::fault::Result;
use crate::tables::{allocations, networks, port_security_groups, ports};
use crate::views::{self, View};

/// Ports as shown to this caller.
pub async fn show(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    rows: Vec<ports::Model>,
) -> Result<Vec<View>> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut ips: HashMap<String, Vec<allocations::Model>> = HashMap::new();
    let held = allocations::Entity::find()
        .filter(among(allocations::Column::PortId, &ids))
        .order_by_asc(allocations::Column::Position)
        .all(db)
        .await?;
    for one in held {
        ips.entry(one.port_id.clone()).or_default().push(one);
    }
    let mut groups: HashMap<String, Vec<String>> = HashMap::new();
    let links = port_security_groups::Entity::find()
        .filter(among(port_security_groups::Column::PortId, &ids))
        .order_by_asc(port_security_groups::Column::GroupId)
        .all(db)
        .await?;
    for link in links {
        groups.entry(link.port_id).or_default().push(link.group_id);
    }
    let domains = domains(db, &rows).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let mine = ips.remove(&row.id).unwrap_or_default();
            let guards = groups.remove(&row.id).unwrap_or_default();
            let domain = domains.get(&row.network_id).map_or("", String::as_str);
            one_view(cx.core, row, &mine, &guards, domain)
        })
        .collect())
}

/// The domains of the ports' networks, where they have one of their own.
async fn domains(
    db: &impl ConnectionTrait,
    rows: &[ports::Model],
) -> Result<HashMap<String, String>> {
    let mut ids: Vec<String> = rows.iter().map(|row| row.network_id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let found: Vec<(String, String)> = networks::Entity::find()
        .select_only()
        .columns([networks::Column::Id, networks::Column::DnsDomain])
        .filter(among(networks::Column::Id, &ids))
        .filter(networks::Column::DnsDomain.ne(""))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().collect())
}

fn one_view(
    core: &Core,
    row: ports::Model,
    ips: &[allocations::Model],
    groups: &[String],
    network_domain: &str,
) -> View {
    let mut view = views::standard(&row);
    let domain = dns::domain(&core.settings, network_domain);
    let assigned = ips
        .iter()
        .map(|ip| dns::assignment(&row.dns_name, domain, &ip.ip_address));
    views::fill(
        &mut view,
        json!({
            "name": row.name, "description": row.description, "network_id": row.network_id,
            "mac_address": row.mac_address, "admin_state_up": row.admin_state_up, "status": row.status,
            "device_id": row.device_id, "device_owner": row.device_owner,
            "fixed_ips": ips.iter().map(|ip| json!({"subnet_id": ip.subnet_id, "ip_address": ip.ip_address})).collect::<Vec<_>>(),
            "security_groups": groups,
            "port_security_enabled": row.port_security_enabled,
            "allowed_address_pairs": views::json(&row.allowed_address_pairs),
            "extra_dhcp_opts": views::json(&row.extra_dhcp_opts),
            "dns_name": row.dns_name, "dns_domain": row.dns_domain,
            "dns_assignment": assigned.collect::<Vec<_>>(),
            "binding:vnic_type": row.vnic_type,
            "binding:host_id": row.host,
            "binding:vif_type": row.vif_type,
            "binding:vif_details": views::json(&row.vif_details),
            "binding:profile": views::json(&row.profile),
        }),
    );
    view
}
