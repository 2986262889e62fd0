//! The resources with the usual five requests: one row each, and the match that leads to their logic.

mod table;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sql::sea_orm::{Condition, ConnectionTrait, EntityTrait};
use web::Query;

use crate::access::Below;
use crate::attributes::Attrs;
use crate::core::{Cx, View};
use crate::fault::{Fault, Result, kinds, missing};
use crate::list::{self, Paging};
use crate::selection::{Cut, Selection};
use crate::store::{self, Standard, Tx, read_json};
use crate::tables::*;
use crate::{
    agents as agent_logic, floatingips as fip, networks as net, pools, ports as port_logic, rbac,
    routers as router_logic, rules, security_groups as groups, subnets as subnet_logic,
};
pub use table::*;

/// A page of the objects that the caller sees, as shown to it. What policy hides of what was read is made up for by
/// reading on.
///
/// # Errors
/// 400 for a filter, an order or a marker that makes no sense.
pub async fn page<C: ConnectionTrait>(
    cx: &Cx<'_>,
    db: &C,
    resource: &Resource,
    query: &Query,
    paging: &Paging,
) -> Result<Vec<View>> {
    let guarded = cx.core.access.below(resource.reads, resource.table);
    let hidden = |key: &str| {
        let mut about = guarded.iter().filter(|below| below.about == key);
        about.any(|below| !cx.may(&below.rule, &View::new()))
    };
    let wanted = Selection::read(cx, resource, query, &hidden)?;
    if let Some(marker) = &paging.marker
        && read(cx, db, resource, &wanted.only(marker), Cut::default())
            .await?
            .is_empty()
    {
        return Err(list::no_marker(marker));
    }
    let mut after = paging.marker.clone();
    let mut views: Vec<View> = Vec::new();
    loop {
        let left = (paging.size > 0).then(|| (paging.size - views.len()) as u64);
        let cut = Cut {
            after: after.as_deref(),
            limit: left,
            backwards: paging.backwards,
        };
        let found = read(cx, db, resource, &wanted, cut).await?;
        let last = left.is_none_or(|left| (found.len() as u64) < left);
        after = found.last().map(|view| id_of(view).to_owned());
        views.extend(readable(cx, resource, found));
        if last || views.len() == paging.size {
            break;
        }
    }
    if paging.backwards {
        views.reverse();
    }
    for view in &mut views {
        hide_members(cx, &guarded, view);
    }
    Ok(views)
}

/// The objects among these that policy lets the caller see.
fn readable(cx: &Cx<'_>, resource: &Resource, mut views: Vec<View>) -> Vec<View> {
    // Agents are asked about where they are shown: a list of them is empty, one is forbidden.
    if resource.what != What::Agent {
        if cx.guard.rule() == resource.reads {
            cx.guard.note();
        }
        views.retain(|view| cx.core.access.may_read(resource.reads, cx.caller, view));
    }
    views
}

/// The objects within the caller's scope that are selected, with all their members.
async fn read<C: ConnectionTrait>(
    cx: &Cx<'_>,
    db: &C,
    resource: &Resource,
    wanted: &Selection,
    cut: Cut<'_>,
) -> Result<Vec<View>> {
    /// Reads the rows of one table; the types differ, the statement does not.
    macro_rules! rows {
        ($table:ident, $scope:expr) => {
            wanted.select::<$table::Entity>($scope, cut).all(db).await?
        };
    }
    Ok(match resource.what {
        What::Network => net::show(cx, db, rows!(networks, net::scope(cx))).await?,
        What::Subnet => each(rows!(subnets, subnet_logic::scope(cx)), subnet_logic::show),
        What::Port => port_logic::show(cx, db, rows!(ports, port_logic::scope(cx))).await?,
        What::SecurityGroup => {
            groups::show(cx, db, rows!(security_groups, groups::scope(cx))).await?
        }
        What::Rule => each(rows!(security_group_rules, rules::scope(cx)), rules::show),
        What::Router => router_logic::show(cx, db, rows!(routers, router_logic::scope(cx))).await?,
        What::FloatingIp => fip::show(db, rows!(floatingips, fip::scope(cx))).await?,
        What::SubnetPool => each(rows!(subnetpools, pools::scope(cx)), pools::show),
        What::AddressScope => each(
            rows!(address_scopes, pools::scopes_scope(cx)),
            pools::show_scope,
        ),
        What::Rbac => each(rows!(rbac_policies, rbac::scope(cx)), rbac::show),
        What::Agent => each(rows!(agents, Condition::all()), agent_logic::show),
    })
}

