//! Roles of users and groups on projects, domains and the system, direct (`…/roles/{role_id}`) and
//! inherited (`/v3/OS-INHERIT/…/inherited_to_projects`). The path says which.

use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
};

use crate::fault::{Answer, Fault};
use crate::frame::{Ctx, no_content};
use crate::grants::SYSTEM;
use crate::listing::Source;
use crate::parameters;
use crate::record;
use crate::revocation::{self, Reason};
use crate::tables::{assignments, groups, projects, roles, users};
use web::policy::Target;

use super::domains;
use super::roles as role_api;

/// What a path names: whose role, where.
struct Place {
    actor_kind: &'static str,
    actor_id: String,
    target_kind: &'static str,
    target_id: String,
    inherited: bool,
}

impl Place {
    fn assignment(&self, role_id: &str) -> assignments::Model {
        assignments::Model {
            actor_kind: self.actor_kind.to_owned(),
            actor_id: self.actor_id.clone(),
            target_kind: self.target_kind.to_owned(),
            target_id: self.target_id.clone(),
            role_id: role_id.to_owned(),
            inherited: self.inherited,
        }
    }
}

/// What the policy asks about the things of a path, and the first of them that does not exist.
#[derive(Default)]
struct Found {
    about: Target<'static>,
    missing: Option<(&'static str, String)>,
}

impl Found {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.about = self.about.with(name, value.to_owned());
        self
    }

    fn with_option(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.about = self.about.with_option(name, value.map(str::to_owned));
        self
    }

    fn without(mut self, kind: &'static str, id: &str) -> Self {
        self.missing.get_or_insert((kind, id.to_owned()));
        self
    }
}

/// Reads the path, asks the policy, and checks that everything named exists.
async fn place(ctx: &Ctx) -> Result<Place, Fault> {
    let (actor_kind, actor_id, found) = actor(ctx, Found::default()).await?;
    let (target_kind, target_id, found) = target(ctx, found).await?;
    let found = role(ctx, found).await?;
    ctx.allow(found.about)?;
    if let Some((kind, id)) = found.missing {
        return Err(Fault::not_found(kind, id));
    }
    Ok(Place {
        actor_kind,
        actor_id,
        target_kind,
        target_id,
        inherited: ctx.is_inherited(),
    })
}

async fn actor(ctx: &Ctx, found: Found) -> Result<(&'static str, String, Found), Fault> {
    let db = ctx.state.db.read();
    let (user_id, group_id) = (ctx.param("user_id"), ctx.param("group_id"));
    if group_id.is_empty() {
        let user = users::Entity::find_by_id(user_id.to_owned())
            .one(db)
            .await?;
        let found = match user {
            Some(user) => found
                .with("target.user.id", &user.id)
                .with("target.user.domain_id", &user.domain_id),
            None => found.without("user", user_id),
        };
        return Ok(("user", user_id.to_owned(), found));
    }
    let group = groups::Entity::find_by_id(group_id.to_owned())
        .one(db)
        .await?;
    let found = match group {
        Some(group) => found
            .with("target.group.id", &group.id)
            .with("target.group.domain_id", &group.domain_id),
        None => found.without("group", group_id),
    };
    Ok(("group", group_id.to_owned(), found))
}

async fn target(ctx: &Ctx, found: Found) -> Result<(&'static str, String, Found), Fault> {
    let db = ctx.state.db.read();
    let (project_id, domain_id) = (ctx.param("project_id"), ctx.param("domain_id"));
    if !project_id.is_empty() {
        let project = projects::Entity::find_by_id(project_id.to_owned())
            .one(db)
            .await?;
        let found = match project {
            Some(row) => {
                let domain = (!row.is_domain).then_some(row.domain_id.as_str());
                found
                    .with("target.project.id", &row.id)
                    .with_option("target.project.domain_id", domain)
            }
            None => found.without("project", project_id),
        };
        return Ok(("project", project_id.to_owned(), found));
    }
    if domain_id.is_empty() {
        return Ok((SYSTEM, SYSTEM.to_owned(), found));
    }
    let found = match domains::find(db, domain_id).await {
        Ok(row) => found.with("target.domain.id", &row.id),
        Err(Fault::NotFound { .. }) => found.without("domain", domain_id),
        Err(other) => return Err(other),
    };
    Ok(("domain", domain_id.to_owned(), found))
}

