//! Port forwardings: a port of a floating address that leads to a port of a guest.
//!
//! A floating address is associated, or has forwardings, or neither. Those of one address lead through one router, which
//! the address names while it has any.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};
use sql::sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder,
};
use web::Query;

use crate::addresses;
use crate::attributes::Attrs;
use crate::core::Cx;
use crate::db::fields::{self, Listing};
use crate::db::gateways::way_out;
use crate::db::pages;
use crate::db::selection::Selection;
use crate::db::store::{self, Tx, among};
use crate::fault::{Fault, Result, kinds, missing};
use crate::list::Paging;
use crate::tables::{allocations, floatingips, port_forwardings, ports};
use crate::views::{self, View};
use crate::words::Status;

/// How lists of them are looked for.
pub static LISTING: Listing = Listing::of(fields::PORT_FORWARDING);

/// Attributes that lists are sorted by, and that nothing is looked for by, as in Neutron.
pub const NO_FILTERS: &[&str] = &["internal_ip_address", "internal_port"];

/// The forwarding with this id, if it is one of this floating address.
pub async fn get(
    db: &impl ConnectionTrait,
    floating: &str,
    id: &str,
) -> Result<port_forwardings::Model> {
    let row = store::find::<port_forwardings::Entity>(db, id).await?;
    row.filter(|row| row.floatingip_id == floating)
        .ok_or_else(|| missing(&kinds::FORWARDING, id))
}

/// A page of those of a floating address.
pub async fn page(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    floating: &str,
    query: &Query,
    paging: &Paging,
) -> Result<Vec<View>> {
    let wanted = Selection::read(cx.project(), LISTING, query, &|_| false)?;
    let scope = port_forwardings::Column::FloatingipId.eq(floating);
    let scope = Condition::all().add(scope);
    let rows = pages::rows::<port_forwardings::Entity>(db, &wanted, scope, paging).await?;
    Ok(rows.into_iter().map(show).collect())
}

/// Makes a forwarding.
pub async fn create(
    cx: &Cx<'_>,
    tx: &Tx,
    floating: floatingips::Model,
    attrs: &Attrs,
) -> Result<View> {
    let row = port_forwardings::Model {
        id: store::new_id(),
        floatingip_id: floating.id.clone(),
        protocol: attrs.the_word("protocol")?,
        external_port: number(attrs, "external_port", 0),
        internal_port_id: attrs.text("internal_port_id"),
        internal_ip_address: attrs.text("internal_ip_address"),
        internal_port: number(attrs, "internal_port", 0),
        description: attrs.text("description"),
        created_at: store::now(),
    };
    if floating.port_id.is_some() {
        return Err(Fault::FixedIpInUse {
            ip: floating.floating_ip_address,
            id: floating.id,
            port: row.internal_port_id,
            fixed: row.internal_ip_address,
            net: floating.floating_network_id,
        });
    }
    let router = admit(cx, tx, &floating, &row).await?;
    store::insert(tx, row.clone()).await?;
    lead_through(tx, floating, router).await?;
    hold_port(tx, &row.internal_port_id).await?;
    Ok(show(row))
}

/// Changes a forwarding.
pub async fn update(
    cx: &Cx<'_>,
    tx: &Tx,
    floating: floatingips::Model,
    id: &str,
    attrs: &Attrs,
) -> Result<View> {
    let mut row = get(tx, &floating.id, id).await?;
    let before = row.internal_port_id.clone();
    for (name, slot) in [
        ("internal_port_id", &mut row.internal_port_id),
        ("internal_ip_address", &mut row.internal_ip_address),
        ("description", &mut row.description),
    ] {
        attrs.put_text(name, slot);
    }
    attrs.put_word("protocol", &mut row.protocol)?;
    row.external_port = number(attrs, "external_port", row.external_port);
    row.internal_port = number(attrs, "internal_port", row.internal_port);
    let router = admit(cx, tx, &floating, &row).await?;
    let values = row.clone().into_active_model().reset_all();
    port_forwardings::Entity::update(values).exec(tx).await?;
    lead_through(tx, floating, router).await?;
    if before != row.internal_port_id {
        store::revise::<ports::Model>(tx, &before).await?;
    }
    hold_port(tx, &row.internal_port_id).await?;
    Ok(show(row))
}

