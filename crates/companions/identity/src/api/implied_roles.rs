//! `/v3/roles/{role_id}/implies` and `/v3/role_inferences`.

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content, reply};
use crate::record;
use crate::tables::{implied_roles, roles};
use web::policy::Target;

use super::roles as role_api;

/// A role that none may imply (`[assignment] prohibited_implied_role`).
const PROHIBITED: &str = "admin";

fn brief(ctx: &Ctx, row: &roles::Model) -> Value {
    let link = format!("{}/v3/roles/{}", ctx.base, row.id);
    json!({"id": row.id, "name": row.name, "links": {"self": link}})
}

/// The two roles of the path; both must exist.
async fn pair(ctx: &Ctx) -> Result<(roles::Model, roles::Model), Fault> {
    ctx.allow(Target::new())?;
    let db = ctx.state.db.read();
    let prior = role_api::find(db, ctx.param("role_id")).await?;
    Ok((
        prior,
        role_api::find(db, ctx.param("implied_role_id")).await?,
    ))
}

fn body(ctx: &Ctx, prior: &roles::Model, implied: &roles::Model) -> Value {
    let link = format!("{}/v3/roles/{}/implies/{}", ctx.base, prior.id, implied.id);
    json!({
        "role_inference": {"prior_role": brief(ctx, prior), "implies": brief(ctx, implied)},
        "links": {"self": link},
    })
}

async fn stored(ctx: &Ctx) -> Result<(roles::Model, roles::Model), Fault> {
    let (prior, implied) = pair(ctx).await?;
    let key = (prior.id.clone(), implied.id.clone());
    match implied_roles::Entity::find_by_id(key)
        .one(ctx.state.db.read())
        .await?
    {
        Some(_) => Ok((prior, implied)),
        None => Err(Fault::not_found(
            "implied role",
            format!("{} implies {}", prior.id, implied.id),
        )),
    }
}

pub async fn create(ctx: Ctx) -> Answer {
    let (prior, implied) = pair(&ctx).await?;
    if implied.name == PROHIBITED {
        return Err(Fault::ForbiddenBecause(format!(
            "{} cannot be an implied role",
            implied.id
        )));
    }
    if role_api::domain_of(&prior).is_none() && role_api::domain_of(&implied).is_some() {
        return Err(Fault::ForbiddenBecause(
            "Global role cannot imply a domain-specific role".to_owned(),
        ));
    }
    let tx = ctx.state.begin().await?;
    let row = implied_roles::Model {
        prior_role_id: prior.id.clone(),
        implied_role_id: implied.id.clone(),
    };
    let key = (row.prior_role_id.clone(), row.implied_role_id.clone());
    if implied_roles::Entity::find_by_id(key)
        .one(&tx)
        .await?
        .is_none()
    {
        record::insert::<implied_roles::Entity>(&tx, row).await?;
    }
    ctx.state.commit(tx).await?;
    Ok(reply(body(&ctx, &prior, &implied)))
}

pub async fn show(ctx: Ctx) -> Answer {
    let (prior, implied) = stored(&ctx).await?;
    Ok(reply(body(&ctx, &prior, &implied)))
}

pub async fn check(ctx: Ctx) -> Answer {
    stored(&ctx).await?;
    no_content()
}

pub async fn delete(ctx: Ctx) -> Answer {
    let (prior, implied) = stored(&ctx).await?;
    let tx = ctx.state.begin().await?;
    implied_roles::Entity::delete_by_id((prior.id, implied.id))
        .exec(&tx)
        .await?;
    ctx.state.commit(tx).await?;
    no_content()
}

fn inference(ctx: &Ctx, prior: &roles::Model, implied: &[&roles::Model]) -> Value {
    let implies: Vec<Value> = implied.iter().map(|row| brief(ctx, row)).collect();
    json!({"prior_role": brief(ctx, prior), "implies": implies})
}

pub async fn list(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let db = ctx.state.db.read();
    let prior = role_api::find(db, ctx.param("role_id")).await?;
    let rows = implied_roles::Entity::find()
        .filter(implied_roles::Column::PriorRoleId.eq(prior.id.as_str()))
        .all(db)
        .await?;
    let snapshot = ctx.state.snapshot().await?;
    let implied: Vec<&roles::Model> = rows
        .iter()
        .filter_map(|row| snapshot.roles.get(&row.implied_role_id))
        .collect();
    let link = format!("{}/v3/roles/{}/implies", ctx.base, prior.id);
    Ok(reply(
        json!({"role_inference": inference(&ctx, &prior, &implied), "links": {"self": link}}),
    ))
}

pub async fn list_all(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let snapshot = ctx.state.snapshot().await?;
    let mut priors: Vec<_> = snapshot.implied.iter().collect();
    priors.sort();
    let inferences: Vec<Value> = priors
        .into_iter()
        .filter_map(|(prior, implied)| {
            let prior = snapshot.roles.get(prior)?;
            let implied: Vec<&roles::Model> = implied
                .iter()
                .filter_map(|id| snapshot.roles.get(id))
                .collect();
            Some(inference(&ctx, prior, &implied))
        })
        .collect();
    let link = format!("{}/v3/role_inferences", ctx.base);
    Ok(reply(
        json!({"role_inferences": inferences, "links": {"self": link}}),
    ))
}
