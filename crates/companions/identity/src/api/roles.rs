//! `/v3/roles`: global roles, and roles of a domain that only serve to imply others.

use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::immutable;
use crate::listing::Source;
use crate::parameters;
use crate::record::{self, Object};
use crate::schema::{Field, Kind, may, must};
use crate::tables::{assignments, implied_roles, roles};
use web::policy::Target;

use super::domains;

pub const NEW: &[Field] = &[
    must("name", Kind::Text(1, 255)),
    may("description", Kind::MaybeText(65_535)),
    may("domain_id", Kind::MaybeId),
    may("options", Kind::Object).within("immutable; others are refused with 400"),
];

/// A role as clients see it.
pub fn view(row: &roles::Model) -> Object {
    let mut view = record::view(row);
    view.insert("domain_id".to_owned(), domain_of(row).into());
    view
}

/// The domain of a role; none for a global one.
pub fn domain_of(row: &roles::Model) -> Option<&str> {
    Some(row.domain_id.as_str()).filter(|id| !id.is_empty())
}

/// The role with this id, or 404.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Result<roles::Model, Fault> {
    record::find::<roles::Entity>(db, "role", id).await
}

/// A role's columns before a body fills them.
pub fn new_columns(domain_id: &str) -> Value {
    json!({
        "id": record::new_id(), "name": "", "domain_id": domain_id, "description": null,
        "options": "{}", "extra": "{}",
    })
}

/// `create_role` or `create_domain_role`, and so on.
fn rule(verb: &str, domain: Option<&str>) -> String {
    let kind = if domain.is_some() {
        "domain_role"
    } else {
        "role"
    };
    format!("{verb}_{kind}")
}

fn target(row: &roles::Model) -> Target<'_> {
    Target::new()
        .with("target.role.id", &row.id)
        .with("target.role.name", &row.name)
        .with_option("target.role.domain_id", domain_of(row))
}

/// Asks the policy before it tells whether there is such a role.
async fn load(ctx: &Ctx, verb: &str) -> Result<roles::Model, Fault> {
    let id = ctx.param("role_id");
    match roles::Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?
    {
        Some(row) => ctx
            .allow_rule(&rule(verb, domain_of(&row)), target(&row))
            .map(|()| row),
        None => {
            ctx.allow_rule(&rule(verb, None), Target::new())?;
            Err(Fault::not_found("role", id))
        }
    }
}

pub async fn create(ctx: Ctx) -> Answer {
    let mut body = ctx.new_object("role", NEW)?;
    immutable::settle(&mut body, "{}")?;
    let domain = body
        .remove("domain_id")
        .and_then(|id| id.as_str().map(str::to_owned));
    ctx.allow_rule(&rule("create", domain.as_deref()), Target::new())?;
    if let Some(domain) = &domain {
        domains::find(ctx.state.db.read(), domain).await?;
    }
    let row: roles::Model = record::build(
        new_columns(domain.as_deref().unwrap_or_default()),
        &body,
        NEW,
    )?;
    let tx = ctx.state.begin().await?;
    record::insert::<roles::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("role", &row.name))?;
    ctx.state.commit(tx).await?;
    ctx.shown("role", "roles", view(&row))
}

pub async fn list(ctx: Ctx) -> Answer {
    let domain = ctx.query.last("domain_id").filter(|id| !id.is_empty());
    let rule = if domain.is_some() {
        "list_domain_roles"
    } else {
        "list_roles"
    };
    ctx.allow_rule(rule, Target::new())?;
    let rows = roles::Entity::find().filter(roles::Column::DomainId.eq(domain.unwrap_or_default()));
    let source = Source::new(rows, parameters::ROLES.filters, &[roles::Column::Name]);
    let show = |row: &roles::Model| Ok(Some(view(row)));
    ctx.list_rows("roles", "roles", source, show).await
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx, "get").await?;
    ctx.shown("role", "roles", view(&row))
}

pub async fn update(ctx: Ctx) -> Answer {
    let old = load(&ctx, "update").await?;
    let sent = ctx.changes("role", NEW)?;
    let mut body = sent.clone();
    let domain = body.remove("domain_id");
    if domain.is_some_and(|domain| domain.as_str() != domain_of(&old)) {
        return Err(Fault::BadRequest("Cannot change Domain ID".to_owned()));
    }
    let tx = ctx.state.begin().await?;
    let old = record::lock::<roles::Entity>(&tx, "role", &old.id).await?;
    immutable::may_change("role", &old.id, &old.options, &sent)?;
    immutable::settle(&mut body, &old.options)?;
    let row: roles::Model = record::change(&old, &body, NEW)?;
    record::update::<roles::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("role", &row.name))?;
    ctx.state.commit(tx).await?;
    ctx.shown("role", "roles", view(&row))
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx, "delete").await?;
    let tx = ctx.state.begin().await?;
    let row = record::lock::<roles::Entity>(&tx, "role", &row.id).await?;
    immutable::may_remove("role", &row.id, &row.options)?;
    remove(&tx, &row.id).await?;
    ctx.state.commit(tx).await?;
    no_content()
}

/// Removes a role wherever it is assigned or implied.
pub async fn remove(tx: &impl ConnectionTrait, id: &str) -> Result<(), Fault> {
    assignments::Entity::delete_many()
        .filter(assignments::Column::RoleId.eq(id))
        .exec(tx)
        .await?;
    let either = Condition::any()
        .add(implied_roles::Column::PriorRoleId.eq(id))
        .add(implied_roles::Column::ImpliedRoleId.eq(id));
    implied_roles::Entity::delete_many()
        .filter(either)
        .exec(tx)
        .await?;
    roles::Entity::delete_by_id(id.to_owned()).exec(tx).await?;
    Ok(())
}