/// Removes a forwarding.
pub async fn delete(tx: &Tx, floating: floatingips::Model, id: &str) -> Result<()> {
    let row = get(tx, &floating.id, id).await?;
    store::delete::<port_forwardings::Entity>(tx, &row.id).await?;
    settle(tx, floating).await?;
    store::revise::<ports::Model>(tx, &row.internal_port_id).await
}

fn number(attrs: &Attrs, name: &str, otherwise: i32) -> i32 {
    attrs.number(name).map_or(otherwise, |n| n as i32)
}

/// Refuses a forwarding that cannot be; gives the router that it leads through.
async fn admit(
    cx: &Cx<'_>,
    tx: &Tx,
    floating: &floatingips::Model,
    row: &port_forwardings::Model,
) -> Result<String> {
    unique(tx, row).await?;
    let port = store::get::<ports::Entity>(tx, &kinds::PORT, &row.internal_port_id).await?;
    if !cx.is_admin() && port.project_id != cx.project() {
        return Err(missing(&kinds::PORT, &row.internal_port_id));
    }
    let carried = floatingips::Entity::find()
        .filter(floatingips::Column::PortId.eq(&port.id))
        .one(tx)
        .await?;
    if let Some(other) = carried {
        return Err(Fault::PortHasFloatingIp {
            ip: other.floating_ip_address,
            id: other.id,
            port: port.id,
            fixed: row.internal_ip_address.clone(),
        });
    }
    let held = target(tx, row).await?;
    let router = way_out(tx, &held.subnet_id, &floating.floating_network_id).await?;
    let router = router.ok_or_else(|| {
        Fault::BadForwarding(format!(
            "External network {} is not reachable from subnet {}. Cannot set Port forwarding for port {} with Floating \
             IP {}",
            floating.floating_network_id, held.subnet_id, row.internal_port_id, floating.id
        ))
    })?;
    match &floating.router_id {
        Some(other) if *other != router => Err(Fault::BadForwarding(format!(
            "The Floating IP {} had been set on router {other}, the internal Neutron port {} can not reach it",
            floating.id, row.internal_port_id
        ))),
        _ => Ok(router),
    }
}

/// The address of the port that is forwarded to.
async fn target(tx: &Tx, row: &port_forwardings::Model) -> Result<allocations::Model> {
    let mut held = addresses::of_port(tx, &row.internal_port_id).await?;
    held.retain(|ip| ip.ip_address.parse::<Ipv4Addr>().is_ok());
    if held.is_empty() {
        return Err(Fault::BadForwarding(format!(
            "Requested internal port {} must allocate an IPv4 address at least.",
            row.internal_port_id
        )));
    }
    let found = held
        .into_iter()
        .find(|ip| ip.ip_address == row.internal_ip_address);
    found.ok_or_else(|| {
        Fault::BadForwarding(format!(
            "Requested internal IP address {} is not suitable for internal neutron port {}",
            row.internal_ip_address, row.internal_port_id
        ))
    })
}

