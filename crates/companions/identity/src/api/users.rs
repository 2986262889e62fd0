//! `/v3/users`, and the change of one's own password.

mod listed;

use chrono::Utc;
use serde_json::{Value, json};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Select,
};

use crate::compliance;
use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::listing::Source;
use crate::login;
use crate::parameters;
use crate::passwords::Fit;
use crate::queue::Turn;
use crate::record::{self, Object};
use crate::revocation::{self, Reason};
use crate::schema::{self, Field, Kind, may, must};
use crate::state::State;
use crate::tables::{
    access_rules, application_credentials, assignments, credentials, groups, memberships,
    old_passwords, projects, trusts, users,
};
use web::policy::Target;

use super::auth;
use super::domains;
use super::projects as project_api;

pub const NEW: &[Field] = &[
    must("name", Kind::Text(1, 255)),
    may("default_project_id", Kind::MaybeId),
    may("description", Kind::MaybeText(65_535)),
    may("domain_id", Kind::Id),
    may("enabled", Kind::Flag),
    may("federated", Kind::List).not_built(&["[]"], "users of identity providers are not built"),
    may("options", Kind::Object).within("those named below; others are refused with 400"),
    may("password", Kind::MaybeText(4096)),
];

const PASSWORD: &[Field] = &[
    must("password", Kind::Text(1, 4096)),
    must("original_password", Kind::Text(0, 4096)),
];

/// A user as clients see it: never the hash; disabled, when idle for too long.
pub fn view(state: &State, row: &users::Model) -> Object {
    let mut view = record::view(row);
    let enabled = state.rules.is_enabled(row, Utc::now());
    view.insert("enabled".to_owned(), enabled.into());
    for hidden in [
        "password_hash",
        "password_created_at",
        "failed_attempts",
        "failed_at",
        "last_active_at",
        "password_self_service",
    ] {
        view.remove(hidden);
    }
    let expires = row.password_expires_at.map(web::time::naive_micros);
    view.insert("password_expires_at".to_owned(), expires.into());
    if row.default_project_id.is_none() {
        view.remove("default_project_id");
    }
    view
}

/// The attributes that rules ask about.
pub fn target(row: &users::Model) -> Target<'_> {
    Target::new()
        .with("target.user.id", &row.id)
        .with("target.user.domain_id", &row.domain_id)
}

/// Loads a user and asks the policy of the route.
pub async fn load(ctx: &Ctx, id: &str) -> Result<users::Model, Fault> {
    match users::Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?
    {
        Some(row) => ctx.allow(target(&row)).map(|()| row),
        None => {
            ctx.allow(Target::new().with("target.user.id", id))?;
            Err(Fault::not_found("user", id))
        }
    }
}

/// A user's columns before a body fills them.
pub fn new_columns(domain_id: &str) -> Value {
    json!({
        "id": record::new_id(), "domain_id": domain_id, "name": "", "enabled": true, "default_project_id": null,
        "options": "{}", "extra": "{}", "password_hash": null, "password_created_at": null,
        "password_expires_at": null, "failed_attempts": 0, "failed_at": null,
        "last_active_at": sql::micros(Utc::now()), "password_self_service": false,
    })
}

/// Gives a user a new password; `None` takes it away. Hashing is slow: never call in a transaction.
pub async fn set_password(
    state: &State,
    turn: &Turn,
    row: &mut users::Model,
    password: Option<&str>,
    by_user: bool,
) -> Result<(), Fault> {
    let hash = match password {
        Some(password) => Some(state.hasher.hash(turn, checked(state, password)?).await?),
        None => None,
    };
    keep_password(state, row, hash, by_user);
    Ok(())
}

/// Gives a user a password of which the hash is known.
pub fn keep_password(state: &State, row: &mut users::Model, hash: Option<String>, by_user: bool) {
    let now = sql::micros(Utc::now());
    row.password_created_at = hash.as_ref().map(|_| now);
    row.password_expires_at = hash
        .as_ref()
        .and_then(|_| state.rules.expires_at(row, by_user, now));
    row.password_self_service = by_user && hash.is_some();
    row.password_hash = hash;
    row.failed_attempts = 0;
    row.failed_at = None;
}

