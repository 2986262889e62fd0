//! Opening objects to others and closing them again: what somebody uses stays open.

use sql::sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter,
    QuerySelect,
};

use crate::db::sharing::{EVERYBODY, of_object, reaches};
use crate::db::store::{self, Tx};
use crate::fault::{Fault, Result, kinds};
use crate::owners;
use crate::tables::{
    address_scopes, floatingips, networks, port_security_groups, ports, rbac_policies, routers,
    security_groups, subnetpools, subnets,
};
use crate::words::{Access, Shareable};

/// Opens an object to everybody.
pub async fn open_to_all(
    tx: &Tx,
    owner: &str,
    kind: Shareable,
    id: &str,
    access: Access,
) -> Result<()> {
    let row = rbac_policies::Model {
        id: store::new_id(),
        project_id: owner.to_owned(),
        object_type: kind,
        object_id: id.to_owned(),
        action: access,
        target_project: EVERYBODY.to_owned(),
        // Only operators open a network as external to everybody.
        uplink: true,
    };
    store::insert(tx, row).await
}

/// Opens a network to everybody or closes it again.
pub async fn set_open(
    tx: &Tx,
    owner: &str,
    network: &str,
    access: Access,
    open: bool,
) -> Result<()> {
    let policies = of_object(tx, network).await?;
    let to_all = |p: &&rbac_policies::Model| p.action == access && p.target_project == EVERYBODY;
    match (policies.iter().find(to_all), open) {
        (None, true) => open_to_all(tx, owner, Shareable::Network, network, access).await,
        // An operator may have widened the policy of a member.
        (Some(policy), true) if !policy.uplink => {
            let uplink = rbac_policies::Model {
                uplink: true,
                ..policy.clone()
            };
            let values = uplink.into_active_model().reset_all();
            rbac_policies::Entity::update(values).exec(tx).await?;
            Ok(())
        }
        (Some(policy), false) => {
            free_of_use(tx, policy, &policies).await?;
            store::delete::<rbac_policies::Entity>(tx, &policy.id).await
        }
        _ => Ok(()),
    }
}

/// Refuses to take away what somebody uses.
pub async fn free_of_use(
    tx: &Tx,
    policy: &rbac_policies::Model,
    all: &[rbac_policies::Model],
) -> Result<()> {
    if policy.object_type != Shareable::Network {
        return nobody_lives_on(tx, policy, all).await;
    }
    let network = &policy.object_id;
    let still_open = |project: &str| {
        all.iter()
            .any(|p| p.id != policy.id && p.action == policy.action && reaches(p, project))
    };
    if policy.action == Access::External {
        let users = users_of_external(tx, network).await?;
        let mut hit = users
            .iter()
            .filter(|project| reaches(policy, project) && !still_open(project));
        return match hit.next() {
            Some(_) => Err(Fault::ExternalInUse(network.clone())),
            None => Ok(()),
        };
    }
    let Some(owner) = store::find::<networks::Entity>(tx, network).await? else {
        return Ok(());
    };
    let strangers = Condition::all()
        .add(ports::Column::NetworkId.eq(network.as_str()))
        .add(ports::Column::ProjectId.is_not_in([owner.project_id.as_str(), ""]));
    let users = ports::Entity::find().filter(strangers).all(tx).await?;
    let on_subnets = subnets::Entity::find()
        .filter(subnets::Column::NetworkId.eq(network.as_str()))
        .filter(subnets::Column::ProjectId.ne(&owner.project_id))
        .all(tx)
        .await?;
    let projects = users
        .iter()
        .filter(|port| !owners::is_service(&port.device_owner))
        .map(|port| &port.project_id)
        .chain(on_subnets.iter().map(|subnet| &subnet.project_id));
    let mut hit = projects.filter(|project| reaches(policy, project) && !still_open(project));
    if hit.next().is_some() {
        return Err(Fault::InvalidSharedSetting(owner.name));
    }
    Ok(())
}

/// The projects that have a gateway or a floating address on an external network.
async fn users_of_external(tx: &Tx, network: &str) -> Result<Vec<String>> {
    let mut projects: Vec<String> = routers::Entity::find()
        .filter(routers::Column::GatewayNetworkId.eq(network))
        .select_only()
        .column(routers::Column::ProjectId)
        .into_tuple()
        .all(tx)
        .await?;
    let of_addresses: Vec<String> = floatingips::Entity::find()
        .filter(floatingips::Column::FloatingNetworkId.eq(network))
        .select_only()
        .column(floatingips::Column::ProjectId)
        .into_tuple()
        .all(tx)
        .await?;
    projects.extend(of_addresses);
    Ok(projects)
}

/// Refuses to take a group, pool or scope from a project that uses it and has no other policy for it.
async fn nobody_lives_on(
    tx: &Tx,
    policy: &rbac_policies::Model,
    all: &[rbac_policies::Model],
) -> Result<()> {
    let owner = owner_of(tx, policy.object_type, &policy.object_id).await?;
    let still_open = |project: &str| {
        let mut others = all.iter().filter(|other| other.id != policy.id);
        others.any(|other| reaches(other, project))
    };
    let users = users_of(tx, policy.object_type, &policy.object_id).await?;
    let hit = users
        .into_iter()
        .find(|project| *project != owner && reaches(policy, project) && !still_open(project));
    match hit {
        Some(project) => Err(Fault::RbacInUse(
            policy.object_id.clone(),
            format!("project_id={project}"),
        )),
        None => Ok(()),
    }
}

/// The projects that use a group for their ports, a pool for their subnets, or a scope for their pools.
async fn users_of(tx: &Tx, kind: Shareable, id: &str) -> Result<Vec<String>> {
    Ok(match kind {
        // Ports, which `free_of_use` looks at.
        Shareable::Network => Vec::new(),
        Shareable::SecurityGroup => {
            let guarded: Vec<String> = port_security_groups::Entity::find()
                .filter(port_security_groups::Column::GroupId.eq(id))
                .select_only()
                .column(port_security_groups::Column::PortId)
                .into_tuple()
                .all(tx)
                .await?;
            let ports = ports::Entity::find()
                .filter(ports::Column::Id.is_in(guarded))
                .all(tx)
                .await?;
            ports.into_iter().map(|port| port.project_id).collect()
        }
        Shareable::SubnetPool => {
            let from_it = subnets::Entity::find()
                .filter(subnets::Column::SubnetpoolId.eq(id))
                .all(tx)
                .await?;
            from_it.into_iter().map(|row| row.project_id).collect()
        }
        Shareable::AddressScope => {
            let within = subnetpools::Entity::find()
                .filter(subnetpools::Column::AddressScopeId.eq(id))
                .all(tx)
                .await?;
            within.into_iter().map(|row| row.project_id).collect()
        }
    })
}

/// Whose an object is.
pub async fn owner_of(tx: &Tx, kind: Shareable, id: &str) -> Result<String> {
    Ok(match kind {
        Shareable::Network => {
            store::get::<networks::Entity>(tx, &kinds::NETWORK, id)
                .await?
                .project_id
        }
        Shareable::SecurityGroup => {
            store::get::<security_groups::Entity>(tx, &kinds::SECURITY_GROUP, id)
                .await?
                .project_id
        }
        Shareable::SubnetPool => {
            store::get::<subnetpools::Entity>(tx, &kinds::SUBNETPOOL, id)
                .await?
                .project_id
        }
        Shareable::AddressScope => {
            store::get::<address_scopes::Entity>(tx, &kinds::ADDRESS_SCOPE, id)
                .await?
                .project_id
        }
    })
}
