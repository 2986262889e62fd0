//! Subnet pools and address scopes.

use ipnet::IpNet;
use serde_json::json;
use sql::sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect,
};

use crate::attributes::Attrs;
use crate::core::Cx;
use crate::db::sharing;
use crate::db::store::{self, Tx, read_json};
use crate::fault::{Fault, Result, kinds, missing};
use crate::ranges;
use crate::tables::{address_scopes, subnetpools, subnets};
use crate::views::{self, View};
use crate::words::Shareable;

/// Which pools the caller sees: its own and shared ones.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.is_admin() {
        return Condition::all();
    }
    let open = sharing::open_to(Shareable::SubnetPool, cx.project(), None);
    Condition::any()
        .add(subnetpools::Column::ProjectId.eq(cx.project()))
        .add(subnetpools::Column::Shared.eq(true))
        .add(subnetpools::Column::Id.in_subquery(open))
}

/// The pool, if the caller may take from it; locked so that two subnets cannot take the same.
pub async fn usable(cx: &Cx<'_>, tx: &Tx, id: &str) -> Result<subnetpools::Model> {
    let row = subnetpools::Entity::find_by_id(id.to_owned())
        .filter(scope(cx))
        .lock_exclusive()
        .one(tx)
        .await?;
    row.ok_or_else(|| missing(&kinds::SUBNETPOOL, id))
}

/// The default pool of an IP version.
pub async fn default_of(cx: &Cx<'_>, tx: &Tx, version: i32) -> Result<Option<subnetpools::Model>> {
    Ok(subnetpools::Entity::find()
        .filter(subnetpools::Column::IsDefault.eq(true))
        .filter(subnetpools::Column::IpVersion.eq(version))
        .filter(scope(cx))
        .lock_exclusive()
        .one(tx)
        .await?)
}

/// Makes a pool.
pub async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<subnetpools::Model> {
    let prefixes: Vec<IpNet> = attrs.read("prefixes")?;
    let version = version_of(&prefixes)?;
    let longest = if version == 4 { 32 } else { 128 };
    let bound = |name: &str, otherwise: i32| attrs.number(name).map_or(otherwise, |n| n as i32);
    let min = bound("min_prefixlen", if version == 4 { 8 } else { 64 });
    let max = bound("max_prefixlen", longest);
    let now = store::now();
    let row = subnetpools::Model {
        id: store::new_id(),
        project_id: attrs.text("project_id"),
        name: attrs.text("name"),
        description: attrs.text("description"),
        ip_version: version,
        prefixes: to_text(&IpNet::aggregate(&prefixes)),
        default_prefixlen: bound("default_prefixlen", min),
        min_prefixlen: min,
        max_prefixlen: max,
        default_quota: attrs.number("default_quota").map(|n| n as i32),
        address_scope_id: attrs.opt_text("address_scope_id"),
        shared: attrs.flag("shared", false),
        is_default: attrs.flag("is_default", false),
        tags: "[]".to_owned(),
        created_at: now,
        updated_at: now,
        revision: 1,
    };
    check(cx, tx, &row).await?;
    store::insert(tx, row.clone()).await?;
    Ok(row)
}

fn version_of(prefixes: &[IpNet]) -> Result<i32> {
    let v4 = prefixes.iter().filter(|net| net.addr().is_ipv4()).count();
    match (v4, prefixes.len()) {
        (_, 0) => Err(Fault::InvalidInput(
            "Empty subnet pool prefix list".to_owned(),
        )),
        (v4, all) if v4 == all => Ok(4),
        (0, _) => Ok(6),
        _ => Err(Fault::InvalidInput(
            "Cannot mix IPv4 and IPv6 prefixes in a subnet pool".to_owned(),
        )),
    }
}

