//! `/v3/auth`: tokens, and what the bearer of one may have a token for.

use http::HeaderName;
use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use crate::establish;
use crate::fault::{Answer, Fault};
use crate::filter;
use crate::frame::{Ctx, no_content, reply};
use crate::grants;
use crate::login;
use crate::narrow;
use crate::parameters;
use crate::record::Object;
use crate::revocation::{self, Reason};
use crate::session::Session;
use crate::tables::projects;
use crate::tokens;
use web::policy::Target;

use super::{domains, projects as project_api};

/// The token that a request or an answer is about.
const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");

/// `POST /v3/auth/tokens`.
pub async fn issue(ctx: Ctx) -> Answer {
    let auth = ctx.under("auth")?;
    let (token, session) = login::log_in(&ctx.state, ctx.address, &auth).await?;
    issued(&ctx, &token, &session).await
}

/// 201 with a new token.
pub async fn issued(ctx: &Ctx, token: &str, session: &Session) -> Answer {
    let snapshot = ctx.state.snapshot().await?;
    let with_catalog = !ctx.query.has("nocatalog");
    let body = tokens::body(session, &snapshot, with_catalog);
    Ok(reply(body).with_header(SUBJECT_TOKEN, token))
}

fn subject(ctx: &Ctx) -> Result<String, Fault> {
    let value = ctx
        .headers
        .get(SUBJECT_TOKEN)
        .and_then(|value| value.to_str().ok());
    value
        .map(str::to_owned)
        .ok_or_else(|| Fault::BadRequest("The X-Subject-Token header is missing.".to_owned()))
}

/// The session of the token in question; a bad one is 404 here, since the caller's own is good.
async fn subject_session(
    ctx: &Ctx,
    token: &str,
    expired_too: bool,
) -> Result<std::sync::Arc<Session>, Fault> {
    match establish::of_token(&ctx.state, token, expired_too).await {
        Err(Fault::Unauthorized) => Err(Fault::not_found("token", "********")),
        other => other,
    }
}

/// `GET` and `HEAD /v3/auth/tokens`.
pub async fn show(ctx: Ctx) -> Answer {
    let token = subject(&ctx)?;
    let expired_too = filter::flag(&ctx.query, "allow_expired");
    let session = subject_session(&ctx, &token, expired_too).await?;
    if !narrow::may_validate(&session, &ctx.headers) {
        // The service that asks would let the token do what its rules forbid.
        return Err(Fault::not_found("token", "********"));
    }
    ctx.allow(Target::new().with("target.token.user_id", &session.user.id))?;
    let snapshot = ctx.state.snapshot().await?;
    let with_catalog = !ctx.query.has("nocatalog");
    let body = tokens::body(&session, &snapshot, with_catalog);
    Ok(reply(body).with_header(SUBJECT_TOKEN, &token))
}

/// `DELETE /v3/auth/tokens`.
pub async fn revoke(ctx: Ctx) -> Answer {
    let token = subject(&ctx)?;
    let session = subject_session(&ctx, &token, false).await?;
    ctx.allow(Target::new().with("target.token.user_id", &session.user.id))?;
    let audit = session
        .payload
        .audit_names()
        .first()
        .cloned()
        .unwrap_or_default();
    let tx = ctx.state.begin().await?;
    revocation::revoke(
        &tx,
        Reason::Audit(&audit),
        ctx.state.settings.token_expiration,
    )
    .await?;
    ctx.state.commit(tx).await?;
    no_content()
}

/// `GET /v3/auth/catalog`.
pub async fn catalog(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let session = ctx.session()?;
    if session.roles.is_empty() {
        return Err(Fault::ForbiddenBecause(
            "A project-scoped token is required to produce a service catalog.".to_owned(),
        ));
    }
    let snapshot = ctx.state.snapshot().await?;
    let project = session.project.as_ref().map(|project| project.id.as_str());
    let catalog = snapshot.catalog(&session.user.id, project);
    Ok(reply(
        json!({"catalog": catalog, "links": ctx.list_links()}),
    ))
}

/// `GET /v3/auth/projects`.
pub async fn projects(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let user = ctx.session()?.user.id.clone();
    let rows = reachable_projects(&ctx, &user).await?;
    let items = rows
        .into_iter()
        .filter(|row| row.enabled)
        .map(|row| project_api::view(&row))
        .collect();
    ctx.list(
        "projects",
        "projects",
        items,
        parameters::PROJECTS_OF_USER.filters,
    )
}

/// `GET /v3/auth/domains`.
pub async fn domains(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let user = ctx.session()?.user.id.clone();
    let held = grants::held_by(ctx.state.db.read(), &user).await?;
    let snapshot = ctx.state.snapshot().await?;
    let mut rows: Vec<_> = snapshot
        .domains
        .values()
        .filter(|domain| domain.enabled && !held.on_domain(&domain.id).is_empty())
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let items = rows.into_iter().map(domains::view).collect();
    ctx.list("domains", "domains", items, parameters::DOMAINS.filters)
}

/// `GET /v3/auth/system`.
pub async fn system(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let user = ctx.session()?.user.id.clone();
    let held = grants::held_by(ctx.state.db.read(), &user).await?;
    let mut item = Object::new();
    if !held.on_system().is_empty() {
        item.insert("all".to_owned(), Value::Bool(true));
    }
    let systems = if item.is_empty() {
        json!([])
    } else {
        json!([item])
    };
    Ok(reply(json!({"system": systems, "links": ctx.list_links()})))
}

/// Projects on which a user has any role, by name.
pub async fn reachable_projects(ctx: &Ctx, user_id: &str) -> Result<Vec<projects::Model>, Fault> {
    let db = ctx.state.db.read();
    let held = grants::held_by(db, user_id).await?;
    let targets = |kind: &str, inherited: bool| -> Vec<String> {
        let rows = held
            .rows
            .iter()
            .filter(|row| row.target_kind == kind && row.inherited == inherited);
        rows.map(|row| row.target_id.clone()).collect()
    };
    let inherits_somewhere = held.rows.iter().any(|row| row.inherited);
    let mut wanted = Condition::any().add(projects::Column::Id.is_in(targets("project", false)));
    if inherits_somewhere {
        // Heirs are found among all projects of the domains in question.
        let above = projects::Entity::find()
            .filter(projects::Column::Id.is_in(targets("project", true)))
            .all(db)
            .await?;
        let homes = above
            .into_iter()
            .map(|row| row.domain_id)
            .chain(targets("domain", true));
        wanted = wanted.add(projects::Column::DomainId.is_in(homes));
    }
    let rows = projects::Entity::find()
        .filter(projects::Column::IsDomain.eq(false))
        .filter(wanted)
        .all(db)
        .await?;
    let mut reachable = Vec::new();
    for row in rows {
        let above = if inherits_somewhere {
            grants::ancestors(db, &row).await?
        } else {
            Vec::new()
        };
        if !held.on_project(&row, &above).is_empty() {
            reachable.push(row);
        }
    }
    reachable.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(reachable)
}
