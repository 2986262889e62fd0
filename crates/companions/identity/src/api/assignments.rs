//! `GET /v3/role_assignments`: as stored, or `effective`: groups, inheritance and implied roles
//! followed to what users really have where.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};
use sql::sea_orm::{EntityTrait, QueryOrder};

use crate::fault::{Answer, Fault};
use crate::filter;
use crate::frame::Ctx;
use crate::grants::SYSTEM;
use crate::record::Object;
use crate::snapshot::Snapshot;
use crate::tables::{assignments, groups, memberships, projects, users};
use web::policy::Target;

use super::projects as project_api;

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

/// Everything that following assignments needs.
struct World {
    snapshot: std::sync::Arc<Snapshot>,
    projects: Vec<projects::Model>,
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
    let db = ctx.state.db.read();
    let world = World {
        snapshot: ctx.state.snapshot().await?,
        projects: projects::Entity::find().all(db).await?,
        members: members(&ctx).await?,
    };
    let stored = assignments::Entity::find()
        .order_by_asc(assignments::Column::ActorId)
        .all(db)
        .await?;
    let mut lines: Vec<Line> = stored.into_iter().map(line).collect();
    let effective = ctx.query.has("effective") && filter::flag(&ctx.query, "effective")
        || ctx.query.last("effective") == Some("");
    if effective {
        lines = world.follow(lines);
    }
    lines.retain(|line| fits(line, &ctx, &world, effective, subtree));
    if let Some(own) = own {
        lines.retain(|line| world.is_in_domain(line, &own));
    }
    let names = if filter::flag(&ctx.query, "include_names") {
        Some(Names::read(&ctx, &world).await?)
    } else {
        None
    };
    let items = lines
        .iter()
        .map(|line| show(line, &ctx, &world, names.as_ref()))
        .collect();
    ctx.list_as_is("role_assignments", items, &[])
}

async fn members(ctx: &Ctx) -> Result<HashMap<String, Vec<String>>, Fault> {
    let mut all: HashMap<String, Vec<String>> = HashMap::new();
    for row in memberships::Entity::find().all(ctx.state.db.read()).await? {
        all.entry(row.group_id).or_default().push(row.user_id);
    }
    Ok(all)
}

/// Combinations that make no sense are refused with Keystone's words.
fn check_query(ctx: &Ctx) -> Result<(), Fault> {
    let has = |key: &str| ctx.query.has(key);
    let wrong = |text: &str| Err(Fault::BadRequest(text.to_owned()));
    if has("scope.domain.id") && has("scope.project.id") {
        return wrong("Specify a domain or project, not both");
    }
    if has("user.id") && has("group.id") {
        return wrong("Specify a user or group, not both");
    }
    if has("effective") && has("group.id") {
        return wrong("Combining effective and group filter will always result in an empty list.");
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

    fn project(&self, id: &str) -> Option<&projects::Model> {
        self.projects.iter().find(|row| row.id == id)
    }

    fn is_in_domain(&self, line: &Line, domain: &str) -> bool {
        match line.target_kind.as_str() {
            "domain" => line.target_id == domain,
            "project" => self
                .project(&line.target_id)
                .is_some_and(|row| row.domain_id == domain),
            _ => false,
        }
    }
}

fn fits(line: &Line, ctx: &Ctx, world: &World, effective: bool, subtree: bool) -> bool {
    let wanted = |key: &str| ctx.query.last(key);
    let is = |key: &str, have: &str| wanted(key).is_none_or(|want| want == have);
    let actor = |key: &str, kind: &str| {
        wanted(key).is_none_or(|want| line.actor_kind == kind && line.actor_id == want)
    };
    let project = wanted("scope.project.id").is_none_or(|want| {
        let here = line.target_id == want;
        let below = subtree
            && project_api::below(want, &world.projects)
                .iter()
                .any(|row| row.id == line.target_id);
        line.target_kind == "project" && (here || below)
    });
    let domain = wanted("scope.domain.id")
        .is_none_or(|want| line.target_kind == "domain" && line.target_id == want);
    let system = wanted("scope.system").is_none_or(|_| line.target_kind == SYSTEM);
    let inherited = wanted("scope.OS-INHERIT:inherited_to").is_none_or(|_| line.inherited);
    // An inherited role is no role where it is given, only below.
    let real = !effective || !line.inherited || line.target_kind == "project";
    is("role.id", &line.role_id)
        && actor("user.id", "user")
        && actor("group.id", "group")
        && project
        && domain
        && system
        && inherited
        && real
}

/// Names of users and groups; those of roles, projects and domains are at hand.
struct Names {
    users: HashMap<String, users::Model>,
    groups: HashMap<String, groups::Model>,
}

impl Names {
    async fn read(ctx: &Ctx, _world: &World) -> Result<Self, Fault> {
        let db = ctx.state.db.read();
        let users = users::Entity::find().all(db).await?;
        let groups = groups::Entity::find().all(db).await?;
        Ok(Names {
            users: users.into_iter().map(|row| (row.id.clone(), row)).collect(),
            groups: groups
                .into_iter()
                .map(|row| (row.id.clone(), row))
                .collect(),
        })
    }
}

fn show(line: &Line, ctx: &Ctx, world: &World, names: Option<&Names>) -> Object {
    let mut item = Object::new();
    item.insert("role".to_owned(), role(line, world, names.is_some()));
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
            actor =
                json!({"id": line.actor_id, "name": name, "domain": named_domain(world, domain)});
        }
    }
    item.insert(line.actor_kind.clone(), actor);
    let mut scope = match line.target_kind.as_str() {
        "project" => json!({"project": project(line, world, names.is_some())}),
        "domain" if names.is_some() => json!({"domain": named_domain(world, &line.target_id)}),
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

fn role(line: &Line, world: &World, named: bool) -> Value {
    match world.snapshot.roles.get(&line.role_id).filter(|_| named) {
        Some(role) if role.domain_id.is_empty() => json!({"id": role.id, "name": role.name}),
        Some(role) => {
            json!({"id": role.id, "name": role.name, "domain": named_domain(world, &role.domain_id)})
        }
        None => json!({"id": line.role_id}),
    }
}

fn project(line: &Line, world: &World, named: bool) -> Value {
    match world.project(&line.target_id).filter(|_| named) {
        Some(row) => {
            json!({"id": row.id, "name": row.name, "domain": named_domain(world, &row.domain_id)})
        }
        None => json!({"id": line.target_id}),
    }
}

fn named_domain(world: &World, id: &str) -> Value {
    json!({"id": id, "name": world.snapshot.domain_name(id)})
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
