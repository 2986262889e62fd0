//! `/v3/OS-TRUST/trusts`: a user lets another act for them on a project, with some of their roles.

use chrono::Utc;
use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, DatabaseTransaction, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content, reply};
use crate::listing::Source;
use crate::parameters;
use crate::record::{self, Object};
use crate::revocation::{self, Reason};
use crate::schema::{Field, Kind, may, must};
use crate::snapshot::Snapshot;
use crate::tables::trusts::{Column, Entity, Model};
use crate::tables::users;
use web::policy::Target;

use super::application_credentials::{delegated, parse_time};
use super::roles as role_api;

pub const NEW: &[Field] = &[
    must("impersonation", Kind::Flag),
    must("trustee_user_id", Kind::Id),
    must("trustor_user_id", Kind::Id),
    may("allow_redelegation", Kind::Flag).not_built(&["false"], "trusts cannot be passed on"),
    may("expires_at", Kind::MaybeText(255)),
    may("project_id", Kind::MaybeId),
    may("redelegation_count", Kind::MaybeNumber).hint("it belongs to allow_redelegation"),
    may("remaining_uses", Kind::MaybeNumber),
    may("roles", Kind::List),
];

fn target(row: &Model) -> Target<'_> {
    Target::new()
        .with("target.trust.trustor_user_id", &row.trustor_user_id)
        .with("target.trust.trustee_user_id", &row.trustee_user_id)
}

fn roles_of(ctx: &Ctx, row: &Model, snapshot: &Snapshot) -> Vec<Value> {
    let ids: Vec<String> = serde_json::from_str(&row.roles).unwrap_or_default();
    let rows = ids.iter().filter_map(|id| snapshot.roles.get(id));
    rows.map(|role| Value::Object(ctx.linked("roles", role_api::view(role))))
        .collect()
}

fn view(ctx: &Ctx, row: &Model, snapshot: &Snapshot) -> Object {
    let mut view = record::view(row);
    view.remove("allow_redelegation");
    view.insert(
        "expires_at".to_owned(),
        row.expires_at.map(web::time::micros).into(),
    );
    view.insert(
        "deleted_at".to_owned(),
        row.deleted_at.map(web::time::micros).into(),
    );
    view.insert("roles".to_owned(), roles_of(ctx, row, snapshot).into());
    let link = format!("{}/v3/OS-TRUST/trusts/{}/roles", ctx.base, row.id);
    view.insert(
        "roles_links".to_owned(),
        json!({"self": link, "next": null, "previous": null}),
    );
    view
}

async fn load(ctx: &Ctx) -> Result<Model, Fault> {
    let id = ctx.param("trust_id");
    let row = Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?;
    let living = row.filter(|row| {
        row.deleted_at.is_none()
            && row.expires_at.is_none_or(|end| end > Utc::now())
            && row.remaining_uses != Some(0)
    });
    let row = living.ok_or_else(|| Fault::not_found("trust", id))?;
    ctx.allow(target(&row)).map(|()| row)
}

