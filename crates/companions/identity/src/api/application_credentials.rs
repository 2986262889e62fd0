//! `/v3/users/{user_id}/application_credentials`: passwords of programs, for one project, with some of
//! the user's roles there. The secret is shown once.

use chrono::{DateTime, NaiveDateTime, Utc};
use rest::accepted::Fate;
use serde_json::{Value, json};
use sql::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::listing::Source;
use crate::parameters;
use crate::record::{self, Object};
use crate::schema::{self, Field, Kind, may, must};
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::tables::application_credentials::{Column, Entity, Model};
use web::policy::Target;

use super::access_rules;
use super::credentials::random_secret;

pub const NEW: &[Field] = &[
    must("name", Kind::Text(1, 255)),
    may("access_rules", Kind::List),
    may("description", Kind::MaybeText(65_535)),
    may("expires_at", Kind::MaybeText(255)),
    may("roles", Kind::List),
    may("secret", Kind::MaybeText(255)),
    may("unrestricted", Kind::Flag),
];

/// Fields that a body may have beside, which fill no column.
pub const MORE: &[(&str, Fate)] = &[
    ("id", Fate::Hint("the service chooses it, as Keystone does")),
    (
        "project_id",
        Fate::Within("the project of the token; others are refused with 400"),
    ),
    ("system", SYSTEM),
];

const SYSTEM: Fate = Fate::NotBuilt {
    unless: &["null"],
    why: "application credentials are for projects",
};

/// What is managed here, as Keystone's refusals say it.
const WHAT: &str = "additional application credentials";

fn place(ctx: &Ctx) -> String {
    format!("users/{}/application_credentials", ctx.param("user_id"))
}

fn view(row: &Model, snapshot: &Snapshot) -> Object {
    let mut view = record::view(row);
    for hidden in ["secret_hash", "created_at", "user_id"] {
        view.remove(hidden);
    }
    view.insert(
        "expires_at".to_owned(),
        row.expires_at.map(web::time::naive_micros).into(),
    );
    let ids: Vec<String> = serde_json::from_str(&row.roles).unwrap_or_default();
    let roles = ids.iter().filter_map(|id| snapshot.roles.get(id));
    let roles: Vec<Value> = roles
        .map(|role| json!({"id": role.id, "name": role.name, "domain_id": super::roles::domain_of(role)}))
        .collect();
    view.insert("roles".to_owned(), roles.into());
    view.insert("system".to_owned(), Value::Null);
    if view
        .get("access_rules")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty)
    {
        view.remove("access_rules");
    }
    view
}

/// A time of a body; without a zone it is UTC.
pub fn parse_time(text: &str) -> Result<DateTime<Utc>, Fault> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc));
    let plain =
        || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|at| at.and_utc());
    zoned.or_else(|_| plain()).map(sql::micros).map_err(|_| {
        Fault::BadRequest(
            "Timestamp not in expected format. The server could not comply with the request since it is \
             either malformed or otherwise incorrect. The client is assumed to be in error."
                .to_owned(),
        )
    })
}

/// The roles that a body names, each of which the session must have; all of the session's without a body.
pub fn delegated(session: &Session, wanted: Option<&Value>) -> Result<Vec<String>, Fault> {
    let Some(Value::Array(wanted)) = wanted else {
        return Ok(session.roles.iter().map(|(id, _)| id.clone()).collect());
    };
    let mut ids = Vec::new();
    for role in wanted {
        let by = |key: &str| role.get(key).and_then(Value::as_str);
        let found = session.roles.iter().find(|(id, name)| {
            by("id") == Some(id) || (by("id").is_none() && by("name") == Some(name))
        });
        let (id, _) = found.ok_or_else(|| {
            Fault::not_found(
                "role",
                by("id").or(by("name")).unwrap_or("without id and name"),
            )
        })?;
        ids.push(id.clone());
    }
    Ok(ids)
}

