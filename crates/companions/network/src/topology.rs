//! The network that a project gets on demand (`auto-allocated-topology`): a network with subnets from the default
//! pools, behind a router to the default external network.

use serde_json::json;
use sql::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::attributes::Attrs;
use crate::core::Cx;
use crate::db::store::{self, Tx};
use crate::fault::{Fault, Result, kinds};
use crate::tables::{auto_topologies, networks, rbac_policies, routers, subnetpools, subnets};
use crate::views::View;
use crate::{networks as network_logic, pools, routers as router_logic, subnets as subnet_logic};

fn show(project: &str, id: &str) -> View {
    let mut view = View::new();
    crate::views::fill(
        &mut view,
        json!({"id": id, "project_id": project, "tenant_id": project}),
    );
    view
}

/// The default external network.
async fn way_out(db: &impl ConnectionTrait) -> Result<networks::Model> {
    let found = networks::Entity::find()
        .filter(networks::Column::IsDefault.eq(true))
        .all(db)
        .await?;
    for network in found {
        let policies =
            rbac_policies::Entity::find().filter(rbac_policies::Column::ObjectId.eq(&network.id));
        if policies
            .all(db)
            .await?
            .iter()
            .any(|policy| policy.action == crate::words::Access::External)
        {
            return Ok(network);
        }
    }
    Err(Fault::AutoAllocation(
        "No default router:external network".to_owned(),
    ))
}

/// Whether a topology could be made, without making it.
pub async fn rehearse(cx: &Cx<'_>, tx: &Tx) -> Result<View> {
    way_out(tx).await?;
    default_pools(cx, tx).await?;
    let mut view = show(cx.project(), "dry-run=pass");
    view.insert("dry_run".to_owned(), json!("pass"));
    Ok(view)
}

async fn default_pools(cx: &Cx<'_>, tx: &Tx) -> Result<Vec<subnetpools::Model>> {
    let mut found = Vec::new();
    for version in [4, 6] {
        found.extend(pools::default_of(cx, tx, version).await?);
    }
    if found.is_empty() {
        return Err(Fault::AutoAllocation(
            "No default pools available".to_owned(),
        ));
    }
    Ok(found)
}

/// The project's topology, made now if need be.
pub async fn ensure(cx: &Cx<'_>, tx: &Tx, project: &str) -> Result<View> {
    if let Some(row) = store::find::<auto_topologies::Entity>(tx, project).await? {
        return Ok(show(project, &row.network_id));
    }
    let external = way_out(tx).await?;
    let pools = default_pools(cx, tx).await?;
    let network = Attrs::of(json!({"project_id": project, "name": "auto_allocated_network"}));
    let network = network_logic::create(cx, tx, &network).await?;
    let router = Attrs::of(json!({
        "project_id": project, "name": "auto_allocated_router",
        "external_gateway_info": {"network_id": external.id},
    }));
    let router = router_logic::create(cx, tx, &router).await?;
    for pool in pools {
        let wanted = Attrs::of(json!({
            "project_id": project, "name": format!("auto_allocated_subnet_v{}", pool.ip_version),
            "subnetpool_id": pool.id, "ip_version": pool.ip_version, "enable_dhcp": true,
        }));
        let subnet = subnet_logic::create(cx, tx, &network, &wanted).await?;
        let mut body = View::new();
        body.insert("subnet_id".to_owned(), json!(subnet.id));
        router_logic::add_interface(cx, tx, router.clone(), &body).await?;
    }
    let row = auto_topologies::Model {
        project_id: project.to_owned(),
        network_id: network.id.clone(),
        router_id: router.id,
    };
    store::insert(tx, row).await?;
    Ok(show(project, &network.id))
}

/// Removes the project's topology.
pub async fn delete(tx: &Tx, project: &str) -> Result<()> {
    let Some(row) = store::find::<auto_topologies::Entity>(tx, project).await? else {
        return Ok(());
    };
    if let Some(router) = store::find::<routers::Entity>(tx, &row.router_id).await? {
        let inside = subnets::Entity::find()
            .filter(subnets::Column::NetworkId.eq(&row.network_id))
            .all(tx)
            .await?;
        for subnet in inside {
            let mut body = View::new();
            body.insert("subnet_id".to_owned(), json!(subnet.id));
            router_logic::remove_interface(tx, router.clone(), &body).await?;
        }
        router_logic::delete(tx, &router).await?;
    }
    if let Ok(network) = store::get::<networks::Entity>(tx, &kinds::NETWORK, &row.network_id).await
    {
        network_logic::delete(tx, &network).await?;
    }
    store::delete::<auto_topologies::Entity>(tx, project).await
}
