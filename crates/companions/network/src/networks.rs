//! Networks.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sql::sea_orm::sea_query::{Query, SelectStatement};
use sql::sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::agents;
use crate::attributes::Attrs;
use crate::core::Cx;
use crate::db::sharing;
use crate::db::store::{self, Tx, among};
use crate::fault::{Fault, Result, kinds};
use crate::owners;
use crate::port_life;
use crate::settings::PlaneKind;
use crate::tables::{floatingips, networks, ports, rbac_policies, subnetpools, subnets};
use crate::views::{self, View};
use crate::words::{Access, NetworkType, Shareable, Status, Word};

/// Which networks the caller sees beside its own: shared with it, or external.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.sees_all() {
        return Condition::all();
    }
    let open = sharing::open_to(Shareable::Network, cx.project(), None);
    Condition::any()
        .add(networks::Column::ProjectId.eq(cx.project()))
        .add(networks::Column::Id.in_subquery(open))
}

/// The ids of a project's own networks.
pub fn ids_of(project: &str) -> SelectStatement {
    let mut ids = Query::select();
    ids.column(networks::Column::Id)
        .from(networks::Entity)
        .and_where(networks::Column::ProjectId.eq(project));
    ids
}

/// The network, if the caller sees it.
pub async fn visible(cx: &Cx<'_>, db: &impl ConnectionTrait, id: &str) -> Result<networks::Model> {
    let row = store::get::<networks::Entity>(db, &kinds::NETWORK, id).await?;
    if cx.sees_all() || row.project_id == cx.project() {
        return Ok(row);
    }
    let given = sharing::of_object(db, id).await?;
    let open = given
        .iter()
        .any(|policy| sharing::reaches(policy, cx.project()));
    if open {
        Ok(row)
    } else {
        Err(crate::fault::missing(&kinds::NETWORK, id))
    }
}

/// The network, if the caller may make ports on it: its own, or one shared with it. That a network is external lets
/// routers and floating addresses use it, not ports.
pub async fn joinable(cx: &Cx<'_>, db: &impl ConnectionTrait, id: &str) -> Result<networks::Model> {
    let row = visible(cx, db, id).await?;
    let may = cx.sees_all()
        || row.project_id == cx.project()
        || sharing::is_shared(&sharing::of_object(db, id).await?, cx.project());
    if may {
        Ok(row)
    } else {
        Err(Fault::NotYourNetwork(cx.project().to_owned()))
    }
}

