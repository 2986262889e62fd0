//! Ports as the API shows them.

use std::collections::HashMap;

use serde_json::json;
use sql::sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::core::{Core, Cx, View};
use crate::fault::Result;
use crate::store::among;
use crate::tables::{allocations, port_security_groups, ports};
use crate::views;

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
    Ok(rows
        .into_iter()
        .map(|row| {
            let mine = ips.remove(&row.id).unwrap_or_default();
            let guards = groups.remove(&row.id).unwrap_or_default();
            one_view(cx.core, row, &mine, &guards)
        })
        .collect())
}

fn one_view(core: &Core, row: ports::Model, ips: &[allocations::Model], groups: &[String]) -> View {
    let mut view = views::standard(&row);
    let assigned = ips.iter().map(|ip| {
        let name = match row.dns_name.as_str() {
            "" => format!("host-{}", ip.ip_address.replace(['.', ':'], "-")),
            name => name.to_owned(),
        };
        let domain = &core.settings.dns_domain;
        json!({"ip_address": ip.ip_address, "hostname": name, "fqdn": format!("{name}.{domain}.")})
    });
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
