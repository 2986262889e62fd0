//! `GET /v3/role_assignments`: as stored, or `effective`: groups, inheritance and implied roles
//! followed to what users really have where.

mod wanted;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};
use sql::sea_orm::{
    self, ColumnTrait, Condition, ConnectionTrait, EntityTrait, ModelTrait, QueryFilter,
    QueryOrder, QuerySelect, QueryTrait, Select,
};

use crate::fault::{Answer, Fault};
use crate::filter::{self, Page};
use crate::frame::Ctx;
use crate::grants::SYSTEM;
use crate::record::Object;
use crate::snapshot::Snapshot;
use crate::tables::{assignments, groups, memberships, projects, users};
use web::policy::Target;

use super::projects as project_api;
use wanted::Wanted;

/// One line of the answer before it is shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    role_id: String,
    actor_kind: String,
    actor_id: String,
    target_kind: String,
    target_id: String,
    inherited: bool,
    /// The group through which a user has the role.
    through_group: Option<String>,
    /// The role that implies this one.
    prior_role: Option<String>,
}

/// What is at hand when assignments are followed.
struct World {
    snapshot: Arc<Snapshot>,
    /// All projects of the domains where roles are inherited.
    projects: Vec<projects::Model>,
    /// Users by their group.
    members: HashMap<String, Vec<String>>,
}

pub async fn list(ctx: Ctx) -> Answer {
    let own = ctx.session()?.caller.domain_id.clone();
    let subtree = filter::flag(&ctx.query, "include_subtree");
    let rule = if subtree {
        "list_role_assignments_for_tree"
    } else {
        "list_role_assignments"
    };
    ctx.allow_rule(
        rule,
        Target::new().with_option("target.domain_id", own.as_deref()),
    )?;
    check_query(&ctx)?;
    let effective = filter::flag(&ctx.query, "effective");
    let db = ctx.state.db.read();
    let wanted = Wanted::read(&ctx, db, subtree).await?;
    let snapshot = ctx.state.snapshot().await?;
    let limit = filter::limit(&ctx.query);
    let stored = match effective {
        true => wanted.behind(&snapshot),
        false => wanted.stored(),
    };
    let rows = assignments::Entity::find().filter(stored.clone());
    let lines = if effective {
        let world = World::read(db, snapshot.clone(), stored).await?;
        let mut lines = world.follow(sorted(rows).all(db).await?.into_iter().map(line).collect());
        lines.retain(|line| wanted.fits(line));
        lines
    } else {
        let most = limit.map(|limit| (limit as u64).saturating_add(1));
        let most = most.filter(|most| i64::try_from(*most).is_ok());
        let rows = sorted(rows).limit(most).all(db).await?;
        rows.into_iter().map(line).collect()
    };
    let truncated = limit.is_some_and(|limit| lines.len() > limit);
    let shown = &lines[..limit.unwrap_or(lines.len()).min(lines.len())];
    let names = if filter::flag(&ctx.query, "include_names") {
        Some(Names::read(db, shown).await?)
    } else {
        None
    };
    let items = shown
        .iter()
        .map(|line| show(line, &ctx, &snapshot, names.as_ref()))
        .collect();
    ctx.paged("role_assignments", Page { items, truncated })
}

fn sorted(rows: Select<assignments::Entity>) -> Select<assignments::Entity> {
    use assignments::Column as C;
    let order = [
        C::ActorId,
        C::ActorKind,
        C::TargetKind,
        C::TargetId,
        C::RoleId,
        C::Inherited,
    ];
    order.into_iter().fold(rows, QueryOrder::order_by_asc)
}

/// Combinations that make no sense are refused with Keystone's words.
fn check_query(ctx: &Ctx) -> Result<(), Fault> {
    let has = |key: &str| ctx.query.has(key);
    let wrong = |text: &str| Err(Fault::BadRequest(text.to_owned()));
    if has("scope.domain.id") && has("scope.project.id") {
        return wrong("Specify a domain or project, not both");
    }
    if has("scope.system") && has("scope.domain.id") {
        return wrong("Specify system or domain, not both");
    }
    if has("scope.system") && has("scope.project.id") {
        return wrong("Specify system or project, not both");
    }
    if has("user.id") && has("group.id") {
        return wrong("Specify a user or group, not both");
    }
    let effective = filter::flag(&ctx.query, "effective");
    if effective && has("group.id") {
        return wrong("Combining effective and group filter will always result in an empty list.");
    }
    if effective && wanted::inherited(ctx) == Some(true) && has("scope.domain.id") {
        return wrong(
            "Combining effective, domain and inherited filters will always result in an empty list.",
        );
    }
    if filter::flag(&ctx.query, "include_subtree") && !has("scope.project.id") {
        return wrong("scope.project.id must be specified if include_subtree is also specified");
    }
    Ok(())
}

