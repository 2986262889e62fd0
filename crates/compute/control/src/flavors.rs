//! Flavors: which there are for a caller, and what operators do with them.

mod access;
mod extra_specs;
mod list;

use std::collections::BTreeMap;

use compute_db::{DbError, flavors};
use compute_model::Flavor;
use uuid::Uuid;

use crate::{Context, Control, ControlError, Result, policy};

pub use access::{access, grant, revoke};
pub use extra_specs::{check, delete_spec, set_specs, show_spec, show_specs};
pub use list::{Kind, Listing, SortKey, list};

/// Whether the caller may see extra specs of flavors.
pub fn shows_specs(control: &Control, cx: &Context) -> bool {
    policy::may(control, cx, "os_compute_api:os-flavor-extra-specs:index")
}

/// A flavor to be made. What is not said here is not settable at creation.
#[derive(Debug, Clone)]
pub struct NewFlavor {
    /// Made up when there is none.
    pub id: Option<String>,
    pub name: String,
    /// MiB.
    pub ram: u32,
    pub vcpus: u32,
    /// GiB.
    pub disk: u32,
    /// GiB.
    pub ephemeral: u32,
    /// MiB.
    pub swap: u32,
    pub rxtx_factor: f64,
    pub is_public: bool,
    pub description: Option<String>,
}

/// Makes a flavor. A private one is open to nobody yet, its maker included.
///
/// # Errors
/// 409 when the id or the name is taken.
pub async fn create(control: &Control, cx: &Context, new: NewFlavor) -> Result<Flavor> {
    policy::allow(control, cx)?;
    let flavor = Flavor {
        id: new.id.unwrap_or_else(|| Uuid::new_v4().to_string()),
        name: new.name.trim().to_owned(),
        ram: new.ram,
        vcpus: new.vcpus,
        disk: new.disk,
        ephemeral: new.ephemeral,
        swap: new.swap,
        rxtx_factor: new.rxtx_factor,
        is_public: new.is_public,
        disabled: false,
        description: new.description,
        extra_specs: BTreeMap::new(),
        created_at: Some(sql::micros(chrono::Utc::now())),
        updated_at: None,
    };
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        flavors::insert(&tx, &flavor).await.map_err(taken)?;
        tx.commit().await.map_err(DbError::from)?;
        Ok::<_, ControlError>(())
    })
    .await?;
    Ok(flavor)
}

/// The flavor, if it is public or open to the caller's project; operators see all.
///
/// # Errors
/// 404.
pub async fn show(control: &Control, cx: &Context, id: &str) -> Result<Flavor> {
    let flavor = flavors::find(control.db.read(), id)
        .await
        .map_err(|error| missing(error, id))?;
    if flavor.is_public || policy::is_admin(control, cx) {
        return Ok(flavor);
    }
    let open_to = flavors::access(control.db.read(), id).await?;
    match &cx.caller.project_id {
        Some(project) if open_to.contains(project) => Ok(flavor),
        _ => Err(missing(DbError::NotFound(id.to_owned()), id)),
    }
}

/// Changes what a flavor says of itself; nothing else of it can change.
///
/// # Errors
/// 404.
pub async fn describe(
    control: &Control,
    cx: &Context,
    id: &str,
    description: Option<String>,
) -> Result<Flavor> {
    policy::allow(control, cx)?;
    change(control, id, |flavor| {
        flavor.description.clone_from(&description);
        Ok(())
    })
    .await
}

/// Removes a flavor. Servers keep their copies.
///
/// # Errors
/// 404.
pub async fn delete(control: &Control, cx: &Context, id: &str) -> Result<()> {
    policy::allow(control, cx)?;
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        flavors::delete(&tx, id)
            .await
            .map_err(|error| missing(error, id))?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(())
    })
    .await
}

/// Reads a flavor, lets `edit` change it, and writes it, in one transaction.
async fn change(
    control: &Control,
    id: &str,
    edit: impl Fn(&mut Flavor) -> Result<()> + Send + Sync,
) -> Result<Flavor> {
    sql::retry(|| async {
        let tx = control.db.begin().await?;
        let mut flavor = flavors::lock(&tx, id)
            .await
            .map_err(|error| missing(error, id))?;
        edit(&mut flavor)?;
        flavors::save(&tx, &flavor).await?;
        tx.commit().await.map_err(DbError::from)?;
        Ok(flavor)
    })
    .await
}

fn missing(error: DbError, id: &str) -> ControlError {
    match error {
        DbError::NotFound(_) => ControlError::NotFound {
            why: format!("Flavor {id} could not be found."),
        },
        other => other.into(),
    }
}

fn taken(error: DbError) -> ControlError {
    match error {
        DbError::Duplicate(what) => ControlError::Conflict {
            why: format!("Flavor with {what} already exists."),
        },
        other => other.into(),
    }
}
