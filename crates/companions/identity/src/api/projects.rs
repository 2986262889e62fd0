//! `/v3/projects`: a tree below each domain.

use serde_json::{Value, json};
use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
};
use web::Query;

use crate::fault::{Answer, Fault};
use crate::filter;
use crate::frame::{Ctx, no_content};
use crate::grants;
use crate::immutable;
use crate::listing::{self, Source};
use crate::parameters;
use crate::record::{self, Object};
use crate::revocation::{self, Reason};
use crate::schema::{Field, Kind, may, must};
use crate::tables::{
    application_credentials, assignments, credentials, limits, project_endpoint_groups,
    project_endpoints, projects, trusts, users,
};
use web::policy::Target;

use super::auth;
use super::domains::{self, ROOT};

pub const NEW: &[Field] = &[
    must("name", Kind::Text(1, 64)),
    may("description", Kind::MaybeText(65_535)),
    may("domain_id", Kind::MaybeId),
    may("enabled", Kind::Flag),
    may("is_domain", Kind::Flag),
    may("options", Kind::Object).within("immutable; others are refused with 400"),
    may("parent_id", Kind::MaybeId),
    may("tags", Kind::Tags),
];

/// A project as clients see it.
pub fn view(row: &projects::Model) -> Object {
    let mut view = record::view(row);
    if row.is_domain {
        view.insert("domain_id".to_owned(), Value::Null);
    }
    view
}

/// What a row is called in messages.
fn kind(row: &projects::Model) -> &'static str {
    match row.is_domain {
        true => "domain",
        false => "project",
    }
}

/// The attributes that rules ask about.
pub fn target(row: &projects::Model) -> Target<'_> {
    let domain = (!row.is_domain).then_some(row.domain_id.as_str());
    Target::new()
        .with("target.project.id", &row.id)
        .with_option("target.project.domain_id", domain)
}

/// Loads a project and asks the policy of the route about it. Who may not see a project is not told
/// whether it exists, except by a policy that would allow any.
pub async fn load(ctx: &Ctx, id: &str) -> Result<projects::Model, Fault> {
    match projects::Entity::find_by_id(id.to_owned())
        .one(ctx.state.db.read())
        .await?
    {
        Some(row) => ctx.allow(target(&row)).map(|()| row),
        None => {
            ctx.allow(Target::new())?;
            Err(Fault::not_found("project", id))
        }
    }
}

/// The domain that a new thing belongs to when the body does not say: that of the caller's scope.
pub fn default_domain(ctx: &Ctx) -> Result<String, Fault> {
    let caller = &ctx.session()?.caller;
    let scope = caller
        .domain_id
        .clone()
        .or_else(|| caller.project_domain_id.clone());
    Ok(scope.unwrap_or_else(|| "default".to_owned()))
}

/// Where a new project hangs.
struct Place {
    domain_id: String,
    parent_id: String,
}

async fn place(ctx: &Ctx, body: &Object) -> Result<Place, Fault> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
    let db = ctx.state.db.read();
    let asked = text("domain_id");
    let Some(parent_id) = text("parent_id") else {
        let domain_id = asked.map_or_else(|| default_domain(ctx), Ok)?;
        domains::find(db, &domain_id).await?;
        return Ok(Place {
            parent_id: domain_id.clone(),
            domain_id,
        });
    };
    let parent: projects::Model =
        record::find::<projects::Entity>(db, "project", &parent_id).await?;
    let home = if parent.is_domain {
        parent.id.clone()
    } else {
        parent.domain_id.clone()
    };
    let domain_id = asked.unwrap_or_else(|| home.clone());
    if domain_id != home {
        return Err(Fault::BadRequest(format!(
            "Cannot create project, since it specifies its domain_id {domain_id}, but specifies a parent \
             in a different domain ({home})."
        )));
    }
    if !parent.enabled {
        return Err(Fault::ForbiddenBecause(format!(
            "cannot create a project in a branch containing a disabled project: {parent_id}"
        )));
    }
    let depth = if parent.is_domain {
        0
    } else {
        1 + grants::ancestors(db, &parent).await?.len()
    };
    if depth >= ctx.state.settings.max_project_tree_depth {
        return Err(Fault::ForbiddenBecause(format!(
            "Max hierarchy depth reached for {parent_id} branch."
        )));
    }
    Ok(Place {
        domain_id,
        parent_id,
    })
}

