//! Servers. What lists filter or sort by has a column; the rest is in `document`.

use sql::sea_orm::{self, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "servers")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub seq: i64,
    #[sea_orm(unique)]
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: String,
    pub hostname: String,
    pub description: Option<String>,
    pub vm_state: String,
    pub task_state: Option<String>,
    pub power_state: i32,
    pub epoch: i64,
    pub host: Option<String>,
    pub node: Option<String>,
    pub node_id: Option<String>,
    pub availability_zone: Option<String>,
    pub pinned_zone: Option<String>,
    pub launch_index: i32,
    pub reservation_id: String,
    pub key_name: Option<String>,
    pub config_drive: bool,
    pub locked_by: Option<String>,
    pub image_id: Option<String>,
    pub flavor_id: String,
    pub vcpus: i64,
    pub memory_mb: i64,
    pub access_ip_v4: Option<String>,
    pub access_ip_v6: Option<String>,
    pub progress: i32,
    pub root_device_name: Option<String>,
    /// Fixed addresses of each version, separated and surrounded by blanks.
    #[sea_orm(column_type = "Text")]
    pub ip4: String,
    #[sea_orm(column_type = "Text")]
    pub ip6: String,
    /// `,one,two,`: a tag holds no comma.
    #[sea_orm(column_type = "Text")]
    pub tags: String,
    pub created_at: ChronoDateTimeUtc,
    pub updated_at: ChronoDateTimeUtc,
    pub launched_at: Option<ChronoDateTimeUtc>,
    pub terminated_at: Option<ChronoDateTimeUtc>,
    pub soft_deleted_at: Option<ChronoDateTimeUtc>,
    pub deleted_at: Option<ChronoDateTimeUtc>,
    #[sea_orm(column_type = "Text", nullable)]
    pub user_data: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub document: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
