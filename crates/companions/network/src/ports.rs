//! Ports.

mod devices;
mod show;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter};

use crate::addresses::{self, Given, Receiver, Wish};
use crate::attributes::Attrs;
use crate::binding;
use crate::core::{Core, Cx};
use crate::db::store::{self, Tx, read_json};
use crate::dns;
use crate::events::{self, Event};
use crate::fault::{Fault, Result, kinds};
use crate::owners;
use crate::settings::PlaneKind;
use crate::tables::{allocations, networks, port_security_groups, ports};
use crate::words::{Status, VifType, VnicType};
use crate::{port_life, security_groups, ties};
pub use show::show;

/// Which ports the caller sees: its own, and all on its networks.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.sees_all() {
        return Condition::all();
    }
    let own = crate::networks::ids_of(cx.project());
    Condition::any()
        .add(ports::Column::ProjectId.eq(cx.project()))
        .add(ports::Column::NetworkId.in_subquery(own))
}

/// Makes a port, with addresses, guards and binding, in one go.
pub async fn create(
    cx: &Cx<'_>,
    tx: &Tx,
    network: &networks::Model,
    attrs: &Attrs,
) -> Result<ports::Model> {
    let core = cx.core;
    let subnets = addresses::subnets_locked(tx, &network.id).await?;
    let now = store::now();
    let mut row = ports::Model {
        id: store::distinct_id::<ports::Model>(tx).await?,
        project_id: attrs.text("project_id"),
        network_id: network.id.clone(),
        name: attrs.text("name"),
        description: attrs.text("description"),
        mac_address: attrs
            .opt_text("mac_address")
            .unwrap_or_else(port_life::random_mac),
        admin_state_up: attrs.flag("admin_state_up", true),
        status: Status::Down,
        device_id: attrs.text("device_id"),
        device_owner: attrs.text("device_owner"),
        port_security_enabled: attrs.flag("port_security_enabled", network.port_security_enabled),
        dns_name: attrs.text("dns_name"),
        dns_domain: attrs.text("dns_domain"),
        allowed_address_pairs: "[]".to_owned(),
        extra_dhcp_opts: "[]".to_owned(),
        host: attrs.text("binding:host_id"),
        vnic_type: attrs.word("binding:vnic_type")?.unwrap_or(VnicType::Normal),
        vif_type: VifType::Unbound,
        vif_details: String::new(),
        profile: attrs
            .get("binding:profile")
            .unwrap_or(&json!({}))
            .to_string(),
        tags: attrs.get("tags").unwrap_or(&json!([])).to_string(),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    devices::check(cx, None, &row)?;
    dns::check(
        &row.dns_name,
        dns::domain(&core.settings, &network.dns_domain),
    )?;
    if owners::is_service(&row.device_owner) && !attrs.has("port_security_enabled") {
        row.port_security_enabled = false;
    }
    if attrs.has("mac_address") {
        mac_is_free(tx, &row).await?;
    }
    take_lists(core, attrs, &mut row)?;
    let wishes: Option<Vec<Wish>> = match attrs.get("fixed_ips") {
        None | Some(Value::Null) => None,
        Some(_) => Some(attrs.read("fixed_ips")?),
    };
    let receiver = receiver(&row);
    let given = addresses::choose(tx, core, &receiver, &subnets, wishes).await?;
    let groups = guards(cx, tx, attrs, &row).await?;
    addresses::record(tx, &receiver, &given).await?;
    binding::bind(core, &mut row);
    store::insert(tx, row.clone()).await?;
    set_groups(tx, &row.id, &groups).await?;
    binding::tell_status(tx, core, Status::Down, &row).await?;
    Ok(row)
}

fn receiver(row: &ports::Model) -> Receiver<'_> {
    Receiver {
        port_id: &row.id,
        network_id: &row.network_id,
        mac: &row.mac_address,
        device_owner: &row.device_owner,
    }
}

async fn mac_is_free(tx: &Tx, row: &ports::Model) -> Result<()> {
    let other = ports::Entity::find()
        .filter(ports::Column::NetworkId.eq(&row.network_id))
        .filter(ports::Column::MacAddress.eq(&row.mac_address))
        .filter(ports::Column::Id.ne(&row.id))
        .one(tx)
        .await?;
    match other {
        Some(_) => Err(Fault::MacAddressInUse {
            network: row.network_id.clone(),
            mac: row.mac_address.clone(),
        }),
        None => Ok(()),
    }
}