fn checked<'a>(state: &State, password: &'a str) -> Result<&'a str, Fault> {
    let longest = state.settings.max_password_length;
    if password.chars().count() > longest {
        return Err(Fault::BadRequest(format!(
            "The password length must be less than or equal to {longest}. The server could not comply with \
             the request because the password is invalid."
        )));
    }
    Ok(password)
}

/// Gives a password that an administrator chose, if it is one.
async fn give_password(
    ctx: &Ctx,
    row: &mut users::Model,
    password: Option<&str>,
) -> Result<(), Fault> {
    let Some(password) = password else {
        row.password_hash = None;
        row.password_created_at = None;
        row.password_expires_at = None;
        row.password_self_service = false;
        return Ok(());
    };
    ctx.state.rules.check_new(password)?;
    let turn = ctx
        .state
        .hasher
        .turn(ctx.asker(&ctx.session()?.user.id))
        .await?;
    set_password(&ctx.state, &turn, row, Some(password), false).await
}

/// Checks the options of a body, and completes them with those that the user has.
fn settle_options(body: &mut Object, old: &str, methods: &[String]) -> Result<(), Fault> {
    if let Some(Value::Object(wanted)) = body.get("options") {
        let merged = compliance::merge_options(old, wanted, methods)?;
        body.insert("options".to_owned(), merged.into());
    }
    Ok(())
}

/// Keeps the hash that a new one replaces, and forgets those beyond what is asked.
async fn remember_password(
    state: &State,
    tx: &impl ConnectionTrait,
    user: &str,
    hash: Option<String>,
) -> Result<(), Fault> {
    use old_passwords::{Column, Entity, Model};
    let keep = state.rules.remembered_passwords();
    if let Some(password_hash) = hash.filter(|_| keep > 0) {
        let row = Model {
            id: record::new_id(),
            user_id: user.to_owned(),
            password_hash,
            replaced_at: sql::micros(Utc::now()),
        };
        record::insert::<Entity>(tx, row).await?;
    }
    let rows = Entity::find()
        .filter(Column::UserId.eq(user))
        .order_by_desc(Column::ReplacedAt)
        .all(tx)
        .await?;
    let surplus: Vec<String> = rows
        .into_iter()
        .skip(keep as usize)
        .map(|row| row.id)
        .collect();
    if !surplus.is_empty() {
        Entity::delete_many()
            .filter(Column::Id.is_in(surplus))
            .exec(tx)
            .await?;
    }
    Ok(())
}

/// Refuses a password that the user has or had, as far back as is asked.
async fn check_history(
    state: &State,
    turn: &Turn,
    user: &str,
    password: &str,
) -> Result<(), Fault> {
    let keep = state.rules.remembered_passwords();
    if keep == 0 {
        return Ok(());
    }
    let rows = old_passwords::Entity::find()
        .filter(old_passwords::Column::UserId.eq(user))
        .order_by_desc(old_passwords::Column::ReplacedAt)
        .limit(keep)
        .all(state.db.read())
        .await?;
    for row in rows {
        let hash = Some(row.password_hash.as_str());
        if state.hasher.verify(turn, password, hash).await? != Fit::No {
            return Err(state.rules.used_before());
        }
    }
    Ok(())
}

/// Takes the password out of a body: it must not end up among the other fields.
fn take_password(body: &mut Object) -> Option<Option<String>> {
    body.remove("original_password");
    body.remove("password")
        .map(|value| value.as_str().map(str::to_owned))
}

async fn check_default_project(ctx: &Ctx, body: &Object) -> Result<(), Fault> {
    let Some(id) = body.get("default_project_id").and_then(Value::as_str) else {
        return Ok(());
    };
    let row = projects::Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?;
    if row.is_some_and(|row| row.is_domain) {
        return Err(Fault::BadRequest(format!(
            "User's default project ID cannot be a domain ID: {id}"
        )));
    }
    Ok(())
}

pub async fn create(ctx: Ctx) -> Answer {
    let mut body = ctx.new_object("user", NEW)?;
    let asked = body
        .get("domain_id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let domain_id = asked.map_or_else(|| project_api::default_domain(&ctx), Ok)?;
    ctx.allow(Target::new().with("target.user.domain_id", &domain_id))?;
    domains::find(ctx.state.db.read(), &domain_id).await?;
    check_default_project(&ctx, &body).await?;
    settle_options(&mut body, "{}", &ctx.state.settings.methods)?;
    let password = take_password(&mut body).flatten();
    let mut row: users::Model = record::build(new_columns(&domain_id), &body, NEW)?;
    give_password(&ctx, &mut row, password.as_deref()).await?;
    let tx = ctx.state.begin().await?;
    record::insert::<users::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("user", &row.name))?;
    ctx.state.commit(tx).await?;
    ctx.shown("user", "users", view(&ctx.state, &row))
}