pub async fn create(ctx: Ctx) -> Answer {
    let mut body = ctx.new_object("project", NEW)?;
    immutable::settle(&mut body, "{}")?;
    if body.get("is_domain") == Some(&Value::Bool(true)) {
        ctx.allow_rule("create_domain", Target::new())?;
        let tx = ctx.state.begin().await?;
        let row = domains::make(&tx, &body).await?;
        ctx.state.commit(tx).await?;
        return ctx.shown("project", "projects", view(&row));
    }
    let asked = body
        .get("domain_id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let likely = asked.map_or_else(|| default_domain(&ctx), Ok)?;
    ctx.allow(Target::new().with("target.project.domain_id", &likely))?;
    let place = place(&ctx, &body).await?;
    ctx.allow(Target::new().with("target.project.domain_id", &place.domain_id))?;
    body.insert("domain_id".to_owned(), place.domain_id.into());
    body.insert("parent_id".to_owned(), place.parent_id.into());
    let row: projects::Model = record::build(new_columns(), &body, NEW)?;
    let tx = ctx.state.begin().await?;
    if let Some(parent) = &row.parent_id {
        record::lock::<projects::Entity>(&tx, "project", parent).await?;
    }
    record::insert::<projects::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("project", &row.name))?;
    ctx.state.commit(tx).await?;
    ctx.shown("project", "projects", view(&row))
}

/// A project's columns before a body fills them.
pub fn new_columns() -> Value {
    json!({
        "id": record::new_id(), "domain_id": ROOT, "name": "", "description": "", "enabled": true,
        "is_domain": false, "parent_id": null, "tags": "[]", "options": "{}", "extra": "{}",
    })
}

pub async fn list(ctx: Ctx) -> Answer {
    let own = ctx.session()?.caller.domain_id.clone();
    ctx.allow(Target::new().with_option("target.domain_id", own.as_deref()))?;
    let domains_wanted = filter::flag(&ctx.query, "is_domain");
    let mut rows = projects::Entity::find()
        .filter(projects::Column::IsDomain.eq(domains_wanted))
        .filter(may_have_tags(&ctx.query));
    if let Some(domain) = own {
        rows = rows.filter(projects::Column::DomainId.eq(domain));
    }
    let source = Source::new(
        rows,
        parameters::PROJECTS.filters,
        &[projects::Column::Name],
    );
    let show = |row: &projects::Model| {
        let item = view(row);
        Ok(has_tags(&item, &ctx.query).then_some(item))
    };
    ctx.list_rows("projects", "projects", source, show).await
}

/// The tags that a filter of the query names.
fn tags_of(query: &Query, key: &str) -> Option<Vec<String>> {
    let text = query.last(key)?;
    Some(text.split(',').map(str::to_owned).collect())
}

/// Projects of which the text of their tags holds those wanted; [`has_tags`] tells whether they are tags.
fn may_have_tags(query: &Query) -> Condition {
    let holds = |tag: &String| listing::holding(projects::Column::Tags, &json!(tag).to_string());
    let all = tags_of(query, "tags").unwrap_or_default();
    let all = all.iter().map(holds).fold(Condition::all(), Condition::add);
    match tags_of(query, "tags-any") {
        Some(any) => all.add(any.iter().map(holds).fold(Condition::any(), Condition::add)),
        None => all,
    }
}

/// `tags` (all of), `tags-any`, `not-tags` (not all of), `not-tags-any`.
fn has_tags(item: &Object, query: &Query) -> bool {
    let have = item.get("tags").and_then(Value::as_array);
    let has = |tag: &str| have.is_some_and(|have| have.iter().any(|one| one == tag));
    let wanted = |key: &str| tags_of(query, key);
    let all = |tags: &[String]| tags.iter().all(|tag| has(tag));
    let any = |tags: &[String]| tags.iter().any(|tag| has(tag));
    wanted("tags").is_none_or(|tags| all(&tags))
        && wanted("tags-any").is_none_or(|tags| any(&tags))
        && wanted("not-tags").is_none_or(|tags| !all(&tags))
        && wanted("not-tags-any").is_none_or(|tags| !any(&tags))
}