/// Makes a network.
pub async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<networks::Model> {
    let settings = &cx.core.settings;
    let now = store::now();
    let mut row = networks::Model {
        id: store::distinct_id::<networks::Model>(tx).await?,
        project_id: attrs.text("project_id"),
        name: attrs.text("name"),
        description: attrs.text("description"),
        admin_state_up: attrs.flag("admin_state_up", true),
        status: Status::Active,
        mtu: wanted_mtu(attrs, settings.mtu)?.unwrap_or(settings.mtu),
        port_security_enabled: attrs.flag("port_security_enabled", true),
        is_default: attrs.flag("is_default", false),
        network_type: NetworkType::Local,
        physical_network: None,
        segmentation_id: None,
        dns_domain: attrs.text("dns_domain"),
        availability_zone_hints: agents::zone_hints(cx.core, attrs)?,
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    take_provider(cx, attrs, &mut row)?;
    store::insert(tx, row.clone()).await?;
    if row.is_default {
        only_default(tx, &row.id).await?;
    }
    for (name, access) in [
        ("shared", Access::Shared),
        ("router:external", Access::External),
    ] {
        if attrs.flag(name, false) {
            crate::sharing::open_to_all(tx, &row.project_id, Shareable::Network, &row.id, access)
                .await?;
        }
    }
    Ok(row)
}

/// The largest packet that a body asks for, 0 meaning the usual one.
fn wanted_mtu(attrs: &Attrs, most: i32) -> Result<Option<i32>> {
    match attrs.number("mtu") {
        None => Ok(None),
        Some(0) => Ok(Some(most)),
        Some(mtu) => match i32::try_from(mtu) {
            Ok(mtu) if mtu <= most => Ok(Some(mtu)),
            _ => Err(Fault::InvalidInput(format!(
                "Requested MTU is too big, maximum is {most}"
            ))),
        },
    }
}

/// The smallest packets that every host takes whole, by RFC 791 and RFC 8200. Bytes.
const LEAST_MTU_V4: i32 = 68;
const LEAST_MTU_V6: i32 = 1280;

/// Refuses a subnet on a network whose packets are too small for its version of IP.
pub fn carries(network: &str, mtu: i32, v6: bool) -> Result<()> {
    let least = if v6 { LEAST_MTU_V6 } else { LEAST_MTU_V4 };
    // As in Neutron, what is too small for IPv4 is refused in the words for IPv4.
    let least = if mtu < LEAST_MTU_V4 {
        LEAST_MTU_V4
    } else {
        least
    };
    match mtu < least {
        true => Err(Fault::SubnetMtu {
            network: network.to_owned(),
            least,
        }),
        false => Ok(()),
    }
}

/// Reads provider attributes: what kind of wire the network is.
fn take_provider(cx: &Cx<'_>, attrs: &Attrs, row: &mut networks::Model) -> Result<()> {
    let makes_networks = cx.core.settings.plane == PlaneKind::Linux;
    if let Some(kind) = attrs.opt_text("provider:network_type") {
        let built = |kind: &NetworkType| {
            !makes_networks
                || matches!(
                    kind,
                    NetworkType::Local | NetworkType::Flat | NetworkType::Vxlan
                )
        };
        let known = NetworkType::read(&kind).filter(built);
        row.network_type = known.ok_or(Fault::NetworkType(kind))?;
    }
    if attrs.has("provider:physical_network") {
        row.physical_network = attrs.opt_text("provider:physical_network");
    }
    if attrs.has("provider:segmentation_id") {
        row.segmentation_id = attrs.number("provider:segmentation_id").map(|id| id as i32);
    }
    let wired = matches!(row.network_type, NetworkType::Flat | NetworkType::Vlan);
    if wired && row.physical_network.is_none() {
        let kind = row.network_type;
        return Err(Fault::InvalidInput(format!(
            "physical_network required for {kind} provider network"
        )));
    }
    if let Some(name) = row
        .physical_network
        .as_ref()
        .filter(|_| wired && makes_networks)
    {
        let kind = row.network_type;
        return Err(Fault::InvalidInput(format!(
            "physical_network '{name}' unknown for {kind} provider network"
        )));
    }
    if !wired && row.physical_network.is_some() {
        let kind = row.network_type;
        return Err(Fault::InvalidInput(format!(
            "provider:physical_network specified for {kind} network"
        )));
    }
    let most = match row.network_type {
        NetworkType::Vlan => 4094,
        NetworkType::Vxlan | NetworkType::Geneve => (1 << 24) - 1,
        NetworkType::Gre => i32::MAX,
        NetworkType::Local | NetworkType::Flat => 0,
    };
    match row.segmentation_id {
        Some(id) if id < 1 || id > most => Err(Fault::InvalidInput(format!(
            "segmentation_id out of range (1 through {most})"
        ))),
        _ => Ok(()),
    }
}

/// Makes this the only default network.
async fn only_default(tx: &Tx, id: &str) -> Result<()> {
    let others = networks::Entity::find()
        .filter(networks::Column::IsDefault.eq(true))
        .filter(networks::Column::Id.ne(id))
        .all(tx)
        .await?;
    if others.is_empty() {
        return Ok(());
    }
    Err(Fault::InvalidInput(format!(
        "A default external network already exists: {}",
        others[0].id
    )))
}

/// Changes a network.
pub async fn update(
    cx: &Cx<'_>,
    tx: &Tx,
    mut row: networks::Model,
    attrs: &Attrs,
) -> Result<networks::Model> {
    attrs.put_text("name", &mut row.name);
    attrs.put_text("description", &mut row.description);
    attrs.put_text("dns_domain", &mut row.dns_domain);
    attrs.put_flag("admin_state_up", &mut row.admin_state_up);
    attrs.put_flag("port_security_enabled", &mut row.port_security_enabled);
    attrs.put_flag("is_default", &mut row.is_default);
    if let Some(mtu) = wanted_mtu(attrs, cx.core.settings.mtu)? {
        row.mtu = mtu;
        // Who makes a subnet on it holds it too.
        store::hold::<networks::Entity>(tx, &row.id).await?;
        let on_it = subnets::Entity::find()
            .filter(subnets::Column::NetworkId.eq(&row.id))
            .all(tx)
            .await?;
        for subnet in &on_it {
            carries(&row.id, mtu, subnet.ip_version == 6)?;
        }
    }
    if [
        "provider:network_type",
        "provider:physical_network",
        "provider:segmentation_id",
    ]
    .iter()
    .any(|a| attrs.has(a))
    {
        return Err(Fault::InvalidInput(
            "Plugin does not support updating provider attributes".to_owned(),
        ));
    }
    if row.is_default {
        only_default(tx, &row.id).await?;
    }
    if let Some(shared) = attrs.get("shared").and_then(Value::as_bool) {
        crate::sharing::set_open(tx, &row.project_id, &row.id, Access::Shared, shared).await?;
    }
    if let Some(external) = attrs.get("router:external").and_then(Value::as_bool) {
        if external && !sharing::has_uplink(tx, &row.id).await? {
            cx.core.host.admit_network(tx, &row.id).await?;
        }
        crate::sharing::set_open(tx, &row.project_id, &row.id, Access::External, external).await?;
    }
    store::save(tx, row).await
}

/// Removes a network with its subnets, its DHCP port, and floating addresses that nobody has tied to a port.
pub async fn delete(tx: &Tx, row: &networks::Model) -> Result<()> {
    let loose = floatingips::Entity::find()
        .filter(floatingips::Column::FloatingNetworkId.eq(&row.id))
        .filter(floatingips::Column::PortId.is_null())
        .all(tx)
        .await?;
    let loose_ports: HashSet<&str> = loose
        .iter()
        .map(|ip| ip.floating_port_id.as_str())
        .collect();
    let on_it = ports::Entity::find()
        .filter(ports::Column::NetworkId.eq(&row.id))
        .all(tx)
        .await?;
    let goes_along = |port: &ports::Model| {
        port.device_owner == owners::DHCP || loose_ports.contains(port.id.as_str())
    };
    if !on_it.iter().all(goes_along) {
        return Err(Fault::NetworkInUse(row.id.clone()));
    }
    for port in &on_it {
        port_life::remove(tx, port).await?;
    }
    floatingips::Entity::delete_many()
        .filter(floatingips::Column::FloatingNetworkId.eq(&row.id))
        .exec(tx)
        .await?;
    subnets::Entity::delete_many()
        .filter(subnets::Column::NetworkId.eq(&row.id))
        .exec(tx)
        .await?;
    rbac_policies::Entity::delete_many()
        .filter(rbac_policies::Column::ObjectId.eq(&row.id))
        .exec(tx)
        .await?;
    store::delete::<networks::Entity>(tx, &row.id).await
}

/// Whether the network is external for the caller: one that is so for some projects is none for others, also where
/// it is shared with them.
pub async fn is_external_for(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    network: &networks::Model,
) -> Result<bool> {
    let own = cx.is_admin() || network.project_id == cx.project();
    let policies = sharing::of_object(db, &network.id).await?;
    Ok(policies.iter().any(|policy| {
        policy.action == Access::External && (own || sharing::reaches(policy, cx.project()))
    }))
}

/// The networks as shown to this caller.
pub async fn show(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    rows: Vec<networks::Model>,
) -> Result<Vec<View>> {
    let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    let mut subnets_of: HashMap<String, Vec<subnets::Model>> = HashMap::new();
    let found = subnets::Entity::find()
        .filter(among(subnets::Column::NetworkId, &ids))
        .order_by_asc(subnets::Column::CreatedAt)
        .all(db)
        .await?;
    for subnet in found {
        subnets_of
            .entry(subnet.network_id.clone())
            .or_default()
            .push(subnet);
    }
    let scopes = pool_scopes(db, &subnets_of).await?;
    let policies = sharing::of_objects(db, &ids).await?;
    let zone = json!([cx.core.settings.availability_zone]);
    Ok(rows
        .into_iter()
        .map(|row| {
            let open = policies.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            let mine = subnets_of.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            let scope = |version: i32| {
                let of_version = mine.iter().filter(|subnet| subnet.ip_version == version);
                let pools = of_version.filter_map(|subnet| subnet.subnetpool_id.as_ref());
                pools.filter_map(|pool| scopes.get(pool)).next()
            };
            let mut view = views::standard(&row);
            views::fill(&mut view, json!({
                "name": row.name, "description": row.description, "admin_state_up": row.admin_state_up,
                "status": row.status, "mtu": row.mtu, "port_security_enabled": row.port_security_enabled,
                "shared": sharing::is_shared(open, cx.project()),
                "router:external": open.iter().any(|p| p.action == Access::External),
                "subnets": mine.iter().map(|subnet| subnet.id.as_str()).collect::<Vec<_>>(),
                "dns_domain": row.dns_domain,
                "availability_zone_hints": views::json(&row.availability_zone_hints),
                "availability_zones": zone,
                "ipv4_address_scope": scope(4), "ipv6_address_scope": scope(6),
                "is_default": row.is_default,
                "provider:network_type": row.network_type,
                "provider:physical_network": row.physical_network,
                "provider:segmentation_id": row.segmentation_id,
            }));
            view
        })
        .collect())
}

/// The address scopes of the pools that these subnets came from.
async fn pool_scopes(
    db: &impl ConnectionTrait,
    subnets_of: &HashMap<String, Vec<subnets::Model>>,
) -> Result<HashMap<String, String>> {
    let pools: HashSet<String> = subnets_of
        .values()
        .flatten()
        .filter_map(|s| s.subnetpool_id.clone())
        .collect();
    if pools.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = subnetpools::Entity::find()
        .filter(subnetpools::Column::Id.is_in(pools))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| Some((row.id, row.address_scope_id?)))
        .collect())
}
