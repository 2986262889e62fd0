//! How much a project may have. What it has is counted from its rows while others of the project wait, in the
//! transaction that adds to it: so what was admitted fits, whoever asks at the same time, and no count can drift.

use std::collections::BTreeMap;

use crate::db;
use crate::db::store::Tx;
use crate::db::usage::Usage;
use crate::fault::{Fault, Over};
use crate::settings::Settings;
use crate::tables::quota::Whom;

pub use crate::resource::Resource;

/// Without limit.
pub const NO_LIMIT: i64 = -1;

/// The class that holds for every project.
pub const DEFAULT_CLASS: &str = "default";

/// The limits of a project by name: those of all types, and those of each type.
pub type LimitSet = BTreeMap<String, i64>;

/// What is asked for more.
#[derive(Debug, Clone, Copy, Default)]
pub struct More {
    pub volumes: i64,
    pub snapshots: i64,
    /// GiB of volumes, or of snapshots where those count.
    pub gigabytes: i64,
    pub backups: i64,
    pub backup_gigabytes: i64,
    pub groups: i64,
}

/// The defaults: of the settings, as the class `default` changes them.
pub async fn defaults(
    settings: &Settings,
    db: &impl sql::sea_orm::ConnectionTrait,
    types: &[String],
) -> Result<LimitSet, Fault> {
    let mut limits = LimitSet::new();
    for resource in Resource::ALL {
        let limit = settings.limits.of(resource);
        limits.insert(resource.name().to_owned(), limit);
    }
    for kind in types {
        for resource in Resource::OF_TYPE {
            limits.insert(resource.of_type(kind), NO_LIMIT);
        }
    }
    overlay(
        &mut limits,
        db::quotas::of(db, Whom::Class, DEFAULT_CLASS).await?,
    );
    Ok(limits)
}

/// The limits that hold for a project.
pub async fn of_project(
    settings: &Settings,
    db: &impl sql::sea_orm::ConnectionTrait,
    types: &[String],
    project_id: &str,
) -> Result<LimitSet, Fault> {
    let mut limits = defaults(settings, db, types).await?;
    overlay(
        &mut limits,
        db::quotas::of(db, Whom::Project, project_id).await?,
    );
    Ok(limits)
}

/// Limits that were set for a name that exists.
fn overlay(limits: &mut LimitSet, set: LimitSet) {
    for (name, most) in set {
        if let Some(limit) = limits.get_mut(&name) {
            *limit = most;
        }
    }
}

/// Admits `more` for a project, or says which limit is in the way. What was counted stays true until the transaction ends.
/// `kind` is the name of the type whose limits hold too; backups and groups have none.
///
/// # Errors
/// 413.
pub async fn admit(
    settings: &Settings,
    tx: &Tx,
    project_id: &str,
    kind: Option<(&str, &str)>,
    more: More,
) -> Result<(), Fault> {
    db::usage::hold(tx, project_id).await?;
    let names: Vec<String> = kind.iter().map(|(_, name)| (*name).to_owned()).collect();
    let limits = of_project(settings, tx, &names, project_id).await?;
    let usage = db::usage::of(tx, project_id, settings.snapshots_count).await?;
    check(&limits, &usage, kind, more)
}

/// The same by the limits of one type alone: for what changes its type.
pub async fn admit_type(
    settings: &Settings,
    tx: &Tx,
    project_id: &str,
    (id, name): (&str, &str),
    more: More,
) -> Result<(), Fault> {
    db::usage::hold(tx, project_id).await?;
    let all = of_project(settings, tx, &[name.to_owned()], project_id).await?;
    let own = Resource::OF_TYPE.map(|resource| resource.of_type(name));
    let limits = all
        .into_iter()
        .filter(|(name, _)| own.contains(name))
        .collect();
    let usage = db::usage::of(tx, project_id, settings.snapshots_count).await?;
    check(&limits, &usage, Some((id, name)), more)
}

/// Whether `more` fits. Of several limits in the way, gigabytes are named first, as in Cinder.
fn check(
    limits: &LimitSet,
    usage: &Usage,
    kind: Option<(&str, &str)>,
    more: More,
) -> Result<(), Fault> {
    let over = |name: &str, used: i64, wanted: i64| {
        let limit = limits.get(name).copied().unwrap_or(NO_LIMIT);
        (wanted > 0 && limit >= 0 && used.saturating_add(wanted) > limit).then_some(limit)
    };
    let of_type = kind.map(|(id, name)| (usage.of_type(id), name));
    let both = |resource: Resource, wanted: i64| {
        let all = (resource.name().to_owned(), usage.used(resource));
        let one = of_type.map(|(counted, name)| (resource.of_type(name), counted.used(resource)));
        let mut found = std::iter::once(all).chain(one);
        found.find_map(|(name, used)| Some((over(&name, used, wanted)?, name, used)))
    };
    if let Some((quota, name, consumed)) = both(Resource::Gigabytes, more.gigabytes) {
        let requested = more.gigabytes;
        return Err(Over::Gigabytes {
            name,
            requested,
            quota,
            consumed,
        }
        .into());
    }
    if let Some((allowed, name, _)) = both(Resource::Volumes, more.volumes) {
        return Err(Over::Volumes { name, allowed }.into());
    }
    if let Some((allowed, ..)) = both(Resource::Snapshots, more.snapshots) {
        return Err(Over::Snapshots { allowed }.into());
    }
    let wanted = more.backup_gigabytes;
    let consumed = usage.used(Resource::BackupGigabytes);
    if let Some(quota) = over(Resource::BackupGigabytes.name(), consumed, wanted) {
        let requested = wanted;
        return Err(Over::BackupGigabytes {
            requested,
            quota,
            consumed,
        }
        .into());
    }
    if let Some(allowed) = over(
        Resource::Backups.name(),
        usage.used(Resource::Backups),
        more.backups,
    ) {
        return Err(Over::Backups { allowed }.into());
    }
    if let Some(allowed) = over(
        Resource::Groups.name(),
        usage.used(Resource::Groups),
        more.groups,
    ) {
        return Err(Over::Groups { allowed }.into());
    }
    Ok(())
}

/// Refuses a volume that is larger than any of the project may be.
pub async fn size(
    settings: &Settings,
    db: &impl sql::sea_orm::ConnectionTrait,
    project_id: &str,
    size: i64,
) -> Result<(), Fault> {
    let limits = of_project(settings, db, &[], project_id).await?;
    let limit = limits.get(Resource::PerVolumeGigabytes.name());
    match limit.copied().filter(|limit| (0..size).contains(limit)) {
        Some(limit) => Err(Over::Size { size, limit }.into()),
        None => Ok(()),
    }
}