pub async fn show(ctx: Ctx) -> Answer {
    let row = load(&ctx, ctx.param("project_id")).await?;
    if filter::flag(&ctx.query, "include_limits") {
        return Err(Fault::Later(format!(
            "include_limits: {}",
            parameters::NO_LIMITS
        )));
    }
    let mut view = view(&row);
    let asked = |key: &str| ctx.query.has(key) && ctx.query.last(key).is_some_and(filter::is_true);
    if asked("parents_as_list") || asked("parents_as_ids") {
        let above = grants::ancestors(ctx.state.db.read(), &row).await?;
        let parents = if asked("parents_as_list") {
            shown_to(&ctx, above.iter()).await?
        } else {
            above
                .iter()
                .rev()
                .fold(Value::Null, |inner, row| json!({row.id.clone(): inner}))
        };
        view.insert("parents".to_owned(), parents);
    }
    if asked("subtree_as_list") || asked("subtree_as_ids") {
        let family = family(ctx.state.db.read(), &row).await?;
        let subtree = if asked("subtree_as_list") {
            shown_to(&ctx, below(&row.id, &family).into_iter()).await?
        } else {
            tree(&row.id, &family)
        };
        view.insert("subtree".to_owned(), subtree);
    }
    ctx.shown("project", "projects", view)
}

/// Relatives of a project as the caller sees them: those that they may show, or have a role on. The ids
/// of the others are no secret (`parents_as_ids`), their names and descriptions are.
async fn shown_to(
    ctx: &Ctx,
    relatives: impl Iterator<Item = &projects::Model>,
) -> Result<Value, Fault> {
    let own = auth::reachable_projects(ctx, &ctx.session()?.user.id).await?;
    let mut shown = Vec::new();
    for row in relatives {
        if ctx.may("get_project", target(row))? || own.iter().any(|own| own.id == row.id) {
            shown.push(json!({"project": ctx.linked("projects", view(row))}));
        }
    }
    Ok(shown.into())
}

/// All projects of the domain of `row`.
pub async fn family(
    db: &impl ConnectionTrait,
    row: &projects::Model,
) -> Result<Vec<projects::Model>, Fault> {
    let domain = if row.is_domain {
        &row.id
    } else {
        &row.domain_id
    };
    Ok(projects::Entity::find()
        .filter(projects::Column::DomainId.eq(domain))
        .all(db)
        .await?)
}

/// The projects below `id` among `family`.
pub fn below<'a>(id: &str, family: &'a [projects::Model]) -> Vec<&'a projects::Model> {
    let mut found: Vec<&projects::Model> = Vec::new();
    let mut open = vec![id];
    while let Some(parent) = open.pop() {
        for row in family
            .iter()
            .filter(|row| row.parent_id.as_deref() == Some(parent))
        {
            open.push(&row.id);
            found.push(row);
        }
    }
    found
}

fn tree(id: &str, family: &[projects::Model]) -> Value {
    let children = family
        .iter()
        .filter(|row| row.parent_id.as_deref() == Some(id));
    let nested: Object = children
        .map(|row| (row.id.clone(), tree(&row.id, family)))
        .collect();
    if nested.is_empty() {
        Value::Null
    } else {
        Value::Object(nested)
    }
}