fn each<M>(rows: Vec<M>, show: fn(M) -> View) -> Vec<View> {
    rows.into_iter().map(show).collect()
}

fn id_of(view: &View) -> &str {
    view.get("id").and_then(Value::as_str).unwrap_or_default()
}

/// Takes away what the caller may not see of an object.
pub fn hide(cx: &Cx<'_>, resource: &Resource, view: &mut View) {
    let guarded = cx.core.access.below(resource.reads, resource.table);
    hide_members(cx, &guarded, view);
}

fn hide_members(cx: &Cx<'_>, guarded: &[Below], view: &mut View) {
    for member in guarded {
        if view.contains_key(&member.about) && !cx.may(&member.rule, view) {
            view.remove(&member.about);
        }
    }
}

/// One object, if the caller sees it.
pub async fn view(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    resource: &Resource,
    id: &str,
) -> Result<View> {
    let found = read(cx, db, resource, &Selection::of(id), Cut::default()).await?;
    // MariaDB takes a text for the same with spaces behind it.
    let exact = found.into_iter().filter(|view| id_of(view) == id).collect();
    let mut view = readable(cx, resource, exact)
        .pop()
        .ok_or_else(|| missing(resource.kind, id))?;
    hide(cx, resource, &mut view);
    Ok(view)
}

/// Adds what rules ask about an object's network: whose it is, and whether it is shared with the caller.
pub async fn add_network_facts(
    cx: &Cx<'_>,
    db: &impl ConnectionTrait,
    target: &mut View,
) -> Result<()> {
    let Some(id) = target.get("network_id").and_then(Value::as_str) else {
        return Ok(());
    };
    if let Some(network) = store::find::<networks::Entity>(db, id).await? {
        let shared = rbac::is_shared(&rbac::of_object(db, id).await?, cx.project());
        target.insert("network:tenant_id".to_owned(), json!(network.project_id));
        target.insert("shared".to_owned(), json!(shared));
    }
    Ok(())
}

/// Makes one object.
pub fn create<'a>(
    cx: &'a Cx<'a>,
    tx: &'a Tx,
    resource: &'a Resource,
    attrs: &'a Attrs,
) -> BoxFuture<'a, Result<View>> {
    Box::pin(async move {
        let view = match resource.what {
            What::Network => {
                let row = net::create(cx, tx, attrs).await?;
                net::show(cx, tx, vec![row]).await?.pop()
            }
            What::Subnet => {
                let network = net::visible(cx, tx, &attrs.text("network_id")).await?;
                Some(subnet_logic::show(
                    subnet_logic::create(cx, tx, &network, attrs).await?,
                ))
            }
            What::Port => {
                let network = net::joinable(cx, tx, &attrs.text("network_id")).await?;
                let row = port_logic::create(cx, tx, &network, attrs).await?;
                port_logic::show(cx, tx, vec![row]).await?.pop()
            }
            What::SecurityGroup => {
                let row = groups::create(tx, attrs).await?;
                groups::show(cx, tx, vec![row]).await?.pop()
            }
            What::Rule => Some(rules::show(rules::create(cx, tx, attrs).await?)),
            What::Router => {
                let row = router_logic::create(cx, tx, attrs).await?;
                router_logic::show(cx, tx, vec![row]).await?.pop()
            }
            What::FloatingIp => {
                let row = fip::create(cx, tx, attrs).await?;
                fip::show(tx, vec![row]).await?.pop()
            }
            What::SubnetPool => Some(pools::show(pools::create(cx, tx, attrs).await?)),
            What::AddressScope => Some(pools::show_scope(pools::create_scope(tx, attrs).await?)),
            What::Rbac => Some(rbac::show(rbac::create(cx, tx, attrs).await?)),
            What::Agent => return Err(Fault::NoSuchRoute),
        };
        view.ok_or_else(|| Fault::Broken("a new object has no view".to_owned()))
    })
}

