//! Who besides the owner may use an object, as rows of policies and conditions on objects say.

use std::collections::HashMap;

use sql::sea_orm::sea_query::{IntoCondition, Query, SelectStatement};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
};

use super::store::among;
use crate::fault::Result;
use crate::tables::{networks, rbac_policies, security_groups, subnets};
use crate::words::{Access, Shareable};

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

/// Networks that are shared with the project.
pub fn network_is_shared(project: &str) -> Condition {
    let shared = open_to(Shareable::Network, project, Some(Access::Shared));
    networks::Column::Id.in_subquery(shared).into_condition()
}

/// Networks that are external for anybody.
pub fn network_is_external(_: &str) -> Condition {
    let mut external = Query::select();
    external
        .column(rbac_policies::Column::ObjectId)
        .from(rbac_policies::Entity)
        .and_where(rbac_policies::Column::ObjectType.eq(Shareable::Network))
        .and_where(rbac_policies::Column::Action.eq(Access::External));
    networks::Column::Id.in_subquery(external).into_condition()
}

/// Subnets of networks that are shared with the project.
pub fn subnet_is_shared(project: &str) -> Condition {
    let shared = open_to(Shareable::Network, project, Some(Access::Shared));
    let network = subnets::Column::NetworkId;
    network.in_subquery(shared).into_condition()
}

/// Groups that are shared with the project.
pub fn group_is_shared(project: &str) -> Condition {
    let shared = open_to(Shareable::SecurityGroup, project, None);
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

/// Whether this host is the way out of the network by this policy.
pub fn makes_uplink(policy: &rbac_policies::Model) -> bool {
    policy.action == Access::External && policy.uplink
}

/// Whether this host is the way out of the network: an operator made it external.
pub async fn has_uplink(db: &impl ConnectionTrait, id: &str) -> Result<bool> {
    let policies = of_object(db, id).await?;
    Ok(policies.iter().any(makes_uplink))
}

/// Whether the network is external.
pub async fn is_external(db: &impl ConnectionTrait, id: &str) -> Result<bool> {
    Ok(rbac_policies::Entity::find()
        .filter(rbac_policies::Column::ObjectId.eq(id))
        .filter(rbac_policies::Column::Action.eq(Access::External))
        .count(db)
        .await?
        > 0)
}
