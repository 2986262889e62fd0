//! Tokens for consoles, kept as hashes.

use sql::sea_orm::{self, entity::prelude::*};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "console_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub token_hash: String,
    pub server_id: String,
    pub epoch: i64,
    pub host: String,
    pub kind: String,
    pub access_url_base: String,
    pub expires_at: ChronoDateTimeUtc,
    /// None for those of an older release.
    pub sealed_token: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
