//! What projects used in a period.

use compute_db::{DbError, servers};
use compute_model::usage::{self, Period, ProjectUsage, Wanted};

use crate::{Context, Control, ControlError, Result, policy};

/// Which servers of a long list are looked at.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The id of the last server before.
    pub marker: Option<String>,
    pub limit: u64,
}

/// The usage of all projects, with the period that is meant.
///
/// # Errors
/// 403 by policy, 400 for what is no period and a marker that is no server.
pub async fn list(
    control: &Control,
    cx: &Context,
    wanted: Wanted<'_>,
    page: &Page,
) -> Result<(Period, Vec<ProjectUsage>)> {
    policy::allow(control, cx)?;
    let period = meant(wanted)?;
    Ok((period, of(control, period, None, page).await?))
}

/// The usage of one project; none when it had no server.
///
/// # Errors
/// 403 by policy, 400 for what is no period and a marker that is no server of the project.
pub async fn show(
    control: &Control,
    cx: &Context,
    project_id: &str,
    wanted: Wanted<'_>,
    page: &Page,
) -> Result<(Period, Option<ProjectUsage>)> {
    policy::allow_on(control, cx, Some(project_id), &cx.caller.user_id)?;
    let period = meant(wanted)?;
    let mut found = of(control, period, Some(project_id), page).await?;
    Ok((period, found.pop()))
}

fn meant(wanted: Wanted<'_>) -> Result<Period> {
    wanted.period().map_err(|why| ControlError::Invalid {
        why: why.to_string(),
    })
}

async fn of(
    control: &Control,
    period: Period,
    project: Option<&str>,
    page: &Page,
) -> Result<Vec<ProjectUsage>> {
    let (conn, marker) = (control.db.read(), page.marker.as_deref());
    let found = servers::of_period(conn, period, project, marker, page.limit).await;
    let found = found.map_err(|error| match error {
        DbError::Marker(_) => ControlError::Invalid {
            why: error.to_string(),
        },
        other => other.into(),
    })?;
    Ok(usage::by_project(period, found))
}