async fn check(cx: &Cx<'_>, tx: &Tx, row: &subnetpools::Model) -> Result<()> {
    let longest = if row.ip_version == 4 { 32 } else { 128 };
    let (min, default, max) = (row.min_prefixlen, row.default_prefixlen, row.max_prefixlen);
    if min > max {
        return Err(Fault::PrefixBounds(format!(
            "max_prefixlen={max}, min_prefixlen={min}"
        )));
    }
    if default < min {
        return Err(Fault::PrefixBounds(format!(
            "default_prefixlen={default}, min_prefixlen={min}"
        )));
    }
    if default > max || max > longest {
        return Err(Fault::PrefixBounds(format!(
            "max_prefixlen={max}, default_prefixlen={default}"
        )));
    }
    if row.is_default {
        let other = subnetpools::Entity::find()
            .filter(subnetpools::Column::IsDefault.eq(true))
            .filter(subnetpools::Column::IpVersion.eq(row.ip_version))
            .filter(subnetpools::Column::Id.ne(&row.id))
            .one(tx)
            .await?;
        if let Some(other) = other {
            return Err(Fault::InvalidInput(format!(
                "A default subnetpool for this IP family has already been set. Only one default may exist per IP \
                 family: {}",
                other.id
            )));
        }
    }
    let Some(scope_id) = &row.address_scope_id else {
        return Ok(());
    };
    let scope = address_scopes::Entity::find_by_id(scope_id.to_owned())
        .filter(scopes_scope(cx))
        .one(tx)
        .await?
        .ok_or_else(|| missing(&kinds::ADDRESS_SCOPE, scope_id))?;
    if scope.ip_version != row.ip_version {
        return Err(Fault::ScopeVersion {
            pool: row.id.clone(),
            scope: scope_id.clone(),
            version: scope.ip_version,
        });
    }
    let siblings = subnetpools::Entity::find()
        .filter(subnetpools::Column::AddressScopeId.eq(scope_id.as_str()))
        .filter(subnetpools::Column::Id.ne(&row.id))
        .all(tx)
        .await?;
    let mine: Vec<IpNet> = read_json(&row.prefixes)?;
    for sibling in siblings {
        let theirs: Vec<IpNet> = read_json(&sibling.prefixes)?;
        if theirs
            .iter()
            .any(|a| mine.iter().any(|b| a.contains(b) || b.contains(a)))
        {
            return Err(Fault::ScopePrefixConflict);
        }
    }
    Ok(())
}

/// Refuses to change a pool in a scope of another project, of which other pools are (Neutron's
/// `_check_subnetpool_update_allowed`).
async fn may_change(cx: &Cx<'_>, tx: &Tx, row: &subnetpools::Model) -> Result<()> {
    let Some(scope_id) = row.address_scope_id.as_deref().filter(|_| !cx.is_admin()) else {
        return Ok(());
    };
    let own = address_scopes::Entity::find_by_id(scope_id)
        .filter(address_scopes::Column::ProjectId.eq(cx.project()))
        .one(tx)
        .await?;
    match own {
        Some(_) => Ok(()),
        None => Err(Fault::PoolOfScope {
            pool: row.id.clone(),
            scope: scope_id.to_owned(),
        }),
    }
}

/// Changes a pool. Prefixes can only be added.
pub async fn update(
    cx: &Cx<'_>,
    tx: &Tx,
    mut row: subnetpools::Model,
    attrs: &Attrs,
) -> Result<subnetpools::Model> {
    may_change(cx, tx, &row).await?;
    attrs.put_text("name", &mut row.name);
    attrs.put_text("description", &mut row.description);
    attrs.put_flag("is_default", &mut row.is_default);
    for (name, slot) in [
        ("default_prefixlen", &mut row.default_prefixlen),
        ("min_prefixlen", &mut row.min_prefixlen),
        ("max_prefixlen", &mut row.max_prefixlen),
    ] {
        if let Some(n) = attrs.number(name) {
            *slot = n as i32;
        }
    }
    if attrs.has("default_quota") {
        row.default_quota = attrs.number("default_quota").map(|n| n as i32);
    }
    if attrs.has("address_scope_id") {
        row.address_scope_id = attrs.opt_text("address_scope_id");
    }
    if attrs.has("prefixes") {
        let wanted: Vec<IpNet> = attrs.read("prefixes")?;
        if version_of(&wanted)? != row.ip_version {
            return Err(Fault::InvalidInput(
                "Cannot mix IPv4 and IPv6 prefixes in a subnet pool".to_owned(),
            ));
        }
        let old: Vec<IpNet> = read_json(&row.prefixes)?;
        if let Some(lost) = old
            .iter()
            .find(|old| wanted.iter().all(|new| !new.contains(*old)))
        {
            return Err(Fault::PoolPrefixUpdate(format!("{lost} would be removed")));
        }
        row.prefixes = to_text(&IpNet::aggregate(&wanted));
    }
    check(cx, tx, &row).await?;
    store::save(tx, row).await
}

/// Removes a pool without subnets.
pub async fn delete(tx: &Tx, row: &subnetpools::Model) -> Result<()> {
    let used = subnets::Entity::find()
        .filter(subnets::Column::SubnetpoolId.eq(row.id.as_str()))
        .one(tx)
        .await?;
    if used.is_some() {
        return Err(Fault::SubnetPoolInUse(row.id.clone()));
    }
    store::delete::<subnetpools::Entity>(tx, &row.id).await
}

