//! Who besides the owner may use an object: sharing, and which networks are external.

use std::collections::HashMap;

use sql::sea_orm::sea_query::{IntoCondition, Query, SelectStatement};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
};

use crate::attributes::Attrs;
use crate::core::{Cx, View};
use crate::db::store::{self, Tx, among};
use crate::fault::{Fault, Result, kinds, missing};
use crate::tables::{
    floatingips, networks, port_security_groups, ports, rbac_policies, routers, security_groups,
    subnetpools, subnets,
};
use crate::views;
use crate::words::{Access, Shareable, Word};

/// The target that means everybody.
pub const EVERYBODY: &str = "*";

/// Whether a policy is for this project.
pub fn reaches(policy: &rbac_policies::Model, project: &str) -> bool {
    policy.target_project == EVERYBODY || policy.target_project == project
}

/// Whether an object with these policies is shared with the project.
pub fn is_shared(policies: &[rbac_policies::Model], project: &str) -> bool {
    policies
        .iter()
        .any(|policy| policy.action == Access::Shared && reaches(policy, project))
}

/// Objects of a type that the project may use.
pub async fn given(
    db: &impl ConnectionTrait,
    kind: Shareable,
    project: &str,
) -> Result<Vec<String>> {
    let rows = rbac_policies::Entity::find()
        .filter(rbac_policies::Column::ObjectType.eq(kind))
        .filter(rbac_policies::Column::TargetProject.is_in([EVERYBODY, project]))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.object_id).collect())
}

/// The ids of objects of a type that the project may use, in one way or in any.
pub fn open_to(kind: Shareable, project: &str, access: Option<Access>) -> SelectStatement {
    let mut objects = Query::select();
    objects
        .column(rbac_policies::Column::ObjectId)
        .from(rbac_policies::Entity)
        .and_where(rbac_policies::Column::ObjectType.eq(kind))
        .and_where(rbac_policies::Column::TargetProject.is_in([EVERYBODY, project]));
    if let Some(access) = access {
        objects.and_where(rbac_policies::Column::Action.eq(access));
    }
    objects
}

/// Networks that are shared with the caller.
pub fn network_is_shared(cx: &Cx<'_>) -> Condition {
    let shared = open_to(Shareable::Network, cx.project(), Some(Access::Shared));
    networks::Column::Id.in_subquery(shared).into_condition()
}

/// Networks that are external for anybody.
pub fn network_is_external(_: &Cx<'_>) -> Condition {
    let mut external = Query::select();
    external
        .column(rbac_policies::Column::ObjectId)
        .from(rbac_policies::Entity)
        .and_where(rbac_policies::Column::ObjectType.eq(Shareable::Network))
        .and_where(rbac_policies::Column::Action.eq(Access::External));
    networks::Column::Id.in_subquery(external).into_condition()
}

/// Subnets of networks that are shared with the caller.
pub fn subnet_is_shared(cx: &Cx<'_>) -> Condition {
    let shared = open_to(Shareable::Network, cx.project(), Some(Access::Shared));
    let network = subnets::Column::NetworkId;
    network.in_subquery(shared).into_condition()
}

/// Groups that are shared with the caller.
pub fn group_is_shared(cx: &Cx<'_>) -> Condition {
    let shared = open_to(Shareable::SecurityGroup, cx.project(), None);
    let group = security_groups::Column::Id;
    group.in_subquery(shared).into_condition()
}

/// The policies of one object.
pub async fn of_object(db: &impl ConnectionTrait, id: &str) -> Result<Vec<rbac_policies::Model>> {
    Ok(rbac_policies::Entity::find()
        .filter(rbac_policies::Column::ObjectId.eq(id))
        .all(db)
        .await?)
}

/// The policies of several objects, by object.
pub async fn of_objects(
    db: &impl ConnectionTrait,
    ids: &[String],
) -> Result<HashMap<String, Vec<rbac_policies::Model>>> {
    let mut by_object: HashMap<String, Vec<rbac_policies::Model>> = HashMap::new();
    let rows = rbac_policies::Entity::find()
        .filter(among(rbac_policies::Column::ObjectId, ids))
        .all(db)
        .await?;
    for row in rows {
        by_object
            .entry(row.object_id.clone())
            .or_default()
            .push(row);
    }
    Ok(by_object)
}

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
        (Some(policy), false) => {
            free_of_use(tx, policy, &policies).await?;
            store::delete::<rbac_policies::Entity>(tx, &policy.id).await
        }
        _ => Ok(()),
    }
}

