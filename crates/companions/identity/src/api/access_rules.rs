//! `/v3/users/{user_id}/access_rules`: made with an application credential, listed and removed here.

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::listing::Source;
use crate::parameters;
use crate::record::{self, Object};
use crate::schema::{self, Field, Kind, must};
use crate::tables::{access_rules, application_credentials};
use web::policy::Target;

pub const RULE: &[Field] = &[
    must("service", Kind::Text(1, 255)),
    must("path", Kind::Text(1, 255)),
    must(
        "method",
        Kind::OneOf(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    ),
];

fn target(ctx: &Ctx) -> Target<'_> {
    Target::new().with("target.user.id", ctx.param("user_id"))
}

fn place(ctx: &Ctx) -> String {
    format!("users/{}/access_rules", ctx.param("user_id"))
}

/// Finds or makes the rules that a body lists; an id refers to one that exists.
pub async fn ensure(
    tx: &impl ConnectionTrait,
    user_id: &str,
    wanted: &[Value],
) -> Result<Vec<access_rules::Model>, Fault> {
    let mut all = Vec::new();
    for rule in wanted {
        let rule = rule.as_object().ok_or_else(|| {
            Fault::BadRequest(
                "Invalid input for field 'access_rules': not of type 'object'".to_owned(),
            )
        })?;
        if let Some(id) = rule.get("id").and_then(Value::as_str) {
            let row = access_rules::Entity::find_by_id(id.to_owned())
                .one(tx)
                .await?;
            let own = row.filter(|row| row.user_id == user_id);
            all.push(own.ok_or_else(|| Fault::not_found("access rule", id))?);
            continue;
        }
        schema::check_new(rule, RULE)?;
        schema::closed(rule, RULE, &[])?;
        let text = |key: &str| {
            rule.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let known = access_rules::Entity::find()
            .filter(access_rules::Column::UserId.eq(user_id))
            .filter(access_rules::Column::Service.eq(text("service")))
            .filter(access_rules::Column::Path.eq(text("path")))
            .filter(access_rules::Column::Method.eq(text("method")))
            .one(tx)
            .await?;
        if let Some(row) = known {
            all.push(row);
            continue;
        }
        let row = access_rules::Model {
            id: record::new_id(),
            user_id: user_id.to_owned(),
            service: text("service"),
            path: text("path"),
            method: text("method"),
        };
        record::insert::<access_rules::Entity>(tx, row.clone()).await?;
        all.push(row);
    }
    Ok(all)
}

/// A rule as clients see it.
pub fn view(row: &access_rules::Model) -> Object {
    let mut view = record::view(row);
    view.remove("user_id");
    view
}

pub async fn list(ctx: Ctx) -> Answer {
    ctx.allow(target(&ctx))?;
    let rows =
        access_rules::Entity::find().filter(access_rules::Column::UserId.eq(ctx.param("user_id")));
    let source = Source::new(rows, parameters::ACCESS_RULES.filters, &[]);
    let show = |row: &access_rules::Model| Ok(Some(view(row)));
    ctx.list_rows("access_rules", &place(&ctx), source, show)
        .await
}

async fn load(ctx: &Ctx) -> Result<access_rules::Model, Fault> {
    ctx.allow(target(ctx))?;
    let id = ctx.param("access_rule_id");
    let row = access_rules::Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?;
    row.filter(|row| row.user_id == ctx.param("user_id"))
        .ok_or_else(|| Fault::not_found("access rule", id))
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    ctx.shown("access_rule", &place(&ctx), view(&row))
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let tx = ctx.state.begin().await?;
    let users = application_credentials::Entity::find()
        .filter(application_credentials::Column::UserId.eq(row.user_id.as_str()))
        .all(&tx)
        .await?;
    let needle = json!(row.id).to_string();
    if users
        .iter()
        .any(|credential| credential.access_rules.contains(&needle))
    {
        return Err(Fault::ForbiddenBecause(format!(
            "May not delete access rule {} while application credentials use it.",
            row.id
        )));
    }
    access_rules::Entity::delete_by_id(row.id).exec(&tx).await?;
    ctx.state.commit(tx).await?;
    no_content()
}
