//! `/v3/groups` and who is in them.

use serde_json::{Value, json};
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::listing::Source;
use crate::parameters;
use crate::record;
use crate::revocation::{self, Reason};
use crate::schema::{Field, Kind, may, must};
use crate::tables::{assignments, groups, memberships, users};
use web::policy::Target;

use super::domains;
use super::projects as project_api;
use super::users as user_api;

pub const NEW: &[Field] = &[
    must("name", Kind::Text(1, 64)),
    may("description", Kind::Text(0, 65_535)),
    may("domain_id", Kind::Id),
];

fn target(row: &groups::Model) -> Target<'_> {
    Target::new()
        .with("target.group.id", &row.id)
        .with("target.group.domain_id", &row.domain_id)
}

async fn load(ctx: &Ctx) -> Result<groups::Model, Fault> {
    let id = ctx.param("group_id");
    match groups::Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?
    {
        Some(row) => ctx.allow(target(&row)).map(|()| row),
        None => {
            ctx.allow(Target::new())?;
            Err(Fault::not_found("group", id))
        }
    }
}

pub async fn create(ctx: Ctx) -> Answer {
    let body = ctx.new_object("group", NEW)?;
    let asked = body
        .get("domain_id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let domain_id = asked.map_or_else(|| project_api::default_domain(&ctx), Ok)?;
    ctx.allow(Target::new().with("target.group.domain_id", &domain_id))?;
    domains::find(ctx.state.db.read(), &domain_id).await?;
    let columns = json!({"id": record::new_id(), "domain_id": domain_id, "name": "", "description": "", "extra": "{}"});
    let row: groups::Model = record::build(columns, &body, NEW)?;
    let tx = ctx.state.begin().await?;
    record::insert::<groups::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("group", &row.name))?;
    ctx.state.commit(tx).await?;
    ctx.shown("group", "groups", record::view(&row))
}

pub async fn list(ctx: Ctx) -> Answer {
    let own = ctx.session()?.caller.domain_id.clone();
    ctx.allow(Target::new().with_option("target.group.domain_id", own.as_deref()))?;
    let mut rows = groups::Entity::find();
    if let Some(domain) = own {
        rows = rows.filter(groups::Column::DomainId.eq(domain));
    }
    let source = Source::new(rows, parameters::GROUPS.filters, &[groups::Column::Name]);
    let show = |row: &groups::Model| Ok(Some(record::view(row)));
    ctx.list_rows("groups", "groups", source, show).await
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    ctx.shown("group", "groups", record::view(&row))
}

pub async fn update(ctx: Ctx) -> Answer {
    let old = load(&ctx).await?;
    let body = ctx.changes("group", NEW)?;
    if body
        .get("domain_id")
        .is_some_and(|domain| domain != old.domain_id.as_str())
    {
        return Err(Fault::BadRequest("Cannot change Domain ID".to_owned()));
    }
    let tx = ctx.state.begin().await?;
    let old = record::lock::<groups::Entity>(&tx, "group", &old.id).await?;
    let row: groups::Model = record::change(&old, &body, NEW)?;
    record::update::<groups::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("group", &row.name))?;
    ctx.state.commit(tx).await?;
    ctx.shown("group", "groups", record::view(&row))
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let tx = ctx.state.begin().await?;
    remove(&tx, &row.id).await?;
    ctx.state.commit(tx).await?;
    no_content()
}

/// Removes a group with its roles and memberships. Tokens lose the roles with the rows.
pub async fn remove(tx: &impl ConnectionTrait, id: &str) -> Result<(), Fault> {
    let theirs = Condition::all()
        .add(assignments::Column::ActorKind.eq("group"))
        .add(assignments::Column::ActorId.eq(id));
    assignments::Entity::delete_many()
        .filter(theirs)
        .exec(tx)
        .await?;
    memberships::Entity::delete_many()
        .filter(memberships::Column::GroupId.eq(id))
        .exec(tx)
        .await?;
    groups::Entity::delete_by_id(id.to_owned()).exec(tx).await?;
    Ok(())
}

pub async fn users(ctx: Ctx) -> Answer {
    let row = load(&ctx).await?;
    let members = memberships::Entity::find()
        .select_only()
        .column(memberships::Column::UserId)
        .filter(memberships::Column::GroupId.eq(row.id));
    let mut rows =
        users::Entity::find().filter(users::Column::Id.in_subquery(members.into_query()));
    if let Some(own) = ctx.own_domain() {
        rows = rows.filter(users::Column::DomainId.eq(own));
    }
    user_api::list_of(&ctx, rows, parameters::MEMBERS.filters).await
}

/// The group and user of the path, when the policy lets the caller touch their bond.
async fn bond(ctx: &Ctx) -> Result<memberships::Model, Fault> {
    let db = ctx.state.db.read();
    let (group_id, user_id) = (ctx.param("group_id"), ctx.param("user_id"));
    let group = groups::Entity::find_by_id(group_id.to_owned())
        .one(db)
        .await?;
    let user = users::Entity::find_by_id(user_id.to_owned())
        .one(db)
        .await?;
    let mut about = Target::new();
    if let (Some(group), Some(user)) = (&group, &user) {
        about = target(group)
            .with("target.user.id", &user.id)
            .with("target.user.domain_id", &user.domain_id);
    }
    ctx.allow(about)?;
    match (group, user) {
        (None, _) => Err(Fault::not_found("group", group_id)),
        (_, None) => Err(Fault::not_found("user", user_id)),
        (Some(group), Some(user)) => Ok(memberships::Model {
            user_id: user.id,
            group_id: group.id,
        }),
    }
}

pub async fn add_user(ctx: Ctx) -> Answer {
    let bond = bond(&ctx).await?;
    let tx = ctx.state.begin().await?;
    let key = (bond.user_id.clone(), bond.group_id.clone());
    if memberships::Entity::find_by_id(key)
        .one(&tx)
        .await?
        .is_none()
    {
        record::insert::<memberships::Entity>(&tx, bond).await?;
    }
    ctx.state.commit(tx).await?;
    no_content()
}

pub async fn has_user(ctx: Ctx) -> Answer {
    let bond = bond(&ctx).await?;
    let key = (bond.user_id.clone(), bond.group_id);
    match memberships::Entity::find_by_id(key)
        .one(ctx.state.db.read())
        .await?
    {
        Some(_) => no_content(),
        None => Err(Fault::not_found(
            "user",
            format!("{} in group", bond.user_id),
        )),
    }
}

pub async fn remove_user(ctx: Ctx) -> Answer {
    let bond = bond(&ctx).await?;
    let tx = ctx.state.begin().await?;
    let key = (bond.user_id.clone(), bond.group_id);
    let gone = memberships::Entity::delete_by_id(key).exec(&tx).await?;
    if gone.rows_affected == 0 {
        return Err(Fault::not_found(
            "user",
            format!("{} in group", bond.user_id),
        ));
    }
    revocation::revoke(
        &tx,
        Reason::User(&bond.user_id),
        ctx.state.settings.token_expiration,
    )
    .await?;
    ctx.state.commit(tx).await?;
    no_content()
}