/// Address pairs and DHCP options.
fn take_lists(core: &Core, attrs: &Attrs, row: &mut ports::Model) -> Result<()> {
    if let Some(pairs) = attrs.get("allowed_address_pairs").and_then(Value::as_array) {
        if pairs.len() > core.settings.max_address_pairs {
            let most = core.settings.max_address_pairs;
            return Err(Fault::InvalidInput(format!(
                "Exceeded maximum number of allowed address pairs {most}"
            )));
        }
        let mut filled: Vec<Value> = Vec::new();
        for pair in pairs {
            let mut pair = pair.clone();
            if pair.get("mac_address").is_none() {
                pair["mac_address"] = json!(row.mac_address);
            }
            if filled.contains(&pair) {
                let text = |name: &str| pair[name].as_str().unwrap_or_default().to_owned();
                return Err(Fault::DuplicatePair(
                    text("mac_address"),
                    text("ip_address"),
                ));
            }
            filled.push(pair);
        }
        if !filled.is_empty() && !row.port_security_enabled {
            return Err(Fault::PairsNeedPortSecurity);
        }
        row.allowed_address_pairs = Value::Array(filled).to_string();
    }
    if attrs.has("extra_dhcp_opts") {
        let mut options: Vec<Value> = read_json(&row.extra_dhcp_opts)?;
        for wanted in attrs.read::<Vec<Value>>("extra_dhcp_opts")? {
            let mut wanted = wanted;
            if wanted.get("ip_version").is_none() {
                wanted["ip_version"] = json!(4);
            }
            options.retain(|have| {
                have["opt_name"] != wanted["opt_name"] || have["ip_version"] != wanted["ip_version"]
            });
            if !wanted["opt_value"].is_null() {
                options.push(wanted);
            }
        }
        row.extra_dhcp_opts = Value::Array(options).to_string();
    }
    Ok(())
}

/// The security groups of a new port.
async fn guards(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs, row: &ports::Model) -> Result<Vec<String>> {
    match attrs.get("security_groups") {
        Some(_) => {
            let ids: Vec<String> = attrs.read("security_groups")?;
            if !ids.is_empty() && !row.port_security_enabled {
                return Err(Fault::GroupsNeedPortSecurity);
            }
            security_groups::usable(cx, tx, &ids, &row.project_id).await?;
            Ok(ids)
        }
        None if row.port_security_enabled && !owners::is_service(&row.device_owner) => Ok(vec![
            security_groups::ensure_default(tx, &row.project_id).await?,
        ]),
        None => Ok(Vec::new()),
    }
}