fn line(row: assignments::Model) -> Line {
    Line {
        role_id: row.role_id,
        actor_kind: row.actor_kind,
        actor_id: row.actor_id,
        target_kind: row.target_kind,
        target_id: row.target_id,
        inherited: row.inherited,
        through_group: None,
        prior_role: None,
    }
}

impl World {
    /// What following these assignments needs.
    async fn read(
        db: &impl ConnectionTrait,
        snapshot: Arc<Snapshot>,
        stored: Condition,
    ) -> Result<Self, Fault> {
        use assignments::Column as C;
        let rows = assignments::Entity::find().filter(stored).select_only();
        let groups = rows.clone().column(C::ActorId);
        let groups = groups.filter(C::ActorKind.eq("group")).into_query();
        let members = memberships::Entity::find()
            .filter(memberships::Column::GroupId.in_subquery(groups))
            .all(db)
            .await?;
        let inherited = rows.column(C::TargetId).filter(C::Inherited.eq(true));
        let on = |kind| {
            inherited
                .clone()
                .filter(C::TargetKind.eq(kind))
                .into_query()
        };
        let homes = projects::Entity::find()
            .select_only()
            .column(projects::Column::DomainId)
            .filter(projects::Column::Id.in_subquery(on("project")))
            .into_query();
        let domains = Condition::any()
            .add(projects::Column::DomainId.in_subquery(on("domain")))
            .add(projects::Column::DomainId.in_subquery(homes));
        let mut by_group: HashMap<String, Vec<String>> = HashMap::new();
        for row in members {
            by_group.entry(row.group_id).or_default().push(row.user_id);
        }
        Ok(Self {
            snapshot,
            projects: projects::Entity::find().filter(domains).all(db).await?,
            members: by_group,
        })
    }

    /// Groups become their members, inherited roles those of the projects below, and each role
    /// brings those it implies.
    fn follow(&self, lines: Vec<Line>) -> Vec<Line> {
        let mut found = BTreeMap::new();
        for line in lines {
            for line in self.per_user(line) {
                for line in self.per_target(line) {
                    for line in self.per_role(&line) {
                        let key = (
                            line.actor_id.clone(),
                            line.target_kind.clone(),
                            line.target_id.clone(),
                            line.role_id.clone(),
                        );
                        found.entry(key).or_insert(line);
                    }
                }
            }
        }
        found.into_values().collect()
    }

    fn per_user(&self, line: Line) -> Vec<Line> {
        if line.actor_kind == "user" {
            return vec![line];
        }
        let members = self.members.get(&line.actor_id).into_iter().flatten();
        members
            .map(|user| Line {
                actor_kind: "user".to_owned(),
                actor_id: user.clone(),
                through_group: Some(line.actor_id.clone()),
                ..line.clone()
            })
            .collect()
    }

    fn per_target(&self, line: Line) -> Vec<Line> {
        if !line.inherited {
            return vec![line];
        }
        let below: Vec<&projects::Model> = match line.target_kind.as_str() {
            "domain" => self
                .projects
                .iter()
                .filter(|row| row.domain_id == line.target_id)
                .collect(),
            _ => project_api::below(&line.target_id, &self.projects),
        };
        let heirs = below.into_iter().map(|row| Line {
            target_kind: "project".to_owned(),
            target_id: row.id.clone(),
            ..line.clone()
        });
        heirs.collect()
    }

    fn per_role(&self, line: &Line) -> Vec<Line> {
        let all: BTreeSet<String> = self.snapshot.expand([line.role_id.as_str()]);
        let shown = all.into_iter().filter(|id| {
            self.snapshot
                .roles
                .get(id)
                .is_some_and(|role| role.domain_id.is_empty())
        });
        shown
            .map(|id| Line {
                prior_role: (id != line.role_id).then(|| line.role_id.clone()),
                role_id: id,
                ..line.clone()
            })
            .collect()
    }
}

/// Names of what lines speak of; those of roles and domains are at hand.
struct Names {
    users: HashMap<String, users::Model>,
    groups: HashMap<String, groups::Model>,
    projects: HashMap<String, projects::Model>,
}

