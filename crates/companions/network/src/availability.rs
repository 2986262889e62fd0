//! How many addresses of each network are in use.

use std::collections::HashMap;

use serde_json::{Number, Value, json};
use sql::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QuerySelect};

use crate::db::store::read_json;
use crate::fault::Result;
use crate::ranges::Pool;
use crate::tables::{allocations, networks, subnets};
use crate::views::View;

/// One object for each network.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<View>> {
    let counts: Vec<(String, i64)> = allocations::Entity::find()
        .select_only()
        .column(allocations::Column::SubnetId)
        .column_as(allocations::Column::IpAddress.count(), "used")
        .group_by(allocations::Column::SubnetId)
        .into_tuple()
        .all(db)
        .await?;
    let counts: HashMap<String, i64> = counts.into_iter().collect();
    let mut on: HashMap<String, Vec<subnets::Model>> = HashMap::new();
    for subnet in subnets::Entity::find().all(db).await? {
        on.entry(subnet.network_id.clone())
            .or_default()
            .push(subnet);
    }
    let mut all = Vec::new();
    for network in networks::Entity::find().all(db).await? {
        all.push(one(
            &network,
            on.remove(&network.id).unwrap_or_default(),
            &counts,
        )?);
    }
    Ok(all)
}

fn one(
    network: &networks::Model,
    subnets: Vec<subnets::Model>,
    counts: &HashMap<String, i64>,
) -> Result<View> {
    let (mut used_all, mut total_all) = (0, 0u128);
    let mut details = Vec::new();
    let mut version = Value::Null;
    for subnet in subnets {
        let pools: Vec<Pool> = read_json(&subnet.allocation_pools)?;
        let total = pools
            .iter()
            .fold(0u128, |sum, pool| sum.saturating_add(pool.size()));
        let used = counts.get(&subnet.id).copied().unwrap_or(0);
        used_all += used;
        total_all = total_all.saturating_add(total);
        version = json!(subnet.ip_version);
        details.push(json!({
            "subnet_id": subnet.id, "subnet_name": subnet.name, "cidr": subnet.cidr,
            "ip_version": subnet.ip_version, "used_ips": used, "total_ips": big(total),
        }));
    }
    let mut view = View::new();
    crate::views::fill(
        &mut view,
        json!({
            "network_id": network.id, "network_name": network.name, "project_id": network.project_id,
            "tenant_id": network.project_id, "used_ips": used_all, "total_ips": big(total_all),
            "ip_version": version, "subnet_ip_availability": details,
        }),
    );
    Ok(view)
}

/// A number that may not fit 64 bits (the addresses of a /64 do not).
fn big(number: u128) -> Value {
    match u64::try_from(number) {
        Ok(small) => json!(small),
        Err(_) => Number::from_f64(number as f64).map_or(Value::Null, Value::Number),
    }
}
