//! Guests that no row accounts for, as hosts report them. See [`compute_model::quarantine`].

use compute_model::PowerState;
use compute_model::quarantine::Quarantined;
use sql::sea_orm::prelude::*;
use sql::sea_orm::sea_query::OnConflict;
use sql::sea_orm::{ActiveValue::Set, DatabaseTransaction, QueryOrder};

use crate::Result;
use crate::tables::quarantine::{ActiveModel, Column, Entity, Model};

/// Writes that a guest was seen. What was known of it before is replaced, but for `first_seen`.
pub async fn note(tx: &DatabaseTransaction, guest: &Quarantined) -> Result<()> {
    let row = ActiveModel {
        server_id: Set(guest.server_id.clone()),
        node_id: Set(guest.node_id.clone()),
        host: Set(guest.host.clone()),
        epoch: Set(guest.epoch),
        power_state: Set(i32::from(guest.power_state.number())),
        why: Set(guest.why.clone()),
        first_seen: Set(guest.first_seen),
        last_seen: Set(guest.last_seen),
    };
    let again = OnConflict::columns([Column::ServerId, Column::NodeId])
        .update_columns([
            Column::Host,
            Column::Epoch,
            Column::PowerState,
            Column::Why,
            Column::LastSeen,
        ])
        .to_owned();
    Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// All of them, by host and server.
pub async fn list(conn: &impl ConnectionTrait) -> Result<Vec<Quarantined>> {
    let rows = Entity::find()
        .order_by_asc(Column::Host)
        .order_by_asc(Column::ServerId)
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(value).collect())
}

/// Those of a node.
pub async fn of_node(conn: &impl ConnectionTrait, node_id: &str) -> Result<Vec<Quarantined>> {
    let rows = Entity::find()
        .filter(Column::NodeId.eq(node_id))
        .all(conn)
        .await?;
    Ok(rows.into_iter().map(value).collect())
}

/// How many there are, on all hosts.
pub async fn count(conn: &impl ConnectionTrait) -> Result<u64> {
    Ok(Entity::find().count(conn).await?)
}

/// Takes a guest out: it is adopted, removed, or gone by itself.
pub async fn forget(conn: &impl ConnectionTrait, server_id: &str, node_id: &str) -> Result<()> {
    Entity::delete_by_id((server_id.to_owned(), node_id.to_owned()))
        .exec(conn)
        .await?;
    Ok(())
}

fn value(row: Model) -> Quarantined {
    let power = u8::try_from(row.power_state).unwrap_or(u8::MAX);
    Quarantined {
        server_id: row.server_id,
        host: row.host,
        node_id: row.node_id,
        epoch: row.epoch,
        power_state: PowerState::try_from(power).unwrap_or_default(),
        why: row.why,
        first_seen: row.first_seen,
        last_seen: row.last_seen,
    }
}