/// Refuses a second forwarding of the same outer port, or to the same inner one.
async fn unique(tx: &Tx, row: &port_forwardings::Model) -> Result<()> {
    use port_forwardings::Column;
    let outside = Condition::all()
        .add(Column::FloatingipId.eq(&row.floatingip_id))
        .add(Column::ExternalPort.eq(row.external_port));
    let inside = Condition::all()
        .add(Column::InternalPortId.eq(&row.internal_port_id))
        .add(Column::InternalIpAddress.eq(&row.internal_ip_address))
        .add(Column::InternalPort.eq(row.internal_port));
    for (end, port, same) in [
        ("external_port", row.external_port, outside),
        ("internal_port", row.internal_port, inside),
    ] {
        let other = port_forwardings::Entity::find()
            .filter(Column::Protocol.eq(row.protocol))
            .filter(Column::Id.ne(&row.id))
            .filter(same)
            .one(tx)
            .await?;
        if let Some(other) = other {
            return Err(Fault::BadForwarding(format!(
                "A duplicate port forwarding entry with same attributes already exists: {} has {end} {port}",
                other.id
            )));
        }
    }
    Ok(())
}

/// Counts a forwarding as a change of its port.
///
/// # Errors
/// The port went, or changed, since it was looked at: it cannot go unseen.
async fn hold_port(tx: &Tx, id: &str) -> Result<()> {
    let port = store::get::<ports::Entity>(tx, &kinds::PORT, id).await?;
    store::save(tx, port).await?;
    Ok(())
}

/// Notes the router of a floating address that has forwardings.
async fn lead_through(tx: &Tx, mut floating: floatingips::Model, router: String) -> Result<()> {
    floating.router_id = Some(router);
    floating.status = Status::Active;
    store::save(tx, floating).await?;
    Ok(())
}

/// Frees a floating address of its router when its last forwarding went.
async fn settle(tx: &Tx, mut floating: floatingips::Model) -> Result<()> {
    if !any(tx, &floating.id).await? {
        floating.router_id = None;
        floating.status = Status::Down;
    }
    store::save(tx, floating).await?;
    Ok(())
}

/// Whether a floating address has forwardings.
pub async fn any(db: &impl ConnectionTrait, floating: &str) -> Result<bool> {
    let of_it = port_forwardings::Entity::find()
        .filter(port_forwardings::Column::FloatingipId.eq(floating));
    Ok(of_it.count(db).await? > 0)
}

/// Removes the forwardings to a port that goes away, or to one of its addresses.
pub async fn release(tx: &Tx, port_id: &str, fixed: Option<&str>) -> Result<()> {
    let mut to_port = port_forwardings::Entity::find()
        .filter(port_forwardings::Column::InternalPortId.eq(port_id));
    if let Some(ip) = fixed {
        to_port = to_port.filter(port_forwardings::Column::InternalIpAddress.eq(ip));
    }
    for row in to_port.all(tx).await? {
        store::delete::<port_forwardings::Entity>(tx, &row.id).await?;
        if let Some(floating) = store::find::<floatingips::Entity>(tx, &row.floatingip_id).await? {
            settle(tx, floating).await?;
        }
    }
    Ok(())
}

/// The forwardings of several floating addresses, by address.
pub async fn of(
    db: &impl ConnectionTrait,
    floating: &[String],
) -> Result<HashMap<String, Vec<port_forwardings::Model>>> {
    let rows = port_forwardings::Entity::find()
        .filter(among(port_forwardings::Column::FloatingipId, floating))
        .order_by_asc(port_forwardings::Column::CreatedAt)
        .order_by_asc(port_forwardings::Column::Id)
        .all(db)
        .await?;
    let mut by_address: HashMap<String, Vec<port_forwardings::Model>> = HashMap::new();
    for row in rows {
        let all = by_address.entry(row.floatingip_id.clone()).or_default();
        all.push(row);
    }
    Ok(by_address)
}

/// A forwarding as shown.
pub fn show(row: port_forwardings::Model) -> View {
    let mut view = View::new();
    views::fill(&mut view, brief(&row));
    views::fill(&mut view, json!({"description": row.description}));
    view
}

/// A forwarding as its floating address shows it.
pub fn brief(row: &port_forwardings::Model) -> Value {
    json!({
        "id": row.id, "protocol": row.protocol, "external_port": row.external_port,
        "internal_port_id": row.internal_port_id, "internal_ip_address": row.internal_ip_address,
        "internal_port": row.internal_port,
    })
}
