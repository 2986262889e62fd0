//! Routers: their gateways, interfaces and extra routes.

mod interfaces;

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use rest::accepted::{Accepts, Fate};
use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::addresses::{self, Receiver, Wish};
use crate::agents;
use crate::attributes::Attrs;
use crate::core::{Core, Cx};
use crate::db::store::{self, Tx, among, read_json};
use crate::fault::{Fault, Result, kinds};
use crate::networks as network_logic;
use crate::owners;
use crate::port_life::{self, NewPort};
use crate::ranges::{Route, range};
use crate::tables::{allocations, floatingips, ports as port_table, routers, subnets};
use crate::views::{self, View};
use crate::words::Status;

pub use interfaces::{add_interface, remove_interface};

/// Which routers the caller sees.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.is_admin() {
        Condition::all()
    } else {
        Condition::all().add(routers::Column::ProjectId.eq(cx.project()))
    }
}

/// Makes a router, with its gateway if one is given.
pub async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<routers::Model> {
    let now = store::now();
    let mut row = routers::Model {
        id: store::distinct_id::<routers::Model>(tx).await?,
        project_id: attrs.text("project_id"),
        name: attrs.text("name"),
        description: attrs.text("description"),
        admin_state_up: attrs.flag("admin_state_up", true),
        status: Status::Active,
        gateway_network_id: None,
        gateway_port_id: None,
        enable_snat: true,
        routes: "[]".to_owned(),
        availability_zone_hints: agents::zone_hints(cx.core, attrs)?,
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    if let Some(Value::Object(_)) = attrs.get("external_gateway_info") {
        set_gateway(cx, tx, &mut row, attrs).await?;
    }
    store::insert(tx, row.clone()).await?;
    Ok(row)
}

/// Changes a router.
pub async fn update(
    cx: &Cx<'_>,
    tx: &Tx,
    mut row: routers::Model,
    attrs: &Attrs,
) -> Result<routers::Model> {
    attrs.put_text("name", &mut row.name);
    attrs.put_text("description", &mut row.description);
    attrs.put_flag("admin_state_up", &mut row.admin_state_up);
    match attrs.get("external_gateway_info") {
        None => {}
        Some(Value::Null) => clear_gateway(tx, &mut row).await?,
        Some(_) => set_gateway(cx, tx, &mut row, attrs).await?,
    }
    if attrs.has("routes") {
        let routes: Vec<Route> = attrs.read("routes")?;
        check_routes(cx, tx, &row, &routes).await?;
        attrs.put_json("routes", &mut row.routes);
    }
    store::save(tx, row).await
}

/// Extra routes must lead to a neighbour of the router that is not the router itself.
async fn check_routes(cx: &Cx<'_>, tx: &Tx, row: &routers::Model, routes: &[Route]) -> Result<()> {
    let text = || serde_json::to_string(routes).unwrap_or_default();
    let refused = |reason: String| {
        Err(Fault::InvalidRoutes {
            routes: text(),
            reason,
        })
    };
    if routes.len() > cx.core.settings.max_routes {
        return refused(format!(
            "exceeds the maximum of {}",
            cx.core.settings.max_routes
        ));
    }
    let (ranges, own) = neighbourhood(tx, row).await?;
    for route in routes {
        if own.contains(&route.nexthop) {
            return refused(format!("the nexthop {} is used by router", route.nexthop));
        }
        if !ranges.iter().any(|range| range.contains(&route.nexthop)) {
            return refused("the nexthop is not connected with router".to_owned());
        }
    }
    Ok(())
}

/// The ranges that a router touches, and its own addresses.
async fn neighbourhood(tx: &Tx, row: &routers::Model) -> Result<(Vec<IpNet>, Vec<IpAddr>)> {
    let mut ranges = Vec::new();
    let mut own = Vec::new();
    for port in device_ports(tx, row).await? {
        for held in addresses::of_port(tx, &port.id).await? {
            let subnet = store::get::<subnets::Entity>(tx, &kinds::SUBNET, &held.subnet_id).await?;
            ranges.push(range(&subnet)?);
            own.extend(held.ip_address.parse::<IpAddr>());
        }
    }
    Ok((ranges, own))
}

/// All ports of a router: its interfaces, and the gateway that it names itself.
async fn device_ports(
    db: &impl ConnectionTrait,
    row: &routers::Model,
) -> Result<Vec<port_table::Model>> {
    let mut all = interfaces(db, &row.id).await?;
    if let Some(id) = &row.gateway_port_id {
        all.extend(store::find::<port_table::Entity>(db, id).await?);
    }
    Ok(all)
}

async fn interfaces(db: &impl ConnectionTrait, router_id: &str) -> Result<Vec<port_table::Model>> {
    Ok(port_table::Entity::find()
        .filter(port_table::Column::DeviceId.eq(router_id))
        .filter(port_table::Column::DeviceOwner.eq(owners::ROUTER_INTERFACE))
        .order_by_asc(port_table::Column::CreatedAt)
        .all(db)
        .await?)
}

/// Sets or changes the gateway as `external_gateway_info` says.
async fn set_gateway(cx: &Cx<'_>, tx: &Tx, row: &mut routers::Model, attrs: &Attrs) -> Result<()> {
    let info = attrs
        .get("external_gateway_info")
        .cloned()
        .unwrap_or(Value::Null);
    let network_id = info["network_id"].as_str().unwrap_or_default().to_owned();
    let network = network_logic::visible(cx, tx, &network_id).await?;
    if !network_logic::is_external_for(cx, tx, &network).await? {
        return Err(Fault::BadRouter(format!(
            "Network {network_id} is not an external network"
        )));
    }
    row.enable_snat = info["enable_snat"].as_bool().unwrap_or(true);
    let wishes: Option<Vec<Wish>> = match info.get("external_fixed_ips") {
        Some(list) if list.as_array().is_some_and(|list| !list.is_empty()) => {
            Some(serde_json::from_value(list.clone()).map_err(|error| {
                crate::fault::invalid("external_gateway_info", error.to_string())
            })?)
        }
        _ => None,
    };
    if row.gateway_network_id.as_deref() == Some(network_id.as_str()) {
        if let (Some(wishes), Some(port_id)) = (wishes, row.gateway_port_id.clone()) {
            let port = store::get::<port_table::Entity>(tx, &kinds::PORT, &port_id).await?;
            addresses::release(tx, &port.id).await?;
            give(tx, cx.core, &port, Some(wishes)).await?;
        }
        return Ok(());
    }
    no_overlap_with_interfaces(tx, &row.id, &network.id).await?;
    clear_gateway(tx, row).await?;
    // As in Neutron, the port belongs to nobody: its project does not see it.
    let new = NewPort {
        owner: owners::ROUTER_GATEWAY,
        device_id: &row.id,
        project: "",
    };
    let port = port_life::make(tx, cx.core, &network, new).await?;
    give(tx, cx.core, &port, wishes).await?;
    row.gateway_network_id = Some(network.id);
    row.gateway_port_id = Some(port.id);
    Ok(())
}

async fn no_overlap_with_interfaces(tx: &Tx, router_id: &str, network_id: &str) -> Result<()> {
    let on_router: Vec<String> = interfaces(tx, router_id)
        .await?
        .into_iter()
        .map(|port| port.id)
        .collect();
    let held = allocations::Entity::find()
        .filter(allocations::Column::PortId.is_in(on_router))
        .all(tx)
        .await?;
    let ids = held.into_iter().map(|held| held.subnet_id);
    let inside = subnets::Entity::find()
        .filter(subnets::Column::Id.is_in(ids))
        .all(tx)
        .await?;
    let outside = subnets::Entity::find()
        .filter(subnets::Column::NetworkId.eq(network_id))
        .all(tx)
        .await?;
    for a in &inside {
        for b in &outside {
            refuse_overlap(a, b)?;
        }
    }
    Ok(())
}

fn refuse_overlap(new: &subnets::Model, old: &subnets::Model) -> Result<()> {
    let (a, b) = (range(new)?, range(old)?);
    if a.contains(&b) || b.contains(&a) {
        return Err(Fault::BadRouter(format!(
            "Cidr {a} of subnet {} overlaps with cidr {b} of subnet {}",
            new.id, old.id
        )));
    }
    Ok(())
}

/// Gives a port of the router addresses.
async fn give(
    tx: &Tx,
    core: &Core,
    port: &port_table::Model,
    wishes: Option<Vec<Wish>>,
) -> Result<()> {
    let subnets = addresses::subnets_locked(tx, &port.network_id).await?;
    let receiver = Receiver {
        port_id: &port.id,
        network_id: &port.network_id,
        mac: &port.mac_address,
        device_owner: &port.device_owner,
    };
    let given = addresses::choose(tx, core, &receiver, &subnets, wishes).await?;
    addresses::record(tx, &receiver, &given).await
}

/// Takes the gateway away; floating addresses must not need it.
async fn clear_gateway(tx: &Tx, row: &mut routers::Model) -> Result<()> {
    let (Some(network), Some(port)) = (row.gateway_network_id.clone(), row.gateway_port_id.clone())
    else {
        return Ok(());
    };
    let needing = floatingips::Entity::find()
        .filter(floatingips::Column::RouterId.eq(row.id.as_str()))
        .filter(floatingips::Column::FloatingNetworkId.eq(&network))
        .one(tx)
        .await?;
    if needing.is_some() {
        return Err(Fault::GatewayInUseByFloatingIp(row.id.clone(), network));
    }
    if let Some(port) = store::find::<port_table::Entity>(tx, &port).await? {
        port_life::remove(tx, &port).await?;
    }
    row.gateway_network_id = None;
    row.gateway_port_id = None;
    Ok(())
}

/// Removes a router that has no interfaces.
pub async fn delete(tx: &Tx, row: &routers::Model) -> Result<()> {
    if !interfaces(tx, &row.id).await?.is_empty() {
        return Err(Fault::RouterInUse {
            id: row.id.clone(),
            reason: "still has ports".to_owned(),
        });
    }
    let mut row = row.clone();
    clear_gateway(tx, &mut row).await?;
    store::delete::<routers::Entity>(tx, &row.id).await
}

/// What becomes of the bodies of the actions on routers.
pub fn accepted() -> [Accepts; 2] {
    const UNSEEN: &str = "not looked at, as in Neutron";
    const ONE: Fate =
        Fate::Within("one of both is named where an interface is added; others get 400");
    let of = |resource, attributes| Accepts {
        resource,
        attributes,
        unknown: UNSEEN,
    };
    [
        of(
            "interface of a router",
            vec![("subnet_id", ONE), ("port_id", ONE)],
        ),
        of("extra routes of a router", vec![("routes", Fate::Honoured)]),
    ]
}

/// Adds or removes extra routes (`add_extraroutes`, `remove_extraroutes`).
pub async fn change_routes(
    cx: &Cx<'_>,
    tx: &Tx,
    mut row: routers::Model,
    body: &View,
    add: bool,
) -> Result<routers::Model> {
    let given = body.get("routes").cloned().unwrap_or(json!([]));
    let parsed = crate::attributes::kinds::routes(&given)
        .map_err(|why| crate::fault::invalid("routes", why))?;
    let wanted: Vec<Route> = serde_json::from_value(parsed)
        .map_err(|error| crate::fault::invalid("routes", error.to_string()))?;
    let mut routes: Vec<Route> = read_json(&row.routes)?;
    routes.retain(|route| !wanted.contains(route));
    if add {
        routes.extend(wanted);
        check_routes(cx, tx, &row, &routes).await?;
    }
    row.routes = serde_json::to_string(&routes).expect("routes are written as text");
    store::save(tx, row).await
}

/// Routers as shown to this caller.
pub async fn show(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    rows: Vec<routers::Model>,
) -> Result<Vec<View>> {
    let ports: Vec<String> = rows
        .iter()
        .filter_map(|row| row.gateway_port_id.clone())
        .collect();
    let mut ips: HashMap<String, Vec<Value>> = HashMap::new();
    if !ports.is_empty() {
        let held = allocations::Entity::find()
            .filter(among(allocations::Column::PortId, &ports))
            .all(db)
            .await?;
        for one in held {
            let value = json!({"subnet_id": one.subnet_id, "ip_address": one.ip_address});
            ips.entry(one.port_id).or_default().push(value);
        }
    }
    let zone = json!([cx.core.settings.availability_zone]);
    Ok(rows
        .into_iter()
        .map(|row| {
            let gateway = row.gateway_network_id.as_ref().map(|network| {
                let held = row.gateway_port_id.as_ref().and_then(|port| ips.get(port)).cloned();
                json!({
                    "network_id": network, "enable_snat": row.enable_snat,
                    "external_fixed_ips": held.unwrap_or_default(),
                })
            });
            let mut view = views::standard(&row);
            views::fill(&mut view, json!({
                "name": row.name, "description": row.description, "admin_state_up": row.admin_state_up,
                "status": row.status, "external_gateway_info": gateway, "routes": views::json(&row.routes),
                "availability_zone_hints": views::json(&row.availability_zone_hints),
                "availability_zones": zone, "flavor_id": null, "distributed": false, "ha": false,
            }));
            view
        })
        .collect())
}