pub async fn list(ctx: Ctx) -> Answer {
    let own = ctx.session()?.caller.domain_id.clone();
    ctx.allow(Target::new().with_option("target.domain_id", own.as_deref()))?;
    let mut rows = users::Entity::find();
    if let Some(domain) = own {
        rows = rows.filter(users::Column::DomainId.eq(domain));
    }
    let rows = listed::federated(rows, &ctx.query);
    list_of(&ctx, rows, parameters::USERS.filters).await
}

/// A list of these users.
pub async fn list_of(
    ctx: &Ctx,
    rows: Select<users::Entity>,
    filters: &'static [&'static str],
) -> Answer {
    let rows = listed::expiring(rows, &ctx.query)?;
    // Who is idle for too long is shown as disabled.
    let source = Source::new(rows, filters, &[users::Column::Name]).computed(&["enabled"]);
    let show = |row: &users::Model| Ok(Some(view(&ctx.state, row)));
    ctx.list_rows("users", "users", source, show).await
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx, ctx.param("user_id")).await?;
    ctx.shown("user", "users", view(&ctx.state, &row))
}

pub async fn update(ctx: Ctx) -> Answer {
    let old = load(&ctx, ctx.param("user_id")).await?;
    let mut body = ctx.changes("user", NEW)?;
    if body
        .get("domain_id")
        .is_some_and(|domain| domain != old.domain_id.as_str())
    {
        return Err(Fault::BadRequest("Cannot change Domain ID".to_owned()));
    }
    check_default_project(&ctx, &body).await?;
    settle_options(&mut body, &old.options, &ctx.state.settings.methods)?;
    let password = take_password(&mut body);
    // Hashed before the row is locked: it takes long.
    let mut hashed: users::Model = record::change(&old, &body, NEW)?;
    if let Some(password) = &password {
        give_password(&ctx, &mut hashed, password.as_deref()).await?;
    }
    let tx = ctx.state.begin().await?;
    let old = record::lock::<users::Entity>(&tx, "user", &old.id).await?;
    let mut row: users::Model = record::change(&old, &body, NEW)?;
    if password.is_some() {
        take_hash(&mut row, &hashed);
    }
    if body.get("enabled") == Some(&Value::Bool(true)) {
        // Who is enabled again need not have logged in.
        row.last_active_at = Some(sql::micros(Utc::now()));
    }
    record::update::<users::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("user", &row.name))?;
    if password.is_some() {
        remember_password(&ctx.state, &tx, &row.id, old.password_hash).await?;
    }
    if password.is_some() || (old.enabled && !row.enabled) {
        revocation::revoke(
            &tx,
            Reason::User(&row.id),
            ctx.state.settings.token_expiration,
        )
        .await?;
    }
    ctx.state.commit(tx).await?;
    ctx.shown("user", "users", view(&ctx.state, &row))
}

/// `POST /v3/users/{user_id}/password`: needs no token, since who knows the old password may, also
/// after it has expired.
pub async fn change_password(ctx: Ctx) -> Answer {
    let body = ctx.under("user")?;
    schema::check_new(&body, PASSWORD)?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let state = &ctx.state;
    let snapshot = state.snapshot().await?;
    let id = ctx.param("user_id");
    let find = || async {
        let row = users::Entity::find_by_id(id.to_owned())
            .one(state.db.read())
            .await?;
        Ok(row.filter(|row| {
            let domain = snapshot.enabled_domain(&row.domain_id);
            domain.is_some() && state.rules.is_enabled(row, Utc::now())
        }))
    };
    // To guess here is to guess: the attempts count as those to log in do.
    let (old, new) = (text("original_password"), text("password"));
    let (turn, mut row) = login::check_password(state, ctx.asker(id), old, find).await?;
    if compliance::Options::of(&row).satisfied_by(login::PASSWORD) {
        login::forgive(state, &row).await?;
    }
    state.rules.may_change(&row, Utc::now())?;
    if new == old {
        return Err(state.rules.used_before());
    }
    state.rules.check_new(new)?;
    check_history(state, &turn, id, new).await?;
    let before = row.password_hash.clone();
    set_password(state, &turn, &mut row, Some(new), true).await?;
    drop(turn);
    let tx = state.begin().await?;
    let mut now = record::lock::<users::Entity>(&tx, "user", id).await?;
    // Somebody else changed it since the old one was looked at: that one is not right any more.
    if now.password_hash != before {
        return Err(Fault::Unauthorized);
    }
    take_hash(&mut now, &row);
    record::update::<users::Entity>(&tx, now).await?;
    remember_password(state, &tx, id, before).await?;
    revocation::revoke(&tx, Reason::User(id), state.settings.token_expiration).await?;
    state.commit(tx).await?;
    no_content()
}