async fn set_groups(tx: &Tx, port_id: &str, groups: &[String]) -> Result<()> {
    let rows = groups.iter().map(|group| {
        port_security_groups::Model {
            port_id: port_id.to_owned(),
            group_id: group.clone(),
        }
        .into_active_model()
    });
    if !groups.is_empty() {
        port_security_groups::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Changes a port.
pub async fn update(
    cx: &Cx<'_>,
    tx: &Tx,
    before: ports::Model,
    attrs: &Attrs,
) -> Result<ports::Model> {
    let core = cx.core;
    let mut row = before.clone();
    for (name, slot) in [
        ("name", &mut row.name),
        ("description", &mut row.description),
        ("device_id", &mut row.device_id),
        ("device_owner", &mut row.device_owner),
        ("dns_name", &mut row.dns_name),
        ("dns_domain", &mut row.dns_domain),
        ("mac_address", &mut row.mac_address),
        ("binding:host_id", &mut row.host),
    ] {
        attrs.put_text(name, slot);
    }
    attrs.put_word("binding:vnic_type", &mut row.vnic_type)?;
    devices::check(cx, Some(&before), &row)?;
    attrs.put_flag("admin_state_up", &mut row.admin_state_up);
    attrs.put_flag("port_security_enabled", &mut row.port_security_enabled);
    attrs.put_json("binding:profile", &mut row.profile);
    if row.mac_address != before.mac_address {
        if !before.host.is_empty() && before.vif_type != VifType::BindingFailed {
            return Err(Fault::PortInUse {
                port: row.id,
                network: row.network_id,
                device: before.device_id,
            });
        }
        mac_is_free(tx, &row).await?;
    }
    if row.dns_name != before.dns_name && !row.dns_name.is_empty() {
        let network = store::get::<networks::Entity>(tx, &kinds::NETWORK, &row.network_id).await?;
        dns::check(
            &row.dns_name,
            dns::domain(&core.settings, &network.dns_domain),
        )?;
    }
    take_lists(core, attrs, &mut row)?;
    update_guards(cx, tx, attrs, &row).await?;
    let moved = match attrs.get("fixed_ips") {
        None | Some(Value::Null) => false,
        Some(_) => readdress(core, tx, &row, attrs.read("fixed_ips")?).await?,
    };
    let rebound = row.host != before.host || row.vnic_type != before.vnic_type;
    if rebound && !owners::is_service(&row.device_owner) {
        binding::bind(core, &mut row);
    } else if row.admin_state_up != before.admin_state_up {
        reflect_admin_state(core, &mut row);
    }
    tell_changes(tx, core, &before, &row, moved).await?;
    store::save(tx, row).await
}

fn reflect_admin_state(core: &Core, row: &mut ports::Model) {
    let wired = core.settings.plane == PlaneKind::None && !row.host.is_empty();
    row.status = Status::of(row.admin_state_up && wired);
}

async fn tell_changes(
    tx: &Tx,
    core: &Core,
    before: &ports::Model,
    row: &ports::Model,
    moved: bool,
) -> Result<()> {
    // The server that lost the port hears of it under its own id.
    if before.status == Status::Active && row.status == Status::Down {
        return events::tell(tx, core, Event::Unplugged, before).await;
    }
    binding::tell_status(tx, core, before.status, row).await?;
    if moved || row.mac_address != before.mac_address {
        events::tell(tx, core, Event::Changed, row).await?;
    }
    Ok(())
}

async fn update_guards(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs, row: &ports::Model) -> Result<()> {
    if attrs.has("security_groups") {
        let ids: Vec<String> = attrs.read("security_groups")?;
        if !ids.is_empty() && !row.port_security_enabled {
            return Err(Fault::GroupsNeedPortSecurity);
        }
        security_groups::usable(cx, tx, &ids, &row.project_id).await?;
        port_life::clear_groups(tx, &row.id).await?;
        return set_groups(tx, &row.id, &ids).await;
    }
    if !row.port_security_enabled {
        let guarded = port_security_groups::Entity::find()
            .filter(port_security_groups::Column::PortId.eq(&row.id))
            .one(tx)
            .await?;
        if row.allowed_address_pairs != "[]" {
            return Err(Fault::PairsNeedPortSecurity);
        }
        if guarded.is_some() {
            return Err(Fault::PortHasGroups);
        }
    }
    Ok(())
}

/// Gives the port the wished addresses, keeping those that stay. Whether anything changed.
async fn readdress(
    core: &Core,
    tx: &Tx,
    row: &ports::Model,
    mut wishes: Vec<Wish>,
) -> Result<bool> {
    // Before it is looked at what leads to the addresses: see [`ties`].
    let port = store::hold::<ports::Entity>(tx, &row.id).await?;
    port.ok_or(Fault::Stale)?;
    let subnets = addresses::subnets_locked(tx, &row.network_id).await?;
    let held = addresses::of_port(tx, &row.id).await?;
    // A wish for "any address of this subnet" is met by what the port already has there, unless another entry names that.
    let mut free: Vec<&allocations::Model> = held.iter().collect();
    let mut by_need: Vec<&mut Wish> = wishes.iter_mut().collect();
    by_need.sort_by_key(|wish| wish.ip_address.is_none());
    for wish in by_need {
        let fits = |have: &&allocations::Model| {
            wish.subnet_id
                .as_ref()
                .is_none_or(|id| *id == have.subnet_id)
                && wish
                    .ip_address
                    .is_none_or(|ip| ip.to_string() == have.ip_address)
        };
        if let Some(at) = free.iter().position(fits) {
            let have = free.remove(at);
            wish.subnet_id = Some(have.subnet_id.clone());
            wish.ip_address = have.ip_address.parse().ok();
        }
    }
    let receiver = receiver(row);
    let given = addresses::choose(tx, core, &receiver, &subnets, Some(wishes)).await?;
    let key = |subnet: &str, ip: &str| format!("{subnet} {ip}");
    let old: BTreeSet<String> = held
        .iter()
        .map(|have| key(&have.subnet_id, &have.ip_address))
        .collect();
    let new: BTreeSet<String> = given
        .iter()
        .map(|one: &Given| key(&one.subnet_id, &one.ip.to_string()))
        .collect();
    if old == new {
        return Ok(false);
    }
    for have in &held {
        if !new.contains(&key(&have.subnet_id, &have.ip_address)) {
            ties::release(tx, &row.id, Some(&have.ip_address)).await?;
        }
    }
    addresses::release(tx, &row.id).await?;
    addresses::record(tx, &receiver, &given).await?;
    Ok(true)
}

/// Removes a port on a user's wish.
pub async fn delete(tx: &Tx, core: &Core, row: &ports::Model) -> Result<()> {
    let owner = row.device_owner.as_str();
    if owners::is_router(owner) || owner == owners::FLOATING_IP {
        let reason = format!("has device owner {owner}");
        return Err(Fault::ServicePortInUse {
            id: row.id.clone(),
            reason,
        });
    }
    events::tell(tx, core, Event::Deleted, row).await?;
    port_life::remove(tx, row).await
}
