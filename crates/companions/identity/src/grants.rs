//! Which roles a user has where: direct ones, those of groups, those inherited from a domain or a
//! parent project, and those that others imply.

use std::collections::BTreeSet;

use sql::sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter};

use crate::fault::Fault;
use crate::snapshot::Snapshot;
use crate::tables::{assignments, memberships, projects};

/// The id of the one target of kind `system`.
pub const SYSTEM: &str = "system";

/// All assignments that reach a user, by name or through groups.
pub struct Held {
    pub rows: Vec<assignments::Model>,
}

/// The groups of a user.
pub async fn groups_of(db: &impl ConnectionTrait, user_id: &str) -> Result<Vec<String>, Fault> {
    let rows = memberships::Entity::find()
        .filter(memberships::Column::UserId.eq(user_id))
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.group_id).collect())
}

/// Reads the assignments of a user and of their groups.
pub async fn held_by(db: &impl ConnectionTrait, user_id: &str) -> Result<Held, Fault> {
    let groups = groups_of(db, user_id).await?;
    let by_user = Condition::all()
        .add(assignments::Column::ActorKind.eq("user"))
        .add(assignments::Column::ActorId.eq(user_id));
    let mut whose = Condition::any().add(by_user);
    if !groups.is_empty() {
        whose = whose.add(
            Condition::all()
                .add(assignments::Column::ActorKind.eq("group"))
                .add(assignments::Column::ActorId.is_in(groups)),
        );
    }
    Ok(Held {
        rows: assignments::Entity::find().filter(whose).all(db).await?,
    })
}

/// The projects above a project, nearest first, without the domain.
pub async fn ancestors(
    db: &impl ConnectionTrait,
    project: &projects::Model,
) -> Result<Vec<projects::Model>, Fault> {
    let mut all: Vec<projects::Model> = Vec::new();
    let mut parent = project.parent_id.clone();
    while let Some(id) = parent.filter(|id| *id != project.domain_id) {
        let Some(row) = projects::Entity::find_by_id(id).one(db).await? else {
            break;
        };
        parent = row
            .parent_id
            .clone()
            .filter(|next| all.iter().all(|seen| seen.id != *next));
        all.push(row);
    }
    Ok(all)
}

impl Held {
    /// Roles on a project, given the ids of its ancestors.
    pub fn on_project(
        &self,
        project: &projects::Model,
        ancestors: &[projects::Model],
    ) -> BTreeSet<&str> {
        let inherits = |row: &assignments::Model| match row.target_kind.as_str() {
            "project" => ancestors.iter().any(|above| above.id == row.target_id),
            "domain" => row.target_id == project.domain_id,
            _ => false,
        };
        self.roles(|row| {
            let direct =
                !row.inherited && row.target_kind == "project" && row.target_id == project.id;
            direct || (row.inherited && inherits(row))
        })
    }

    /// Roles on a domain.
    pub fn on_domain(&self, id: &str) -> BTreeSet<&str> {
        self.roles(|row| !row.inherited && row.target_kind == "domain" && row.target_id == id)
    }

    /// Roles on the system.
    pub fn on_system(&self) -> BTreeSet<&str> {
        self.roles(|row| row.target_kind == SYSTEM)
    }

    fn roles(&self, fits: impl Fn(&assignments::Model) -> bool) -> BTreeSet<&str> {
        let rows = self.rows.iter().filter(|row| fits(row));
        rows.map(|row| row.role_id.as_str()).collect()
    }
}

/// `(id, name)` of the roles a token shows: with implied ones, without those of a domain, which
/// only serve to imply others.
pub fn shown<'a>(
    snapshot: &Snapshot,
    roles: impl IntoIterator<Item = &'a str>,
) -> Vec<(String, String)> {
    let all = snapshot.expand(roles);
    let known = all.iter().filter_map(|id| snapshot.roles.get(id));
    known
        .filter(|role| role.domain_id.is_empty())
        .map(|role| (role.id.clone(), role.name.clone()))
        .collect()
}