/// Takes a range from a pool: the given one, or the first free of the asked size.
pub async fn take(
    tx: &Tx,
    pool: &subnetpools::Model,
    given: Option<IpNet>,
    prefixlen: Option<i64>,
    project: &str,
) -> Result<IpNet> {
    let prefix = given.map_or_else(
        || prefixlen.map_or(pool.default_prefixlen, |n| n as i32),
        |net| i32::from(net.prefix_len()),
    );
    if prefix < pool.min_prefixlen {
        return Err(Fault::PoolPrefixShort(prefix, pool.min_prefixlen));
    }
    if prefix > pool.max_prefixlen {
        return Err(Fault::PoolPrefixLong(prefix, pool.max_prefixlen));
    }
    let from_pool = subnets::Entity::find()
        .filter(subnets::Column::SubnetpoolId.eq(pool.id.as_str()))
        .all(tx)
        .await?;
    let mut taken = Vec::with_capacity(from_pool.len());
    let mut own_units: u128 = 0;
    // Neutron counts IPv4 in addresses and IPv6 in /64s.
    let unit = |net: &IpNet| {
        1u128 << (if net.addr().is_ipv4() { 32 } else { 64 } - net.prefix_len().min(64))
    };
    for subnet in &from_pool {
        let net = crate::ranges::range(subnet)?;
        if subnet.project_id == project {
            own_units += unit(&net);
        }
        taken.push(net);
    }
    let prefixes: Vec<IpNet> = read_json(&pool.prefixes)?;
    let chosen = match given {
        Some(net) => {
            let inside = prefixes.iter().any(|prefix| prefix.contains(&net));
            let free = taken
                .iter()
                .all(|other| !other.contains(&net) && !net.contains(other));
            if inside && free {
                Some(net)
            } else {
                return Err(Fault::PoolCannotAllocate);
            }
        }
        None => ranges::first_free(&prefixes, &taken, prefix as u8),
    };
    let chosen = chosen.ok_or(Fault::PoolExhausted(prefix))?;
    if let Some(most) = pool.default_quota.filter(|most| *most > 0)
        && own_units + unit(&chosen) > most as u128
    {
        return Err(Fault::PoolQuota);
    }
    Ok(chosen)
}

/// A pool as shown.
pub fn show(row: subnetpools::Model) -> View {
    let mut view = views::standard(&row);
    views::fill(
        &mut view,
        json!({
            "name": row.name, "description": row.description, "ip_version": row.ip_version,
            "prefixes": views::json(&row.prefixes), "default_prefixlen": row.default_prefixlen.to_string(),
            "min_prefixlen": row.min_prefixlen.to_string(),
            "max_prefixlen": row.max_prefixlen.to_string(),
            "default_quota": row.default_quota, "address_scope_id": row.address_scope_id,
            "shared": row.shared, "is_default": row.is_default,
        }),
    );
    view
}

fn to_text(prefixes: &[IpNet]) -> String {
    serde_json::to_string(prefixes).expect("ranges are written as text")
}

/// Which address scopes the caller sees: its own and shared ones.
pub fn scopes_scope(cx: &Cx<'_>) -> Condition {
    if cx.is_admin() {
        return Condition::all();
    }
    let open = sharing::open_to(Shareable::AddressScope, cx.project(), None);
    Condition::any()
        .add(address_scopes::Column::ProjectId.eq(cx.project()))
        .add(address_scopes::Column::Shared.eq(true))
        .add(address_scopes::Column::Id.in_subquery(open))
}

/// Makes an address scope.
pub async fn create_scope(tx: &Tx, attrs: &Attrs) -> Result<address_scopes::Model> {
    let row = address_scopes::Model {
        id: store::new_id(),
        project_id: attrs.text("project_id"),
        name: attrs.text("name"),
        ip_version: attrs.number("ip_version").unwrap_or(4) as i32,
        shared: attrs.flag("shared", false),
    };
    store::insert(tx, row.clone()).await?;
    Ok(row)
}

/// Changes an address scope.
pub async fn update_scope(
    tx: &Tx,
    mut row: address_scopes::Model,
    attrs: &Attrs,
) -> Result<address_scopes::Model> {
    attrs.put_text("name", &mut row.name);
    let shared = attrs.flag("shared", row.shared);
    if row.shared && !shared {
        return Err(Fault::InvalidInput(format!(
            "Unable to update address scope {}: a shared scope cannot be unshared",
            row.id
        )));
    }
    row.shared = shared;
    address_scopes::Entity::update(row.clone().into_active_model().reset_all())
        .exec(tx)
        .await?;
    Ok(row)
}

/// Removes an address scope that no pool uses.
pub async fn delete_scope(tx: &Tx, row: &address_scopes::Model) -> Result<()> {
    let used = subnetpools::Entity::find()
        .filter(subnetpools::Column::AddressScopeId.eq(row.id.as_str()))
        .one(tx)
        .await?;
    if used.is_some() {
        return Err(Fault::AddressScopeInUse(row.id.clone()));
    }
    store::delete::<address_scopes::Entity>(tx, &row.id).await
}

/// An address scope as shown.
pub fn show_scope(row: address_scopes::Model) -> View {
    let mut view = views::owned(&row.id, &row.project_id);
    views::fill(
        &mut view,
        json!({"name": row.name, "ip_version": row.ip_version, "shared": row.shared}),
    );
    view
}