/// Refuses to take away what somebody uses.
async fn free_of_use(
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
        .filter(|port| !port.device_owner.starts_with("network:"))
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

/// The policies that the caller sees: its own and those for it.
pub fn scope(cx: &Cx<'_>) -> Condition {
    if cx.is_admin() {
        return Condition::all();
    }
    Condition::any()
        .add(rbac_policies::Column::ProjectId.eq(cx.project()))
        .add(rbac_policies::Column::TargetProject.eq(cx.project()))
}

/// Makes a policy.
pub async fn create(cx: &Cx<'_>, tx: &Tx, attrs: &Attrs) -> Result<rbac_policies::Model> {
    let kind = attrs.text("object_type");
    let object_type = Shareable::read(&kind)
        .ok_or_else(|| Fault::InvalidInput(format!("'{kind}' is not a valid RBAC object type")))?;
    let word = attrs.text("action");
    let actions: &[Access] = match object_type {
        Shareable::Network => &[Access::Shared, Access::External],
        Shareable::SecurityGroup | Shareable::SubnetPool | Shareable::AddressScope => {
            &[Access::Shared]
        }
    };
    let action = Access::read(&word).filter(|action| actions.contains(action));
    let action = action.ok_or_else(|| {
        let valid: Vec<&str> = actions.iter().map(|action| action.word()).collect();
        Fault::InvalidInput(format!(
            "Invalid action '{word}' for object type '{kind}'. Valid actions: {valid:?}"
        ))
    })?;
    let row = rbac_policies::Model {
        id: store::new_id(),
        project_id: attrs.text("project_id"),
        object_type,
        object_id: attrs.text("object_id"),
        action,
        target_project: attrs.text("target_tenant"),
    };
    // Unlike in Neutron: an external network gets an address of the host, so opening one is an operator's deed.
    if row.action == Access::External && !cx.is_admin() {
        return Err(Fault::Forbidden(
            "create_network:router:external".to_owned(),
        ));
    }
    if row.action == Access::External {
        cx.core.host.admit_network(tx, &row.object_id).await?;
    }
    let owner = owner_of(tx, row.object_type, &row.object_id).await?;
    if !cx.is_admin() && owner != cx.project() {
        let not_found = missing(&kinds::RBAC, row.object_id.clone());
        if row.object_type != Shareable::Network {
            return Err(not_found);
        }
        return match crate::networks::visible(cx, tx, &row.object_id).await {
            Ok(_) => Err(Fault::InvalidInput(
                "Only admins can manipulate policies on objects they do not own".to_owned(),
            )),
            Err(Fault::NotFound { .. }) => Err(not_found),
            Err(error) => Err(error),
        };
    }
    let same = of_object(tx, &row.object_id).await?;
    if same
        .iter()
        .any(|p| p.action == row.action && p.target_project == row.target_project)
    {
        return Err(Fault::DuplicateRbac);
    }
    store::insert(tx, row.clone()).await?;
    revise(tx, &row).await?;
    Ok(row)
}

/// A policy of a network counts as a change of that.
async fn revise(tx: &Tx, row: &rbac_policies::Model) -> Result<()> {
    match row.object_type {
        Shareable::Network => store::revise::<networks::Model>(tx, &row.object_id).await,
        Shareable::SecurityGroup | Shareable::SubnetPool | Shareable::AddressScope => Ok(()),
    }
}

async fn owner_of(tx: &Tx, kind: Shareable, id: &str) -> Result<String> {
    use crate::tables::address_scopes;
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

/// Changes whom a policy is for.
pub async fn update(
    tx: &Tx,
    mut row: rbac_policies::Model,
    attrs: &Attrs,
) -> Result<rbac_policies::Model> {
    use sql::sea_orm::{ActiveModelTrait, IntoActiveModel};
    let target = attrs.text("target_tenant");
    if attrs.has("target_tenant") && target != row.target_project {
        let all = of_object(tx, &row.object_id).await?;
        let same = |other: &rbac_policies::Model| {
            other.action == row.action && other.target_project == target
        };
        if all.iter().any(same) {
            return Err(Fault::DuplicateRbac);
        }
        let widened = target == EVERYBODY && row.action == Access::Shared;
        if !widened {
            // Whom it is for then, it still reaches.
            let mut then = all.clone();
            then.push(rbac_policies::Model {
                id: String::new(),
                target_project: target.clone(),
                ..row.clone()
            });
            loosed(tx, &row, &then).await?;
        }
        row.target_project = target;
        let values = row.clone().into_active_model().reset_all();
        rbac_policies::Entity::update(values).exec(tx).await?;
        revise(tx, &row).await?;
    }
    Ok(row)
}

/// Removes a policy that nobody depends on.
pub async fn delete(tx: &Tx, row: &rbac_policies::Model) -> Result<()> {
    loosed(tx, row, &of_object(tx, &row.object_id).await?).await?;
    store::delete::<rbac_policies::Entity>(tx, &row.id).await?;
    revise(tx, row).await
}

/// As [`free_of_use`], with the refusal that policies have.
async fn loosed(tx: &Tx, row: &rbac_policies::Model, all: &[rbac_policies::Model]) -> Result<()> {
    if row.action == Access::External && row.target_project == EVERYBODY {
        let network = store::find::<networks::Entity>(tx, &row.object_id).await?;
        if network.is_some_and(|network| network.is_default) {
            let why = "it is the default external network".to_owned();
            return Err(Fault::RbacInUse(row.object_id.clone(), why));
        }
    }
    match free_of_use(tx, row, all).await {
        Err(error @ (Fault::InvalidSharedSetting(_) | Fault::ExternalInUse(_))) => {
            Err(Fault::RbacInUse(row.object_id.clone(), error.to_string()))
        }
        other => other,
    }
}

/// A policy as shown.
pub fn show(row: rbac_policies::Model) -> View {
    let mut view = views::owned(&row.id, &row.project_id);
    views::fill(
        &mut view,
        serde_json::json!({
            "object_type": row.object_type, "object_id": row.object_id,
            "action": row.action, "target_tenant": row.target_project,
        }),
    );
    view
}
