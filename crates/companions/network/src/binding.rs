//! Binding: which host wires a port, and how.
//!
//! The answer to a bind request already says what compute needs: the tap's name and its namespace.

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::attributes::Attrs;
use crate::core::Core;
use crate::db::store::{self, Tx};
use crate::events::{self, Event};
use crate::fault::{Fault, Result, kinds, missing};
use crate::settings::PlaneKind;
use crate::tables::{port_bindings, ports};
use crate::views::{self, View};
use crate::words::{Status, VifType, VnicType};

/// How a host would wire a port.
pub struct Wiring {
    pub vif_type: VifType,
    pub vif_details: Value,
    /// Whether nothing remains to be done: the port is ACTIVE at once.
    pub at_once: bool,
}

/// How `host` wires a port; an empty host unbinds.
pub fn wire(core: &Core, port_id: &str, host: &str, vnic_type: VnicType) -> Wiring {
    if host.is_empty() {
        return Wiring {
            vif_type: VifType::Unbound,
            vif_details: json!({}),
            at_once: false,
        };
    }
    match core.settings.plane {
        PlaneKind::None => Wiring {
            vif_type: VifType::Bridge,
            vif_details: json!({"port_filter": true}),
            at_once: true,
        },
        PlaneKind::Linux if host == core.settings.host && vnic_type == VnicType::Normal => Wiring {
            vif_type: VifType::Tap,
            vif_details: json!({
                "port_filter": true,
                "tap": network_plane::tap_name(port_id),
                "netns": network_plane::switch_namespace(&core.settings.cloud_id),
            }),
            at_once: false,
        },
        // Only this host has our plane, and it makes nothing but taps.
        PlaneKind::Linux => Wiring {
            vif_type: VifType::BindingFailed,
            vif_details: json!({}),
            at_once: false,
        },
    }
}

/// Binds the row to its host. The row is not saved here.
pub fn bind(core: &Core, row: &mut ports::Model) {
    let wiring = wire(core, &row.id, &row.host, row.vnic_type);
    row.vif_type = wiring.vif_type;
    row.vif_details = wiring.vif_details.to_string();
    row.status = Status::of(wiring.at_once && row.admin_state_up);
}

/// Tells compute what a change of status means.
pub async fn tell_status(tx: &Tx, core: &Core, before: Status, port: &ports::Model) -> Result<()> {
    match (before, port.status) {
        (Status::Down, Status::Active) => events::tell(tx, core, Event::Plugged, port).await,
        (Status::Active, Status::Down) => events::tell(tx, core, Event::Unplugged, port).await,
        (Status::Active, Status::Active) | (Status::Down, Status::Down) => Ok(()),
    }
}

fn show(
    host: &str,
    (vnic, vif): (VnicType, VifType),
    details: &str,
    profile: &str,
    status: &str,
) -> View {
    let mut view = View::new();
    views::fill(
        &mut view,
        json!({
            "host": host, "vnic_type": vnic, "vif_type": vif, "status": status,
            "vif_details": views::json(details), "profile": views::json(profile),
        }),
    );
    view
}

fn show_active(port: &ports::Model) -> View {
    show(
        &port.host,
        (port.vnic_type, port.vif_type),
        &port.vif_details,
        &port.profile,
        "ACTIVE",
    )
}

fn show_other(row: &port_bindings::Model) -> View {
    show(
        &row.host,
        (row.vnic_type, row.vif_type),
        &row.vif_details,
        &row.profile,
        "INACTIVE",
    )
}

/// All bindings of a port, the active one first.
pub async fn list(
    db: &impl sql::sea_orm::ConnectionTrait,
    port: &ports::Model,
) -> Result<Vec<View>> {
    let others = port_bindings::Entity::find()
        .filter(port_bindings::Column::PortId.eq(&port.id))
        .all(db)
        .await?;
    let active = (!port.host.is_empty()).then(|| show_active(port));
    Ok(active
        .into_iter()
        .chain(others.iter().map(show_other))
        .collect())
}

