//! Agents: what wires networks on a host. One for each host whose service runs; its heartbeat is the reconciler's.

use chrono::Duration;
use serde_json::json;
use sql::sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::attributes::Attrs;
use crate::core::Core;
use crate::db::store::{self, Tx};
use crate::fault::{Result, kinds, missing};
use crate::settings::PlaneKind;
use crate::tables::agents::{self, DOWN_AFTER_SECONDS};
use crate::views::{self, View};

/// The kind of agent a plane is.
fn kind(core: &Core) -> (&'static str, &'static str) {
    match core.settings.plane {
        PlaneKind::Linux => ("Linux bridge agent", "kilonova-network"),
        PlaneKind::None => ("Loopback agent", "kilonova-network"),
    }
}

/// Notes that this host's plane is alive.
pub async fn beat(core: &Core) -> Result<()> {
    let (agent_type, binary) = kind(core);
    let now = store::now();
    let known = agents::Entity::find()
        .filter(agents::Column::Host.eq(&core.settings.host))
        .filter(agents::Column::AgentType.eq(agent_type))
        .one(core.db.read())
        .await?;
    if let Some(row) = known {
        agents::Entity::update_many()
            .col_expr(
                agents::Column::HeartbeatAt,
                sql::sea_orm::sea_query::Expr::value(now),
            )
            .filter(agents::Column::Id.eq(&row.id))
            .exec(core.db.write())
            .await?;
        return Ok(());
    }
    let row = agents::Model {
        id: store::new_id(),
        host: core.settings.host.clone(),
        agent_type: agent_type.to_owned(),
        binary_name: binary.to_owned(),
        topic: "N/A".to_owned(),
        availability_zone: core.settings.availability_zone.clone(),
        admin_state_up: true,
        description: String::new(),
        configurations: "{}".to_owned(),
        created_at: now,
        started_at: now,
        heartbeat_at: now,
    };
    store::insert(core.db.write(), row).await
}

/// The `availability_zone_hints` of a body as stored: zones in which there are agents.
///
/// # Errors
/// 404 for a zone that is not there.
pub fn zone_hints(core: &Core, attrs: &Attrs) -> Result<String> {
    let hints: Vec<String> = attrs.read("availability_zone_hints")?;
    let foreign = hints
        .iter()
        .find(|zone| **zone != core.settings.availability_zone);
    match foreign {
        Some(zone) => Err(missing(&kinds::ZONE, zone)),
        None => Ok(json!(hints).to_string()),
    }
}

/// Changes what an operator may say about an agent.
pub async fn update(tx: &Tx, mut row: agents::Model, attrs: &Attrs) -> Result<agents::Model> {
    attrs.put_flag("admin_state_up", &mut row.admin_state_up);
    attrs.put_text("description", &mut row.description);
    agents::Entity::update(row.clone().into_active_model().reset_all())
        .exec(tx)
        .await?;
    Ok(row)
}

/// An agent as shown.
pub fn show(row: agents::Model) -> View {
    let alive = store::now() - row.heartbeat_at < Duration::seconds(DOWN_AFTER_SECONDS);
    let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M:%S").to_string();
    let mut view = View::new();
    views::fill(
        &mut view,
        json!({
            "id": row.id, "host": row.host, "agent_type": row.agent_type, "binary": row.binary_name,
            "topic": row.topic, "availability_zone": row.availability_zone, "admin_state_up": row.admin_state_up,
            "description": row.description, "alive": alive, "configurations": views::json(&row.configurations),
            "created_at": time(row.created_at), "started_at": time(row.started_at),
            "heartbeat_timestamp": time(row.heartbeat_at), "resources_synced": null, "resource_versions": {},
        }),
    );
    view
}