async fn role(ctx: &Ctx, found: Found) -> Result<Found, Fault> {
    let id = ctx.param("role_id");
    if id.is_empty() {
        return Ok(found.with_option("target.role.domain_id", None));
    }
    match role_api::find(ctx.state.db.read(), id).await {
        Ok(role) => Ok(found
            .with("target.role.id", &role.id)
            .with("target.role.name", &role.name)
            .with_option("target.role.domain_id", role_api::domain_of(&role))),
        Err(Fault::NotFound { .. }) => Ok(found.without("role", id)),
        Err(other) => Err(other),
    }
}

fn same(row: &assignments::Model) -> Condition {
    Condition::all()
        .add(assignments::Column::ActorKind.eq(row.actor_kind.as_str()))
        .add(assignments::Column::ActorId.eq(row.actor_id.as_str()))
        .add(assignments::Column::TargetKind.eq(row.target_kind.as_str()))
        .add(assignments::Column::TargetId.eq(row.target_id.as_str()))
        .add(assignments::Column::Inherited.eq(row.inherited))
}

/// Gives a role; giving it twice changes nothing.
pub async fn give(tx: &impl ConnectionTrait, row: assignments::Model) -> Result<(), Fault> {
    let there = same(&row).add(assignments::Column::RoleId.eq(row.role_id.as_str()));
    if assignments::Entity::find()
        .filter(there)
        .one(tx)
        .await?
        .is_none()
    {
        record::insert::<assignments::Entity>(tx, row).await?;
    }
    Ok(())
}

pub async fn create(ctx: Ctx) -> Answer {
    let place = place(&ctx).await?;
    let role = role_api::find(ctx.state.db.read(), ctx.param("role_id")).await?;
    check_home(&ctx, &place, role_api::domain_of(&role)).await?;
    let tx = ctx.state.begin().await?;
    give(&tx, place.assignment(&role.id)).await?;
    ctx.state.commit(tx).await?;
    no_content()
}

/// A domain's role is only good inside that domain, and never on the system.
async fn check_home(ctx: &Ctx, place: &Place, role_domain: Option<&str>) -> Result<(), Fault> {
    let Some(role_domain) = role_domain else {
        return Ok(());
    };
    let home = match place.target_kind {
        "project" => {
            record::find::<projects::Entity>(ctx.state.db.read(), "project", &place.target_id)
                .await?
                .domain_id
        }
        _ => place.target_id.clone(),
    };
    if home == role_domain {
        return Ok(());
    }
    Err(Fault::ForbiddenBecause(
        "Project or domain, and role, must belong to the same domain for a domain specific role."
            .to_owned(),
    ))
}

pub async fn check(ctx: Ctx) -> Answer {
    let place = place(&ctx).await?;
    let row = place.assignment(ctx.param("role_id"));
    let there = same(&row).add(assignments::Column::RoleId.eq(row.role_id.as_str()));
    match assignments::Entity::find()
        .filter(there)
        .one(ctx.state.db.read())
        .await?
    {
        Some(_) => no_content(),
        None => Err(no_assignment(&row)),
    }
}

fn no_assignment(row: &assignments::Model) -> Fault {
    let what = format!(
        "role {}, {} {} on {} {}",
        row.role_id, row.actor_kind, row.actor_id, row.target_kind, row.target_id
    );
    Fault::not_found("role assignment with", what)
}

pub async fn delete(ctx: Ctx) -> Answer {
    let place = place(&ctx).await?;
    let row = place.assignment(ctx.param("role_id"));
    let tx = ctx.state.begin().await?;
    let there = same(&row).add(assignments::Column::RoleId.eq(row.role_id.as_str()));
    if assignments::Entity::delete_many()
        .filter(there)
        .exec(&tx)
        .await?
        .rows_affected
        == 0
    {
        return Err(no_assignment(&row));
    }
    // A token shows its roles as they are now; one without roles is void already. The event is for
    // services that only read events.
    if row.actor_kind == "user" && row.target_kind == "project" && !row.inherited {
        let reason = Reason::UserOnProject(&row.actor_id, &row.target_id);
        revocation::revoke(&tx, reason, ctx.state.settings.token_expiration).await?;
    }
    ctx.state.commit(tx).await?;
    no_content()
}

pub async fn list(ctx: Ctx) -> Answer {
    let place = place(&ctx).await?;
    let held = assignments::Entity::find()
        .select_only()
        .column(assignments::Column::RoleId)
        .filter(same(&place.assignment("")));
    let rows = roles::Entity::find().filter(roles::Column::Id.in_subquery(held.into_query()));
    let source = Source::new(rows, parameters::NAMED.filters, &[roles::Column::Name]);
    let show = |row: &roles::Model| Ok(Some(role_api::view(row)));
    ctx.list_rows("roles", "roles", source, show).await
}
