//! The ways of servers to another size or host.

use compute_db::{DbError, server_migrations};
use compute_model::migration::Migration;
pub use server_migrations::Wanted;

use crate::{Context, Control, ControlError, Result, policy};

/// Migrations, and whether the caller may see their hosts.
#[derive(Debug, Clone)]
pub struct Listed {
    pub migrations: Vec<Migration>,
    pub with_hosts: bool,
}

/// Those that are wanted, newest first.
///
/// # Errors
/// 403 by policy, also for those of other projects; 400 for a marker that is none.
pub async fn list(control: &Control, cx: &Context, wanted: &Wanted) -> Result<Listed> {
    policy::allow(control, cx)?;
    let own = cx.caller.project_id.is_some() && wanted.project_id == cx.caller.project_id;
    if !own {
        policy::allow_rule(
            control,
            cx,
            "os_compute_api:os-migrations:index:all_projects",
        )?;
    }
    let found = server_migrations::list(control.db.read(), wanted).await;
    let migrations = found.map_err(|error| match error {
        DbError::Marker(marker) => ControlError::Invalid {
            why: format!("Marker {marker} could not be found."),
        },
        other => other.into(),
    })?;
    Ok(Listed {
        migrations,
        with_hosts: policy::may(control, cx, "os_compute_api:os-migrations:index:host"),
    })
}
