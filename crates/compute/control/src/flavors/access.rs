//! Which projects may use a private flavor.

use compute_db::{DbError, flavors};

use super::{missing, show};
use crate::projects::must_exist;
use crate::{Context, Control, ControlError, Result, policy};

/// The projects that a private flavor is open to.
///
/// # Errors
/// 404 also for a public flavor, which has no such list.
pub async fn access(control: &Control, cx: &Context, id: &str) -> Result<Vec<String>> {
    policy::allow(control, cx)?;
    if show(control, cx, id).await?.is_public {
        return Err(ControlError::NotFound {
            why: "Access list not available for public flavors.".to_owned(),
        });
    }
    Ok(flavors::access(control.db.read(), id).await?)
}

/// Opens a flavor to a project, and returns all it is open to. `public_too` lets a public flavor
/// have a list, which has no effect.
///
/// # Errors
/// 400 for an unknown project, 404 for an unknown flavor, 409 when it is open to it already.
pub async fn grant(
    control: &Control,
    cx: &Context,
    id: &str,
    project: &str,
    public_too: bool,
) -> Result<Vec<String>> {
    policy::allow(control, cx)?;
    must_exist(control, cx, project).await?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let flavor = flavors::find(&tx, id)
            .await
            .map_err(|error| missing(error, id))?;
        if flavor.is_public && !public_too {
            return Err(ControlError::Conflict {
                why: "Can not add access to a public flavor.".to_owned(),
            });
        }
        flavors::grant(&tx, id, project).await.map_err(|error| match error {
            DbError::Duplicate(_) => ControlError::Conflict {
                why: format!(
                    "Flavor access already exists for flavor {id} and project {project} combination."
                ),
            },
            other => other.into(),
        })?;
        let open_to = flavors::access(&tx, id).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(open_to)
    })
    .await
}

/// Closes a flavor to a project, which may be gone, and returns those it is still open to.
///
/// # Errors
/// 404 for an unknown flavor and when it was not open to the project.
pub async fn revoke(
    control: &Control,
    cx: &Context,
    id: &str,
    project: &str,
) -> Result<Vec<String>> {
    policy::allow(control, cx)?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        flavors::find(&tx, id)
            .await
            .map_err(|error| missing(error, id))?;
        flavors::revoke(&tx, id, project)
            .await
            .map_err(|error| match error {
                DbError::NotFound(_) => ControlError::NotFound {
                    why: format!("Flavor access not found for {id} / {project} combination."),
                },
                other => other.into(),
            })?;
        let open_to = flavors::access(&tx, id).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(open_to)
    })
    .await
}
