//! Which assignments a query asks for: among those stored, and among those that follow from them.

use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
};

use super::Line;
use crate::fault::Fault;
use crate::frame::Ctx;
use crate::grants::{self, SYSTEM};
use crate::snapshot::Snapshot;
use crate::tables::assignments::Column as C;
use crate::tables::{memberships, projects};

use crate::api::projects as project_api;

/// What the query names.
pub struct Wanted {
    role: Option<String>,
    user: Option<String>,
    group: Option<String>,
    domain: Option<String>,
    system: bool,
    /// Only the inherited ones, or only the others.
    inherited: Option<bool>,
    project: Option<Place>,
    /// The domain that the caller's token is for: nothing is told of others.
    own: Option<String>,
}

/// A project, maybe with those below it.
struct Place {
    /// The project and, if asked for, those below it.
    within: Vec<String>,
    /// The projects from which it inherits.
    above: Vec<String>,
    domain: String,
}

impl Place {
    async fn read(db: &impl ConnectionTrait, id: &str, subtree: bool) -> Result<Self, Fault> {
        let mut place = Self {
            within: vec![id.to_owned()],
            above: Vec::new(),
            domain: String::new(),
        };
        let row = projects::Entity::find_by_id(id.to_owned()).one(db).await?;
        let Some(row) = row else {
            return Ok(place);
        };
        let above = grants::ancestors(db, &row).await?;
        place.above = above.into_iter().map(|row| row.id).collect();
        if subtree {
            let family = project_api::family(db, &row).await?;
            let below = project_api::below(id, &family);
            place.within.extend(below.iter().map(|row| row.id.clone()));
        }
        place.domain = row.domain_id;
        Ok(place)
    }
}

impl Wanted {
    pub async fn read(ctx: &Ctx, db: &impl ConnectionTrait, subtree: bool) -> Result<Self, Fault> {
        let named = |key: &str| ctx.query.last(key).map(str::to_owned);
        let project = match ctx.query.last("scope.project.id") {
            Some(id) => Some(Place::read(db, id, subtree).await?),
            None => None,
        };
        Ok(Self {
            role: named("role.id"),
            user: named("user.id"),
            group: named("group.id"),
            domain: named("scope.domain.id"),
            system: ctx.query.has("scope.system"),
            inherited: inherited(ctx),
            project,
            own: ctx.own_domain().map(str::to_owned),
        })
    }

    /// The assignments as they are stored.
    pub fn stored(&self) -> Condition {
        let mut all = self.common();
        if let Some(role) = &self.role {
            all = all.add(C::RoleId.eq(role));
        }
        if let Some(user) = &self.user {
            all = all.add(at(C::ActorKind, "user", C::ActorId, [user]));
        }
        if let Some(place) = &self.project {
            all = all.add(at(C::TargetKind, "project", C::TargetId, &place.within));
        }
        all
    }

    /// The stored assignments from which those may follow that are asked for.
    pub fn behind(&self, snapshot: &Snapshot) -> Condition {
        let mut all = self.common();
        if let Some(role) = &self.role {
            let known = snapshot.roles.keys();
            let implying = known.filter(|id| snapshot.expand([id.as_str()]).contains(role));
            all = all.add(C::RoleId.is_in(implying));
        }
        if let Some(user) = &self.user {
            let theirs = memberships::Entity::find()
                .select_only()
                .column(memberships::Column::GroupId)
                .filter(memberships::Column::UserId.eq(user))
                .into_query();
            let through = Condition::all()
                .add(C::ActorKind.eq("group"))
                .add(C::ActorId.in_subquery(theirs));
            let direct = at(C::ActorKind, "user", C::ActorId, [user]);
            all = all.add(Condition::any().add(direct).add(through));
        }
        if let Some(place) = &self.project {
            let projects = place.within.iter().chain(&place.above);
            let inherited = at(C::TargetKind, "domain", C::TargetId, [&place.domain]);
            all = all.add(
                Condition::any()
                    .add(at(C::TargetKind, "project", C::TargetId, projects))
                    .add(inherited.add(C::Inherited.eq(true))),
            );
        }
        all
    }

    /// What is the same for both.
    fn common(&self) -> Condition {
        let mut all = Condition::all();
        if let Some(group) = &self.group {
            all = all.add(at(C::ActorKind, "group", C::ActorId, [group]));
        }
        if let Some(domain) = &self.domain {
            all = all.add(at(C::TargetKind, "domain", C::TargetId, [domain]));
        }
        if self.system {
            all = all.add(C::TargetKind.eq(SYSTEM));
        }
        if let Some(inherited) = self.inherited {
            all = all.add(C::Inherited.eq(inherited));
        }
        if let Some(own) = &self.own {
            let within = projects::Entity::find()
                .select_only()
                .column(projects::Column::Id)
                .filter(projects::Column::DomainId.eq(own))
                .into_query();
            let within = Condition::all()
                .add(C::TargetKind.eq("project"))
                .add(C::TargetId.in_subquery(within));
            let own = at(C::TargetKind, "domain", C::TargetId, [own]);
            all = all.add(Condition::any().add(own).add(within));
        }
        all
    }

    /// Whether an assignment that follows is asked for.
    pub fn fits(&self, line: &Line) -> bool {
        let is = |wanted: &Option<String>, have: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == have)
        };
        let on = |kind: &str| line.target_kind == kind;
        let place = self.project.as_ref();
        let here =
            place.is_none_or(|place| on("project") && place.within.contains(&line.target_id));
        // An inherited role is no role where it is given, only below.
        let real = !line.inherited || on("project");
        is(&self.role, &line.role_id)
            && is(&self.user, &line.actor_id)
            && self.group.is_none()
            && here
            && self
                .domain
                .as_ref()
                .is_none_or(|domain| on("domain") && line.target_id == *domain)
            && (!self.system || on(SYSTEM))
            && self.inherited.is_none_or(|wanted| wanted == line.inherited)
            && real
    }
}

/// Whether inherited assignments are asked for, or those that are not.
pub fn inherited(ctx: &Ctx) -> Option<bool> {
    let asked = ctx.query.last("scope.OS-INHERIT:inherited_to");
    asked.map(|word| word == "projects")
}

/// Of this kind, and one of these.
fn at<'a>(kind: C, wanted: &str, id: C, ids: impl IntoIterator<Item = &'a String>) -> Condition {
    Condition::all().add(kind.eq(wanted)).add(id.is_in(ids))
}