pub async fn update(ctx: Ctx) -> Answer {
    let old = load(&ctx, ctx.param("project_id")).await?;
    let mut body = ctx.changes("project", NEW)?;
    for fixed in ["domain_id", "is_domain", "parent_id"] {
        if body
            .get(fixed)
            .is_some_and(|value| view(&old).get(fixed) != Some(value))
        {
            return Err(match fixed {
                "parent_id" => {
                    Fault::ForbiddenBecause("Update of `parent_id` is not allowed.".to_owned())
                }
                _ => Fault::BadRequest(format!("Cannot change '{fixed}' of a project.")),
            });
        }
    }
    let tx = ctx.state.begin().await?;
    let old = record::lock::<projects::Entity>(&tx, "project", &old.id).await?;
    immutable::may_change(kind(&old), &old.id, &old.options, &body)?;
    immutable::settle(&mut body, &old.options)?;
    let mut row: projects::Model = record::change(&old, &body, NEW)?;
    row.domain_id.clone_from(&old.domain_id);
    if old.enabled && !row.enabled {
        let family = family(&tx, &row).await?;
        if !row.is_domain && below(&row.id, &family).iter().any(|below| below.enabled) {
            return Err(Fault::ForbiddenBecause(format!(
                "Cannot disable project {} since its subtree contains enabled projects.",
                row.id
            )));
        }
        revocation::revoke(
            &tx,
            Reason::Project(&row.id),
            ctx.state.settings.token_expiration,
        )
        .await?;
    }
    if !old.enabled && row.enabled {
        let above = grants::ancestors(&tx, &row).await?;
        if above.iter().any(|above| !above.enabled) {
            return Err(Fault::ForbiddenBecause(format!(
                "Cannot enable project {} since it has disabled parents",
                row.id
            )));
        }
    }
    record::update::<projects::Entity>(&tx, row.clone())
        .await
        .map_err(|fault| fault.or_duplicate("project", &row.name))?;
    ctx.state.commit(tx).await?;
    ctx.shown("project", "projects", view(&row))
}

pub async fn delete(ctx: Ctx) -> Answer {
    let row = load(&ctx, ctx.param("project_id")).await?;
    if row.is_domain {
        return domains::delete_row(&ctx, &row).await;
    }
    let tx = ctx.state.begin().await?;
    // Whoever makes a project below it waits for this, or this for them.
    let row = record::lock::<projects::Entity>(&tx, "project", &row.id).await?;
    immutable::may_remove(kind(&row), &row.id, &row.options)?;
    let children = projects::Entity::find()
        .filter(projects::Column::ParentId.eq(row.id.as_str()))
        .count(&tx)
        .await?;
    if children > 0 {
        return Err(Fault::ForbiddenBecause(format!(
            "Cannot delete the project {} since it is not a leaf in the hierarchy. Use the cascade option \
             if you want to delete a whole subtree.",
            row.id
        )));
    }
    remove(&tx, &row.id, ctx.state.settings.token_expiration).await?;
    ctx.state.commit(tx).await?;
    no_content()
}

/// Removes a project and all that hangs on it.
pub async fn remove(tx: &impl ConnectionTrait, id: &str, token_life: i64) -> Result<(), Fault> {
    assignments::Entity::delete_many()
        .filter(assignments::Column::TargetId.eq(id))
        .exec(tx)
        .await?;
    credentials::Entity::delete_many()
        .filter(credentials::Column::ProjectId.eq(id))
        .exec(tx)
        .await?;
    application_credentials::Entity::delete_many()
        .filter(application_credentials::Column::ProjectId.eq(id))
        .exec(tx)
        .await?;
    trusts::Entity::delete_many()
        .filter(trusts::Column::ProjectId.eq(id))
        .exec(tx)
        .await?;
    limits::Entity::delete_many()
        .filter(limits::Column::ProjectId.eq(id))
        .exec(tx)
        .await?;
    project_endpoints::Entity::delete_many()
        .filter(project_endpoints::Column::ProjectId.eq(id))
        .exec(tx)
        .await?;
    project_endpoint_groups::Entity::delete_many()
        .filter(project_endpoint_groups::Column::ProjectId.eq(id))
        .exec(tx)
        .await?;
    users::Entity::update_many()
        .col_expr(users::Column::DefaultProjectId, Expr::value(None::<String>))
        .filter(users::Column::DefaultProjectId.eq(id))
        .exec(tx)
        .await?;
    projects::Entity::delete_by_id(id.to_owned())
        .exec(tx)
        .await?;
    revocation::revoke(tx, Reason::Project(id), token_life).await
}
