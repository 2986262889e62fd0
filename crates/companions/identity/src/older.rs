//! Secrets that an older release kept in clear. They go at the next start, whoever of several processes comes first.

use sha2::{Digest, Sha256};
use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use sql::{Database, SqlError};

use crate::api::domain_config::SENSITIVE;
use crate::tables::{consumers, domain_configs};

/// Letters of a SHA-256 in hex; an OAuth consumer's secret in clear has fewer.
const HASHED: usize = 64;

/// Keeps the hash alone of secrets of OAuth consumers, and of passwords of directories that they were set.
///
/// # Errors
/// The database fails.
pub async fn forget_secrets(db: &Database) -> Result<(), SqlError> {
    let rows = consumers::Entity::find().all(db.read()).await?;
    for row in rows.iter().filter(|row| row.secret.len() != HASHED) {
        let hash = hex::encode(Sha256::digest(&row.secret));
        consumers::Entity::update_many()
            .col_expr(consumers::Column::Secret, Expr::value(hash))
            .filter(consumers::Column::Id.eq(&row.id))
            .filter(consumers::Column::Secret.eq(&row.secret))
            .exec(db.write())
            .await?;
    }
    for (group, option) in SENSITIVE {
        forget_option(db.write(), group, option).await?;
    }
    Ok(())
}

async fn forget_option(
    db: &impl ConnectionTrait,
    group: &str,
    option: &str,
) -> Result<(), SqlError> {
    use domain_configs::{Column, Entity};
    Entity::update_many()
        .col_expr(Column::Value, Expr::value("null"))
        .filter(Column::ConfigGroup.eq(group))
        .filter(Column::Option.eq(option))
        .filter(Column::Value.ne("null"))
        .exec(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sql::sea_orm::ActiveModelTrait;
    use sql::sea_orm::IntoActiveModel;

    use super::*;

    #[tokio::test]
    async fn secrets_in_clear_go_and_hashes_stay() {
        for db in sql::testing::engines().await {
            db.apply(&crate::migrations::HISTORY).await.unwrap();
            let hash = hex::encode(Sha256::digest("kept"));
            for (id, secret) in [("a", "in clear"), ("b", hash.as_str())] {
                let row = consumers::Model {
                    id: id.to_owned(),
                    description: None,
                    secret: secret.to_owned(),
                    extra: "{}".to_owned(),
                };
                row.into_active_model().insert(db.write()).await.unwrap();
            }
            for (option, value) in [("password", r#""in clear""#), ("url", r#""ldap://x""#)] {
                let row = domain_configs::Model {
                    domain_id: "default".to_owned(),
                    config_group: "ldap".to_owned(),
                    option: option.to_owned(),
                    value: value.to_owned(),
                };
                row.into_active_model().insert(db.write()).await.unwrap();
            }
            // Again finds nothing to do.
            for _ in 0..2 {
                forget_secrets(&db).await.unwrap();
                let secret = async |id: &str| {
                    let row = consumers::Entity::find_by_id(id).one(db.read()).await;
                    row.unwrap().unwrap().secret
                };
                assert_eq!(secret("a").await, hex::encode(Sha256::digest("in clear")));
                assert_eq!(secret("b").await, hash);
                let option = async |name: &str| {
                    let rows = domain_configs::Entity::find()
                        .filter(domain_configs::Column::Option.eq(name));
                    rows.one(db.read()).await.unwrap().unwrap().value
                };
                assert_eq!(option("password").await, "null");
                assert_eq!(option("url").await, r#""ldap://x""#);
            }
        }
    }
}
