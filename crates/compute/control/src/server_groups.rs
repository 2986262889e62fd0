//! Server groups: servers that want to be together, or apart.

use compute_db::quotas::{self, Owner};
use compute_db::{DbError, server_groups};
use compute_model::quota::Resource;
use compute_model::server_group::{GroupPolicy, ServerGroup};
use sql::sea_orm::DatabaseTransaction;

use crate::{Context, Control, ControlError, Result, policy};

/// A group that is asked for.
#[derive(Debug, Clone)]
pub struct NewServerGroup {
    pub name: String,
    pub policy: GroupPolicy,
    pub max_server_per_host: Option<u32>,
}

/// Makes a group without members.
///
/// # Errors
/// 400 for a number of members with another policy than anti-affinity; 403 when the project has too
/// many groups.
pub async fn create(control: &Control, cx: &Context, new: NewServerGroup) -> Result<ServerGroup> {
    policy::allow(control, cx)?;
    let project = cx.project()?;
    if new.policy != GroupPolicy::AntiAffinity && new.max_server_per_host.is_some() {
        return Err(ControlError::Invalid {
            why: "Only anti-affinity policy supports rules.".to_owned(),
        });
    }
    let group = ServerGroup {
        id: uuid::Uuid::new_v4().to_string(),
        project_id: project.to_owned(),
        user_id: cx.caller.user_id.clone(),
        name: new.name,
        policy: new.policy,
        max_server_per_host: new.max_server_per_host,
        members: Vec::new(),
        created_at: sql::micros(chrono::Utc::now()),
    };
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        must_have_room(control, &tx, &group).await?;
        server_groups::insert(&tx, &group).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok::<_, ControlError>(())
    })
    .await?;
    Ok(group)
}

/// One group.
///
/// # Errors
/// 404; 403 for a group of another project.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<ServerGroup> {
    let group = server_groups::find(control.db.read(), id).await;
    let group = group.map_err(|error| missing(error, id))?;
    allow_on(control, cx, &group)?;
    Ok(group)
}

/// Groups of the caller's project, for operators of `all_projects` when they ask for them: at most
/// `limit` after the first `offset`.
///
/// # Errors
/// Denied.
pub async fn list(
    control: &Control,
    cx: &Context,
    all_projects: bool,
    (offset, limit): (u64, u64),
) -> Result<Vec<ServerGroup>> {
    policy::allow(control, cx)?;
    // Others than operators may say so, too, and see what they always see.
    let all = all_projects && policy::is_admin(control, cx);
    if all {
        let rule = "os_compute_api:os-server-groups:index:all_projects";
        policy::allow_rule(control, cx, rule)?;
    }
    let project = match all {
        true => None,
        false => Some(cx.project()?),
    };
    Ok(server_groups::list(control.db.read(), project, offset, limit).await?)
}

/// Removes a group. Its servers stay, and stay where they are.
///
/// # Errors
/// 404; 403 for a group of another project.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let group = server_groups::lock(&tx, id).await;
        let group = group.map_err(|error| missing(error, id))?;
        allow_on(control, cx, &group)?;
        server_groups::delete(&tx, id).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(())
    })
    .await
}

/// Locks the group that new servers are to join. To be called before the transaction reads, see
/// [`server_groups::lock`].
///
/// # Errors
/// 400 when there is no such group, or it is another project's.
pub(crate) async fn to_join(
    control: &Control,
    cx: &Context,
    tx: &DatabaseTransaction,
    id: &str,
) -> Result<ServerGroup> {
    let unknown = || ControlError::Invalid {
        why: format!("Instance group {id} could not be found."),
    };
    let group = match server_groups::lock(tx, id).await {
        Err(DbError::NotFound(_)) => return Err(unknown()),
        other => other?,
    };
    let own = cx.caller.project_id.as_ref() == Some(&group.project_id);
    match own || policy::is_admin(control, cx) {
        true => Ok(group),
        // Nova lets everybody join who guesses the id; then strangers would keep hosts from the group.
        false => Err(unknown()),
    }
}

/// Puts new servers into a group that was locked.
///
/// # Errors
/// 403 when the user has too many servers in the group.
pub(crate) async fn fill(
    control: &Control,
    tx: &DatabaseTransaction,
    group: &ServerGroup,
    new: &[compute_model::Server],
) -> Result<()> {
    let Some(first) = new.first() else {
        return Ok(());
    };
    let (project, user) = (first.project_id.as_str(), first.user_id.as_str());
    let owner = Owner::User(project, user);
    let limits = quotas::limits(tx, &control.settings.quotas, owner).await?;
    let limit = limits[&Resource::ServerGroupMembers];
    let before = server_groups::members_of_user(tx, &group.id, user).await?;
    let after = before.saturating_add(u64::try_from(new.len()).unwrap_or(u64::MAX));
    if limit >= 0 && after > limit.unsigned_abs() {
        return Err(ControlError::Forbidden {
            why: "Quota exceeded, too many servers in group".to_owned(),
        });
    }
    for server in new {
        server_groups::join(tx, &group.id, &server.id).await?;
    }
    Ok(())
}

/// Refuses a project, or a user of it, that has as many groups as allowed.
async fn must_have_room(
    control: &Control,
    tx: &DatabaseTransaction,
    group: &ServerGroup,
) -> Result<()> {
    let (project, user) = (group.project_id.as_str(), group.user_id.as_str());
    quotas::hold(tx, project).await?;
    for (owner, user) in [
        (Owner::Project(project), None),
        (Owner::User(project, user), Some(user)),
    ] {
        let limits = quotas::limits(tx, &control.settings.quotas, owner).await?;
        let limit = limits[&Resource::ServerGroups];
        let count = server_groups::count(tx, project, user).await?;
        if limit >= 0 && count >= limit.unsigned_abs() {
            return Err(ControlError::Forbidden {
                why: "Quota exceeded, too many server groups.".to_owned(),
            });
        }
    }
    Ok(())
}

fn allow_on(control: &Control, cx: &Context, group: &ServerGroup) -> Result<()> {
    policy::allow_on(control, cx, Some(&group.project_id), &group.user_id)
}

fn missing(error: DbError, id: &str) -> ControlError {
    match error {
        DbError::NotFound(_) => ControlError::NotFound {
            why: format!("Instance group {id} could not be found."),
        },
        other => other.into(),
    }
}
