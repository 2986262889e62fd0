//! `/v3/domains`. A domain is a row of `projects` with `is_domain`.

use serde_json::json;
use sql::sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::immutable;
use crate::listing::Source;
use crate::parameters;
use crate::record::{self, Object};
use crate::revocation::{self, Reason};
use crate::schema::{Field, Kind, may, must};
use crate::tables::{assignments, domain_configs, groups, projects, roles, users};
use web::policy::Target;

use super::projects as project_api;
use super::users as user_api;

/// The domain of domains. Not an id: it never leaves this service.
pub const ROOT: &str = "<<keystone.domain.root>>";

pub const NEW: &[Field] = &[
    must("name", Kind::Text(1, 64)),
    may("description", Kind::MaybeText(65_535)),
    may("enabled", Kind::Flag),
    may("explicit_domain_id", Kind::Id),
    may("options", Kind::Object).within("immutable; others are refused with 400"),
    may("tags", Kind::Tags),
];

/// A domain as clients see it.
pub fn view(row: &projects::Model) -> Object {
    let mut view = record::view(row);
    for hidden in ["domain_id", "parent_id", "is_domain"] {
        view.remove(hidden);
    }
    view
}

/// The attributes that rules ask about.
pub fn target(row: &projects::Model) -> Target<'_> {
    Target::new().with("target.domain.id", &row.id)
}

/// The domain with this id, or 404.
pub async fn find(db: &impl ConnectionTrait, id: &str) -> Result<projects::Model, Fault> {
    let row = projects::Entity::find_by_id(id.to_owned()).one(db).await?;
    row.filter(|row| row.is_domain)
        .ok_or_else(|| Fault::not_found("domain", id))
}

/// Adds a domain. A body may choose the id; nobody else does.
pub async fn make(db: &impl ConnectionTrait, body: &Object) -> Result<projects::Model, Fault> {
    let mut body = body.clone();
    immutable::settle(&mut body, "{}")?;
    let chosen = body.remove("explicit_domain_id");
    let id = chosen
        .and_then(|id| id.as_str().map(str::to_owned))
        .unwrap_or_else(record::new_id);
    let columns = json!({
        "id": id, "domain_id": ROOT, "name": "", "description": "", "enabled": true, "is_domain": true,
        "parent_id": null, "tags": "[]", "options": "{}", "extra": "{}",
    });
    let row: projects::Model = record::build(columns, &body, NEW)?;
    record::insert::<projects::Entity>(db, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("domain", &row.name))?;
    Ok(row)
}

pub async fn create(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let body = ctx.new_object("domain", NEW)?;
    let tx = ctx.state.begin().await?;
    let row = make(&tx, &body).await?;
    ctx.state.commit(tx).await?;
    ctx.shown("domain", "domains", view(&row))
}

pub async fn list(ctx: Ctx) -> Answer {
    let own = ctx.session()?.caller.domain_id.clone();
    ctx.allow(Target::new().with_option("target.domain.id", own.as_deref()))?;
    let mut rows = projects::Entity::find().filter(projects::Column::IsDomain.eq(true));
    if let Some(own) = own {
        rows = rows.filter(projects::Column::Id.eq(own));
    }
    let source = Source::new(rows, parameters::DOMAINS.filters, &[projects::Column::Name]);
    let show = |row: &projects::Model| Ok(Some(view(row)));
    ctx.list_rows("domains", "domains", source, show).await
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = projects::Entity::find_by_id(ctx.param("domain_id").to_owned())
        .one(ctx.state.db.read())
        .await?;
    match row.filter(|row| row.is_domain) {
        Some(row) => {
            ctx.allow(target(&row))?;
            ctx.shown("domain", "domains", view(&row))
        }
        None => {
            ctx.allow(Target::new())?;
            Err(Fault::not_found("domain", ctx.param("domain_id")))
        }
    }
}

pub async fn update(ctx: Ctx) -> Answer {
    ctx.allow(Target::new().with("target.domain.id", ctx.param("domain_id")))?;
    let mut body = ctx.changes("domain", NEW)?;
    let tx = ctx.state.begin().await?;
    let old = find(&tx, ctx.param("domain_id")).await?;
    let old = record::lock::<projects::Entity>(&tx, "domain", &old.id).await?;
    immutable::may_change("domain", &old.id, &old.options, &body)?;
    immutable::settle(&mut body, &old.options)?;
    let row: projects::Model = record::change(&old, &body, NEW)?;
    record::update::<projects::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("domain", &row.name))?;
    if old.enabled && !row.enabled {
        revocation::revoke(
            &tx,
            Reason::Domain(&row.id),
            ctx.state.settings.token_expiration,
        )
        .await?;
    }
    ctx.state.commit(tx).await?;
    ctx.shown("domain", "domains", view(&row))
}

pub async fn delete(ctx: Ctx) -> Answer {
    ctx.allow(Target::new().with("target.domain.id", ctx.param("domain_id")))?;
    let row = find(ctx.state.db.read(), ctx.param("domain_id")).await?;
    delete_row(&ctx, &row).await
}

/// Deletes a domain that the caller may delete, if it is disabled.
pub async fn delete_row(ctx: &Ctx, row: &projects::Model) -> Answer {
    let tx = ctx.state.begin().await?;
    let row = record::lock::<projects::Entity>(&tx, "domain", &row.id).await?;
    immutable::may_remove("domain", &row.id, &row.options)?;
    if row.enabled {
        return Err(Fault::ForbiddenBecause(
            "Cannot delete a domain that is enabled, please disable it first.".to_owned(),
        ));
    }
    remove(&tx, &row.id, ctx.state.settings.token_expiration).await?;
    ctx.state.commit(tx).await?;
    no_content()
}

/// Removes a domain with all that it owns.
async fn remove(tx: &impl ConnectionTrait, id: &str, token_life: i64) -> Result<(), Fault> {
    for user in users::Entity::find()
        .filter(users::Column::DomainId.eq(id))
        .all(tx)
        .await?
    {
        user_api::remove(tx, &user.id, token_life).await?;
    }
    for project in projects::Entity::find()
        .filter(projects::Column::DomainId.eq(id))
        .all(tx)
        .await?
    {
        project_api::remove(tx, &project.id, token_life).await?;
    }
    for group in groups::Entity::find()
        .filter(groups::Column::DomainId.eq(id))
        .all(tx)
        .await?
    {
        super::groups::remove(tx, &group.id).await?;
    }
    for role in roles::Entity::find()
        .filter(roles::Column::DomainId.eq(id))
        .all(tx)
        .await?
    {
        super::roles::remove(tx, &role.id).await?;
    }
    let there = Condition::all()
        .add(assignments::Column::TargetKind.eq("domain"))
        .add(assignments::Column::TargetId.eq(id));
    assignments::Entity::delete_many()
        .filter(there)
        .exec(tx)
        .await?;
    domain_configs::Entity::delete_many()
        .filter(domain_configs::Column::DomainId.eq(id))
        .exec(tx)
        .await?;
    project_api::remove(tx, id, token_life).await?;
    revocation::revoke(tx, Reason::Domain(id), token_life).await
}