/// Changes one object that the caller sees.
pub fn update<'a>(
    cx: &'a Cx<'a>,
    tx: &'a Tx,
    resource: &'a Resource,
    id: &'a str,
    attrs: &'a Attrs,
) -> BoxFuture<'a, Result<View>> {
    Box::pin(async move {
        let view = match resource.what {
            What::Network => {
                let row = store::get::<networks::Entity>(tx, resource.kind, id).await?;
                let row = net::update(cx, tx, row, attrs).await?;
                net::show(cx, tx, vec![row]).await?.pop()
            }
            What::Subnet => {
                let row = store::get::<subnets::Entity>(tx, resource.kind, id).await?;
                Some(subnet_logic::show(
                    subnet_logic::update(cx, tx, row, attrs).await?,
                ))
            }
            What::Port => {
                let row = store::get::<ports::Entity>(tx, resource.kind, id).await?;
                let row = port_logic::update(cx, tx, row, attrs).await?;
                port_logic::show(cx, tx, vec![row]).await?.pop()
            }
            What::SecurityGroup => {
                let row = store::get::<security_groups::Entity>(tx, resource.kind, id).await?;
                let row = groups::update(tx, row, attrs).await?;
                groups::show(cx, tx, vec![row]).await?.pop()
            }
            What::Router => {
                let row = store::get::<routers::Entity>(tx, resource.kind, id).await?;
                let row = router_logic::update(cx, tx, row, attrs).await?;
                router_logic::show(cx, tx, vec![row]).await?.pop()
            }
            What::FloatingIp => {
                let row = store::get::<floatingips::Entity>(tx, resource.kind, id).await?;
                let row = fip::update(cx, tx, row, attrs).await?;
                fip::show(tx, vec![row]).await?.pop()
            }
            What::SubnetPool => {
                let row = store::get::<subnetpools::Entity>(tx, resource.kind, id).await?;
                Some(pools::show(pools::update(cx, tx, row, attrs).await?))
            }
            What::AddressScope => {
                let row = store::get::<address_scopes::Entity>(tx, resource.kind, id).await?;
                Some(pools::show_scope(
                    pools::update_scope(tx, row, attrs).await?,
                ))
            }
            What::Rbac => {
                let row = store::get::<rbac_policies::Entity>(tx, resource.kind, id).await?;
                Some(rbac::show(rbac::update(tx, row, attrs).await?))
            }
            What::Agent => {
                let row = store::get::<agents::Entity>(tx, resource.kind, id).await?;
                Some(agent_logic::show(
                    agent_logic::update(tx, row, attrs).await?,
                ))
            }
            What::Rule => return Err(Fault::NoSuchRoute),
        };
        view.ok_or_else(|| Fault::Broken("a changed object has no view".to_owned()))
    })
}