/// Prepares a binding to another host.
pub async fn create(tx: &Tx, core: &Core, port: ports::Model, attrs: &Attrs) -> Result<View> {
    let host = attrs.text("host");
    let existing = port_bindings::Entity::find_by_id((port.id.clone(), host.clone()))
        .one(tx)
        .await?;
    if port.host == host || existing.is_some() {
        return Err(Fault::BindingExists(port.id, host));
    }
    let vnic_type = attrs.the_word("vnic_type")?;
    let wiring = wire(core, &port.id, &host, vnic_type);
    if wiring.vif_type == VifType::BindingFailed {
        return Err(Fault::InvalidInput(format!(
            "Port {} cannot be bound to host {host}",
            port.id
        )));
    }
    let row = port_bindings::Model {
        port_id: port.id,
        host,
        vnic_type,
        vif_type: wiring.vif_type,
        vif_details: wiring.vif_details.to_string(),
        profile: attrs.get("profile").unwrap_or(&json!({})).to_string(),
    };
    store::insert(tx, row.clone()).await?;
    Ok(show_other(&row))
}

async fn other(tx: &Tx, port: &ports::Model, host: &str) -> Result<port_bindings::Model> {
    let row = port_bindings::Entity::find_by_id((port.id.clone(), host.to_owned()))
        .one(tx)
        .await?;
    row.ok_or_else(|| missing(&kinds::BINDING, format!("{} on host {host}", port.id)))
}

/// Changes a prepared binding.
pub async fn update(
    tx: &Tx,
    core: &Core,
    port: ports::Model,
    host: &str,
    attrs: &Attrs,
) -> Result<View> {
    use sql::sea_orm::ActiveModelTrait;
    if port.host == host {
        return Err(Fault::BindingActive(port.id, host.to_owned()));
    }
    let mut row = other(tx, &port, host).await?;
    attrs.put_word("vnic_type", &mut row.vnic_type)?;
    attrs.put_json("profile", &mut row.profile);
    let wiring = wire(core, &port.id, host, row.vnic_type);
    row.vif_type = wiring.vif_type;
    row.vif_details = wiring.vif_details.to_string();
    port_bindings::Entity::update(row.clone().into_active_model().reset_all())
        .exec(tx)
        .await?;
    Ok(show_other(&row))
}

/// Makes a prepared binding the active one; the active one becomes a prepared one.
pub async fn activate(tx: &Tx, core: &Core, port: ports::Model, host: &str) -> Result<View> {
    if port.host == host {
        return Err(Fault::BindingActive(port.id, host.to_owned()));
    }
    let next = other(tx, &port, host).await?;
    remove_other(tx, &port.id, host).await?;
    if !port.host.is_empty() {
        let old = port_bindings::Model {
            port_id: port.id.clone(),
            host: port.host.clone(),
            vnic_type: port.vnic_type,
            vif_type: port.vif_type,
            vif_details: port.vif_details.clone(),
            profile: port.profile.clone(),
        };
        store::insert(tx, old).await?;
    }
    let mut row = port;
    row.host = next.host;
    row.vnic_type = next.vnic_type;
    row.profile = next.profile;
    bind(core, &mut row);
    // The port moved: compute waits for the plug on the new host, also when the status word is the same.
    if row.status == Status::Active {
        events::tell(tx, core, Event::Plugged, &row).await?;
    }
    Ok(show_active(&store::save(tx, row).await?))
}

async fn remove_other(tx: &Tx, port_id: &str, host: &str) -> Result<()> {
    port_bindings::Entity::delete_by_id((port_id.to_owned(), host.to_owned()))
        .exec(tx)
        .await?;
    Ok(())
}

/// Removes a binding; removing the active one unbinds the port.
pub async fn delete(tx: &Tx, core: &Core, port: ports::Model, host: &str) -> Result<()> {
    if port.host != host {
        let row = other(tx, &port, host).await?;
        return remove_other(tx, &port.id, &row.host).await;
    }
    let mut row = port;
    let before = row.status;
    row.host.clear();
    row.profile = "{}".to_owned();
    bind(core, &mut row);
    tell_status(tx, core, before, &row).await?;
    store::save(tx, row).await?;
    Ok(())
}