pub async fn create(ctx: Ctx) -> Answer {
    let body = ctx.new_object("trust", NEW)?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let trustor = text("trustor_user_id").unwrap_or_default();
    ctx.allow(Target::new().with("target.trust.trustor_user_id", &trustor))?;
    let session = ctx.session()?.clone();
    if session.application_credential.is_some() || session.trust.is_some() {
        return Err(Fault::ForbiddenBecause(
            "A delegated token cannot create a trust.".to_owned(),
        ));
    }
    let trustee = text("trustee_user_id").unwrap_or_default();
    record::find::<users::Entity>(ctx.state.db.read(), "user", &trustee).await?;
    let project_id = text("project_id");
    let roles = body
        .get("roles")
        .filter(|roles| roles.as_array().is_some_and(|roles| !roles.is_empty()));
    if project_id.is_some() != roles.is_some() {
        return Err(Fault::ForbiddenBecause(
            "At least one role should be specified.".to_owned(),
        ));
    }
    if project_id != session.caller.project_id && project_id.is_some() {
        return Err(Fault::Forbidden(
            "create a trust for another project".to_owned(),
        ));
    }
    let remaining_uses = body.get("remaining_uses").and_then(Value::as_i64);
    if remaining_uses.is_some_and(|uses| uses < 1) {
        return Err(Fault::BadRequest(
            "remaining_uses must be a positive integer or null.".to_owned(),
        ));
    }
    let expires_at = text("expires_at").as_deref().map(parse_time).transpose()?;
    if expires_at.is_some_and(|end| end <= Utc::now()) {
        return Err(Fault::BadRequest(
            "The 'expires_at' must not be before now.".to_owned(),
        ));
    }
    let roles = match roles {
        Some(_) => delegated(&session, roles)?,
        None => Vec::new(),
    };
    let row = Model {
        id: record::new_id(),
        trustor_user_id: trustor,
        trustee_user_id: trustee,
        project_id,
        impersonation: body.get("impersonation") == Some(&Value::Bool(true)),
        expires_at,
        remaining_uses,
        deleted_at: None,
        roles: json!(roles).to_string(),
        allow_redelegation: false,
        redelegation_count: 0,
        redelegated_trust_id: None,
        extra: "{}".to_owned(),
    };
    let tx = ctx.state.begin().await?;
    forget_ended(&tx).await?;
    record::insert::<Entity>(&tx, row.clone()).await?;
    ctx.state.commit(tx).await?;
    let view = view(&ctx, &row, ctx.state.snapshot().await?.as_ref());
    ctx.shown("trust", "OS-TRUST/trusts", view)
}

/// Days for which a trust that was deleted or has expired is kept: longer than any token of it lives.
const KEPT: i64 = 30;

/// Forgets trusts that ended long ago; whoever makes one sees to it.
async fn forget_ended(tx: &DatabaseTransaction) -> Result<(), Fault> {
    let before = sql::micros(Utc::now() - chrono::TimeDelta::days(KEPT));
    let ended = Condition::any()
        .add(Column::DeletedAt.lt(before))
        .add(Column::ExpiresAt.lt(before));
    Entity::delete_many().filter(ended).exec(tx).await?;
    Ok(())
}

pub async fn list(ctx: Ctx) -> Answer {
    let by = |key: &str| ctx.query.last(key).map(str::to_owned);
    let (trustor, trustee) = (by("trustor_user_id"), by("trustee_user_id"));
    if let Some(id) = &trustor {
        let target = Target::new().with("target.trust.trustor_user_id", id);
        ctx.allow_rule("list_trusts_for_trustor", target)?;
    }
    if let Some(id) = &trustee {
        let target = Target::new().with("target.trust.trustee_user_id", id);
        ctx.allow_rule("list_trusts_for_trustee", target)?;
    }
    if trustor.is_none() && trustee.is_none() {
        ctx.allow(Target::new())?;
    }
    let snapshot = ctx.state.snapshot().await?;
    let rows = Entity::find().filter(Column::DeletedAt.is_null());
    let source = Source::new(rows, parameters::TRUSTS.filters, &[]);
    let show = |row: &Model| {
        let mut view = view(&ctx, row, &snapshot);
        view.remove("roles");
        Ok(Some(view))
    };
    ctx.list_rows("trusts", "OS-TRUST/trusts", source, show)
        .await
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let view = view(&ctx, &row, ctx.state.snapshot().await?.as_ref());
    ctx.shown("trust", "OS-TRUST/trusts", view)
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    ctx.session()?.may_delegate("trusts")?;
    let tx = ctx.state.begin().await?;
    let mut row = record::lock::<Entity>(&tx, "trust", &row.id).await?;
    row.deleted_at = Some(sql::micros(Utc::now()));
    revocation::revoke(
        &tx,
        Reason::Trust(&row.id),
        ctx.state.settings.token_expiration,
    )
    .await?;
    record::update::<Entity>(&tx, row).await?;
    ctx.state.commit(tx).await?;
    no_content()
}

pub async fn roles(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let snapshot = ctx.state.snapshot().await?;
    let body = json!({"roles": roles_of(&ctx, &row, &snapshot), "links": ctx.list_links()});
    Ok(reply(body))
}

pub async fn role(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let snapshot = ctx.state.snapshot().await?;
    let found = roles_of(&ctx, &row, &snapshot)
        .into_iter()
        .find(|role| role["id"] == ctx.param("role_id"));
    let role = found.ok_or_else(|| Fault::not_found("role", ctx.param("role_id")))?;
    Ok(reply(json!({"role": role})))
}