/// Removes one object that the caller sees.
pub fn delete<'a>(
    cx: &'a Cx<'a>,
    tx: &'a Tx,
    resource: &'a Resource,
    id: &'a str,
) -> BoxFuture<'a, Result<()>> {
    Box::pin(async move {
        let kind = resource.kind;
        match resource.what {
            What::Network => {
                net::delete(tx, &store::get::<networks::Entity>(tx, kind, id).await?).await
            }
            What::Subnet => {
                subnet_logic::delete(
                    cx.core,
                    tx,
                    &store::get::<subnets::Entity>(tx, kind, id).await?,
                )
                .await
            }
            What::Port => {
                port_logic::delete(
                    tx,
                    cx.core,
                    &store::get::<ports::Entity>(tx, kind, id).await?,
                )
                .await
            }
            What::SecurityGroup => {
                groups::delete(
                    cx,
                    tx,
                    &store::get::<security_groups::Entity>(tx, kind, id).await?,
                )
                .await
            }
            What::Rule => {
                rules::delete(
                    tx,
                    &store::get::<security_group_rules::Entity>(tx, kind, id).await?,
                )
                .await
            }
            What::Router => {
                router_logic::delete(tx, &store::get::<routers::Entity>(tx, kind, id).await?).await
            }
            What::FloatingIp => {
                fip::delete(
                    cx,
                    tx,
                    &store::get::<floatingips::Entity>(tx, kind, id).await?,
                )
                .await
            }
            What::SubnetPool => {
                pools::delete(tx, &store::get::<subnetpools::Entity>(tx, kind, id).await?).await
            }
            What::AddressScope => {
                pools::delete_scope(
                    tx,
                    &store::get::<address_scopes::Entity>(tx, kind, id).await?,
                )
                .await
            }
            What::Rbac => {
                rbac::delete(
                    tx,
                    &store::get::<rbac_policies::Entity>(tx, kind, id).await?,
                )
                .await
            }
            What::Agent => store::delete::<agents::Entity>(tx, id).await,
        }
    })
}

/// What is done to an object's tags.
#[derive(Clone, Debug)]
pub enum Tagging {
    Add(String),
    Remove(String),
    Replace(Vec<String>),
}

/// Changes the tags of an object; gives the tags it has then.
pub fn tag<'a>(
    tx: &'a Tx,
    resource: &'a Resource,
    id: &'a str,
    change: &'a Tagging,
) -> BoxFuture<'a, Result<Vec<String>>> {
    Box::pin(async move {
        match resource.what {
            What::Network => tag_row::<networks::Model>(tx, resource, id, change).await,
            What::Subnet => tag_row::<subnets::Model>(tx, resource, id, change).await,
            What::Port => tag_row::<ports::Model>(tx, resource, id, change).await,
            What::SecurityGroup => {
                tag_row::<security_groups::Model>(tx, resource, id, change).await
            }
            What::Rule => tag_row::<security_group_rules::Model>(tx, resource, id, change).await,
            What::Router => tag_row::<routers::Model>(tx, resource, id, change).await,
            What::FloatingIp => tag_row::<floatingips::Model>(tx, resource, id, change).await,
            What::SubnetPool => tag_row::<subnetpools::Model>(tx, resource, id, change).await,
            What::AddressScope | What::Rbac | What::Agent => Err(Fault::NoSuchRoute),
        }
    })
}

async fn tag_row<M>(tx: &Tx, resource: &Resource, id: &str, change: &Tagging) -> Result<Vec<String>>
where
    M: Standard
        + Clone
        + sql::sea_orm::IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>
        + Send
        + Sync,
    M::Entity: EntityTrait<Model = M>,
    <M::Entity as EntityTrait>::ActiveModel: Send,
{
    let row = M::find_by(id).one(tx).await?;
    let mut row = row.ok_or_else(|| missing(resource.kind, id))?;
    let mut tags: Vec<String> = read_json(row.tags())?;
    match change {
        Tagging::Add(tag) if tags.contains(tag) => return Ok(tags),
        Tagging::Add(tag) => tags.push(tag.clone()),
        Tagging::Remove(tag) => {
            let before = tags.len();
            tags.retain(|have| have != tag);
            if tags.len() == before {
                return Err(missing(&kinds::TAG, tag));
            }
        }
        Tagging::Replace(all) => tags = all.clone(),
    }
    row.set_tags(json!(tags).to_string());
    store::save(tx, row).await?;
    Ok(tags)
}
