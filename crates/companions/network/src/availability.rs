//! How many addresses of each network are in use.

use std::collections::HashMap;

use serde_json::{Number, Value, json};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use web::Query;

use crate::core::Cx;
use crate::db::fields::{self, Listing};
use crate::db::pages;
use crate::db::selection::Selection;
use crate::db::store::{self, among, read_json};
use crate::fault::{Result, kinds, missing};
use crate::list::{self, Paging};
use crate::ranges::Pool;
use crate::tables::{allocations, networks, subnets};
use crate::views::{self, View};

/// How the list is looked for.
pub static LISTING: Listing = Listing::of(fields::IP_AVAILABILITY);

/// A page of networks, with how many of their addresses are in use. Where the query asks for an IP version, subnets of
/// others do not count.
pub async fn page(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    query: &Query,
    paging: &Paging,
) -> Result<Vec<View>> {
    list::validate(query, LISTING.filters())?;
    let wanted = Selection::read(cx.project(), LISTING, query, &|_| false)?;
    let found = pages::rows::<networks::Entity>(db, &wanted, Condition::all(), paging).await?;
    let versions = query.all("ip_version").filter_map(|text| text.parse().ok());
    show(db, found, &versions.collect::<Vec<i32>>()).await
}

/// The same of one network.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Result<View> {
    let network = store::get::<networks::Entity>(db, &kinds::NETWORK, id).await?;
    let mut views = show(db, vec![network], &[]).await?;
    views.pop().ok_or_else(|| missing(&kinds::NETWORK, id))
}

async fn show(
    db: &impl ConnectionTrait,
    found: Vec<networks::Model>,
    versions: &[i32],
) -> Result<Vec<View>> {
    let ids: Vec<String> = found.iter().map(|network| network.id.clone()).collect();
    let counts: Vec<(String, i64)> = allocations::Entity::find()
        .select_only()
        .column(allocations::Column::SubnetId)
        .column_as(allocations::Column::IpAddress.count(), "used")
        .filter(among(allocations::Column::NetworkId, &ids))
        .group_by(allocations::Column::SubnetId)
        .into_tuple()
        .all(db)
        .await?;
    let counts: HashMap<String, i64> = counts.into_iter().collect();
    let on_them = subnets::Entity::find()
        .filter(among(subnets::Column::NetworkId, &ids))
        .order_by_asc(subnets::Column::CreatedAt)
        .all(db)
        .await?;
    let mut on: HashMap<String, Vec<subnets::Model>> = HashMap::new();
    for subnet in on_them {
        if versions.is_empty() || versions.contains(&subnet.ip_version) {
            let all = on.entry(subnet.network_id.clone()).or_default();
            all.push(subnet);
        }
    }
    let views = found.iter().map(|network| {
        let mine = on.remove(&network.id).unwrap_or_default();
        one(network, mine, &counts)
    });
    views.collect()
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
    views::fill(
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