impl Names {
    async fn read(db: &impl ConnectionTrait, lines: &[Line]) -> Result<Self, Fault> {
        let actors = |kind: &str| {
            let lines = lines.iter().filter(|line| line.actor_kind == kind);
            lines.map(|line| line.actor_id.clone()).collect()
        };
        let targets = lines.iter().filter(|line| line.target_kind == "project");
        let targets = targets.map(|line| line.target_id.clone()).collect();
        Ok(Names {
            users: by_id::<users::Entity>(db, users::Column::Id, actors("user")).await?,
            groups: by_id::<groups::Entity>(db, groups::Column::Id, actors("group")).await?,
            projects: by_id::<projects::Entity>(db, projects::Column::Id, targets).await?,
        })
    }
}

/// Rows by their id.
async fn by_id<E>(
    db: &impl ConnectionTrait,
    id: E::Column,
    ids: BTreeSet<String>,
) -> Result<HashMap<String, E::Model>, Fault>
where
    E: EntityTrait<Model: ModelTrait<Entity = E>>,
{
    let ids: Vec<String> = ids.into_iter().collect();
    let mut all = HashMap::new();
    // Statements may not name any number of values.
    for ids in ids.chunks(1000) {
        let rows = E::find().filter(id.is_in(ids)).all(db).await?;
        all.extend(rows.into_iter().filter_map(|row| match row.get(id) {
            sea_orm::Value::String(Some(id)) => Some((id, row)),
            _ => None,
        }));
    }
    Ok(all)
}

fn show(line: &Line, ctx: &Ctx, snapshot: &Snapshot, names: Option<&Names>) -> Object {
    let mut item = Object::new();
    item.insert("role".to_owned(), role(line, snapshot, names.is_some()));
    let mut actor = json!({"id": line.actor_id});
    if let Some(names) = names {
        let found = match line.actor_kind.as_str() {
            "user" => names
                .users
                .get(&line.actor_id)
                .map(|row| (&row.name, &row.domain_id)),
            _ => names
                .groups
                .get(&line.actor_id)
                .map(|row| (&row.name, &row.domain_id)),
        };
        if let Some((name, domain)) = found {
            actor = json!({"id": line.actor_id, "name": name, "domain": named_domain(snapshot, domain)});
        }
    }
    item.insert(line.actor_kind.clone(), actor);
    let mut scope = match line.target_kind.as_str() {
        "project" => json!({"project": project(line, snapshot, names)}),
        "domain" if names.is_some() => json!({"domain": named_domain(snapshot, &line.target_id)}),
        "domain" => json!({"domain": {"id": line.target_id}}),
        _ => json!({"system": {"all": true}}),
    };
    if line.inherited {
        scope["OS-INHERIT:inherited_to"] = "projects".into();
    }
    item.insert("scope".to_owned(), scope);
    item.insert("links".to_owned(), links(line, ctx));
    item
}

fn role(line: &Line, snapshot: &Snapshot, named: bool) -> Value {
    match snapshot.roles.get(&line.role_id).filter(|_| named) {
        Some(role) if role.domain_id.is_empty() => json!({"id": role.id, "name": role.name}),
        Some(role) => {
            json!({"id": role.id, "name": role.name, "domain": named_domain(snapshot, &role.domain_id)})
        }
        None => json!({"id": line.role_id}),
    }
}

fn project(line: &Line, snapshot: &Snapshot, names: Option<&Names>) -> Value {
    match names.and_then(|names| names.projects.get(&line.target_id)) {
        Some(row) => {
            json!({"id": row.id, "name": row.name, "domain": named_domain(snapshot, &row.domain_id)})
        }
        None => json!({"id": line.target_id}),
    }
}

fn named_domain(snapshot: &Snapshot, id: &str) -> Value {
    json!({"id": id, "name": snapshot.domain_name(id)})
}

fn links(line: &Line, ctx: &Ctx) -> Value {
    let place = match line.target_kind.as_str() {
        SYSTEM => SYSTEM.to_owned(),
        kind => format!("{kind}s/{}", line.target_id),
    };
    let (prefix, suffix) = if line.inherited {
        ("OS-INHERIT/", "/inherited_to_projects")
    } else {
        ("", "")
    };
    let (kind, id) = match &line.through_group {
        Some(group) => ("groups", group),
        None if line.actor_kind == "group" => ("groups", &line.actor_id),
        None => ("users", &line.actor_id),
    };
    let role = line.prior_role.as_ref().unwrap_or(&line.role_id);
    let mut links = json!({
        "assignment": format!("{}/v3/{prefix}{place}/{kind}/{id}/roles/{role}{suffix}", ctx.base),
    });
    if let Some(group) = &line.through_group {
        links["membership"] =
            format!("{}/v3/groups/{group}/users/{}", ctx.base, line.actor_id).into();
    }
    if let Some(prior) = &line.prior_role {
        links["prior_role"] =
            format!("{}/v3/roles/{prior}/implies/{}", ctx.base, line.role_id).into();
    }
    links
}