/// Gives `row` the password that `hashed` has.
fn take_hash(row: &mut users::Model, hashed: &users::Model) {
    row.password_hash.clone_from(&hashed.password_hash);
    row.password_created_at = hashed.password_created_at;
    row.password_expires_at = hashed.password_expires_at;
    row.password_self_service = hashed.password_self_service;
    row.failed_attempts = hashed.failed_attempts;
    row.failed_at = hashed.failed_at;
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx, ctx.param("user_id")).await?;
    let tx = ctx.state.begin().await?;
    remove(&tx, &row.id, ctx.state.settings.token_expiration).await?;
    ctx.state.commit(tx).await?;
    no_content()
}

/// Removes a user and all that is theirs.
pub async fn remove(tx: &impl ConnectionTrait, id: &str, token_life: i64) -> Result<(), Fault> {
    let theirs = Condition::all()
        .add(assignments::Column::ActorKind.eq("user"))
        .add(assignments::Column::ActorId.eq(id));
    assignments::Entity::delete_many()
        .filter(theirs)
        .exec(tx)
        .await?;
    memberships::Entity::delete_many()
        .filter(memberships::Column::UserId.eq(id))
        .exec(tx)
        .await?;
    credentials::Entity::delete_many()
        .filter(credentials::Column::UserId.eq(id))
        .exec(tx)
        .await?;
    application_credentials::Entity::delete_many()
        .filter(application_credentials::Column::UserId.eq(id))
        .exec(tx)
        .await?;
    access_rules::Entity::delete_many()
        .filter(access_rules::Column::UserId.eq(id))
        .exec(tx)
        .await?;
    let either = Condition::any()
        .add(trusts::Column::TrustorUserId.eq(id))
        .add(trusts::Column::TrusteeUserId.eq(id));
    old_passwords::Entity::delete_many()
        .filter(old_passwords::Column::UserId.eq(id))
        .exec(tx)
        .await?;
    trusts::Entity::delete_many()
        .filter(either)
        .exec(tx)
        .await?;
    users::Entity::delete_by_id(id.to_owned()).exec(tx).await?;
    revocation::revoke(tx, Reason::User(id), token_life).await
}

pub async fn projects(ctx: Ctx) -> Answer {
    let row = load(&ctx, ctx.param("user_id")).await?;
    let mut rows = auth::reachable_projects(&ctx, &row.id).await?;
    rows.retain(|project| ctx.is_within(&project.domain_id));
    ctx.list(
        "projects",
        "projects",
        rows.iter().map(project_api::view).collect(),
        parameters::PROJECTS_OF_USER.filters,
    )
}

pub async fn groups(ctx: Ctx) -> Answer {
    let row = load(&ctx, ctx.param("user_id")).await?;
    let theirs = memberships::Entity::find()
        .select_only()
        .column(memberships::Column::GroupId)
        .filter(memberships::Column::UserId.eq(row.id));
    let mut rows =
        groups::Entity::find().filter(groups::Column::Id.in_subquery(theirs.into_query()));
    if let Some(own) = ctx.own_domain() {
        rows = rows.filter(groups::Column::DomainId.eq(own));
    }
    let source = Source::new(rows, parameters::NAMED.filters, &[groups::Column::Name]);
    let show = |row: &groups::Model| Ok(Some(record::view(row)));
    ctx.list_rows("groups", "groups", source, show).await
}
