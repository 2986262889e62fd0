//! Who besides the owner may use an object.

use sql::sea_orm;
use sql::sea_orm::entity::prelude::*;

use crate::words::{Access, Shareable};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "net_rbac_policies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub project_id: String,
    pub object_type: Shareable,
    pub object_id: String,
    pub action: Access,
    pub target_project: String,
    /// Of a policy that makes a network external: whether this host is the network's way out, as an operator made it. A
    /// network that its owner opens to others is only one between routers.
    pub uplink: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
