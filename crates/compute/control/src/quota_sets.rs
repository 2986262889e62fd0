//! Quotas of projects, of users in them, and the defaults of all.

use std::collections::BTreeMap;

use compute_db::quotas::{self, Owner};
use compute_db::{DbError, server_groups, servers};
use compute_model::quota::{RESOURCES, Resource};
use sql::sea_orm::ConnectionTrait;

use crate::projects::must_exist;
use crate::{Context, Control, ControlError, Result, policy};

/// The limit of every resource; -1 is none.
pub type Limits = BTreeMap<Resource, i64>;

/// A limit, and how much of it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    pub limit: i64,
    pub in_use: i64,
}

/// Whose quotas: a project's, or one user's in it.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    pub project: &'a str,
    pub user: Option<&'a str>,
}

impl<'a> Whose<'a> {
    fn owner(self) -> Owner<'a> {
        match self.user {
            Some(user) => Owner::User(self.project, user),
            None => Owner::Project(self.project),
        }
    }
}

/// The limits that hold.
///
/// # Errors
/// 400 for an unknown project.
pub async fn show(control: &Control, cx: &Context, whose: Whose<'_>) -> Result<Limits> {
    allow(control, cx, whose)?;
    must_exist(control, cx, whose.project).await?;
    limits(control, control.db.read(), whose.owner()).await
}

/// The limits that hold, with what is taken.
///
/// # Errors
/// 400 for an unknown project.
pub async fn detail(
    control: &Control,
    cx: &Context,
    whose: Whose<'_>,
) -> Result<BTreeMap<Resource, Use>> {
    allow(control, cx, whose)?;
    must_exist(control, cx, whose.project).await?;
    uses(control, control.db.read(), whose).await
}

/// The limits of a project that nobody gave others.
///
/// # Errors
/// 400 for an unknown project.
pub async fn defaults(control: &Control, cx: &Context, project: &str) -> Result<Limits> {
    let whose = Whose {
        project,
        user: None,
    };
    allow(control, cx, whose)?;
    must_exist(control, cx, project).await?;
    limits(control, control.db.read(), Owner::Class("default")).await
}

/// Sets limits, and returns those that hold then. Without `force` a limit may not go below what is
/// taken or given to users, nor a user's above what the project has left.
///
/// # Errors
/// 400 for an unknown project and for limits out of these bounds.
pub async fn update(
    control: &Control,
    cx: &Context,
    whose: Whose<'_>,
    wanted: &Limits,
    force: bool,
) -> Result<Limits> {
    allow(control, cx, whose)?;
    must_exist(control, cx, whose.project).await?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        // Nobody takes more while this decides on what is taken.
        quotas::hold(&tx, whose.project).await?;
        if !force {
            within_bounds(control, &tx, whose, wanted).await?;
        }
        quotas::set(&tx, whose.owner(), wanted).await?;
        let now = limits(control, &tx, whose.owner()).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(now)
    })
    .await
}

/// Returns to the defaults; a project's users too.
///
/// # Errors
/// Denied.
pub async fn delete(control: &Control, cx: &Context, whose: Whose<'_>) -> Result<()> {
    allow(control, cx, whose)?;
    quotas::reset(control.db.write(), whose.owner()).await?;
    Ok(())
}

/// The limits of a class; only `default` has an effect.
///
/// # Errors
/// Denied.
pub async fn show_class(control: &Control, cx: &Context, class: &str) -> Result<Limits> {
    policy::allow(control, cx)?;
    limits(control, control.db.read(), Owner::Class(class)).await
}

/// Sets limits of a class, and returns those that hold then.
///
/// # Errors
/// 400 for a name that is too long.
pub async fn update_class(
    control: &Control,
    cx: &Context,
    class: &str,
    wanted: &Limits,
) -> Result<Limits> {
    policy::allow(control, cx)?;
    // The column holds the ids of users, too.
    if class.chars().count() > 64 {
        return Err(ControlError::Invalid {
            why: "Invalid input received: quota_class_name has more than 64 characters.".to_owned(),
        });
    }
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        quotas::set(&tx, Owner::Class(class), wanted).await?;
        let now = limits(control, &tx, Owner::Class(class)).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(now)
    })
    .await
}

/// Limits and use, for whoever was allowed to ask.
pub(crate) async fn uses(
    control: &Control,
    conn: &impl ConnectionTrait,
    whose: Whose<'_>,
) -> Result<BTreeMap<Resource, Use>> {
    let limits = limits(control, conn, whose.owner()).await?;
    let taken = servers::usage(conn, whose.project, whose.user).await?;
    let groups = server_groups::count(conn, whose.project, whose.user).await?;
    let with_use = limits.into_iter().map(|(resource, limit)| {
        let in_use = match resource {
            Resource::Instances => taken.instances,
            Resource::Cores => taken.cores,
            Resource::Ram => taken.ram,
            Resource::ServerGroups => i64::try_from(groups).unwrap_or(i64::MAX),
            // What belongs to users, or to one server or group, is not counted for a project.
            _ => 0,
        };
        (resource, Use { limit, in_use })
    });
    Ok(with_use.collect())
}

async fn limits(
    control: &Control,
    conn: &impl ConnectionTrait,
    owner: Owner<'_>,
) -> Result<Limits> {
    Ok(quotas::limits(conn, &control.settings.quotas, owner).await?)
}

fn allow(control: &Control, cx: &Context, whose: Whose<'_>) -> Result<()> {
    policy::allow_on(control, cx, Some(whose.project), &cx.caller.user_id)
}

async fn within_bounds(
    control: &Control,
    conn: &impl ConnectionTrait,
    whose: Whose<'_>,
    wanted: &Limits,
) -> Result<()> {
    let taken = uses(control, conn, whose).await?;
    let of_project = limits(control, conn, Owner::Project(whose.project)).await?;
    let of_user = limits(control, conn, whose.owner()).await?;
    let given = quotas::given_to_users(conn, whose.project).await?;
    for (resource, _, _) in RESOURCES {
        let Some(limit) = wanted.get(resource).copied() else {
            continue;
        };
        let of = |map: &Limits| map.get(resource).copied().unwrap_or(0);
        let in_use = taken.get(resource).map_or(0, |taken| taken.in_use);
        let (least, most) = match whose.user {
            None => (in_use.max(of(&given)), -1),
            Some(_) if of(&of_project) == -1 => (in_use, -1),
            // What the project has left beside the other users.
            Some(_) => {
                let own = if of(&given) > 0 { of(&of_user) } else { 0 };
                (in_use, of(&of_project) - of(&given) + own.max(0))
            }
        };
        bounded(*resource, limit, least, most)?;
    }
    Ok(())
}

/// -1 is more than any number.
fn bounded(resource: Resource, limit: i64, least: i64, most: i64) -> Result<()> {
    let endless = |limit: i64| if limit == -1 { i64::MAX } else { limit };
    let name = resource.as_str();
    let why = if endless(limit) < endless(least) {
        format!(
            "Quota limit {limit} for {name} must be greater than or equal to already used and reserved {least}."
        )
    } else if endless(limit) > endless(most) {
        format!("Quota limit {limit} for {name} must be less than or equal to {most}.")
    } else {
        return Ok(());
    };
    Err(ControlError::Invalid { why })
}