pub async fn create(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let session = ctx.session()?.clone();
    session.may_delegate(WHAT)?;
    let mut body = ctx.new_object("application_credential", NEW)?;
    let more: Vec<_> = MORE.iter().map(|(name, _)| *name).collect();
    schema::closed(&body, NEW, &more)?;
    let project_id = session.caller.project_id.clone();
    let project_id = project_id
        .ok_or_else(|| Fault::BadRequest("A project-scoped token is required".to_owned()))?;
    if body
        .get("project_id")
        .is_some_and(|wanted| *wanted != json!(project_id))
    {
        return Err(Fault::BadRequest(
            "Invalid input for field 'project_id': it is the project of the token".to_owned(),
        ));
    }
    if let Some(why) = body.get("system").and_then(|system| SYSTEM.refusal(system)) {
        return Err(Fault::Later(format!("Field 'system': {why}.")));
    }
    // The `openstack` command sends an empty list when its user names no roles.
    let named = body
        .get("roles")
        .filter(|roles| roles.as_array().is_none_or(|roles| !roles.is_empty()));
    let roles = match delegated(&session, named) {
        Err(Fault::NotFound { id, .. }) => {
            return Err(Fault::BadRequest(format!(
                "Invalid application credential: Could not find role assignment with role: {id}"
            )));
        }
        other => other?,
    };
    let expires_at = body
        .get("expires_at")
        .and_then(Value::as_str)
        .map(parse_time)
        .transpose()?;
    if expires_at.is_some_and(|end| end <= Utc::now()) {
        return Err(Fault::BadRequest(
            "The 'expires_at' must not be before now.".to_owned(),
        ));
    }
    let given = body
        .remove("secret")
        .and_then(|secret| secret.as_str().map(str::to_owned));
    let secret = given.unwrap_or_else(|| random_secret(64));
    let turn = ctx.state.hasher.turn(ctx.asker(&session.user.id)).await?;
    let secret_hash = ctx.state.hasher.hash(&turn, &secret).await?;
    drop(turn);
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let wanted = body
        .get("access_rules")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let tx = ctx.state.begin().await?;
    let rules = access_rules::ensure(&tx, &session.user.id, &wanted).await?;
    let rules: Vec<Object> = rules.iter().map(access_rules::view).collect();
    let row = Model {
        id: record::new_id(),
        user_id: session.user.id.clone(),
        project_id,
        name: text("name").unwrap_or_default(),
        description: text("description"),
        secret_hash,
        expires_at,
        unrestricted: body
            .get("unrestricted")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        roles: json!(roles).to_string(),
        access_rules: json!(rules).to_string(),
        created_at: sql::micros(Utc::now()),
    };
    record::insert::<Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("application_credential", &row.name))?;
    ctx.state.commit(tx).await?;
    let mut view = view(&row, ctx.state.snapshot().await?.as_ref());
    view.insert("secret".to_owned(), secret.into());
    ctx.shown("application_credential", &place(&ctx), view)
}

pub async fn list(ctx: Ctx) -> Answer {
    ctx.allow(Target::new())?;
    let rows = Entity::find().filter(Column::UserId.eq(ctx.param("user_id")));
    let source = Source::new(rows, parameters::NAMED.filters, &[Column::Name]);
    let snapshot = ctx.state.snapshot().await?;
    let show = |row: &Model| Ok(Some(view(row, &snapshot)));
    ctx.list_rows("application_credentials", &place(&ctx), source, show)
        .await
}

async fn load(ctx: &Ctx) -> Result<Model, Fault> {
    ctx.allow(Target::new())?;
    let id = ctx.param("application_credential_id");
    let row = Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?;
    row.filter(|row| row.user_id == ctx.param("user_id"))
        .ok_or_else(|| Fault::not_found("Application Credential", id))
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let snapshot = ctx.state.snapshot().await?;
    ctx.shown(
        "application_credential",
        &place(&ctx),
        view(&row, &snapshot),
    )
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    ctx.session()?.may_delegate(WHAT)?;
    // Its tokens end with the row.
    let tx = ctx.state.begin().await?;
    Entity::delete_by_id(row.id).exec(&tx).await?;
    ctx.state.commit(tx).await?;
    no_content()
}
