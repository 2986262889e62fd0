//! Lists of flavors: few enough to filter, sort and cut in memory.

use std::cmp::Ordering;

use compute_db::{DbError, flavors};
use compute_model::Flavor;

use crate::{Context, Control, ControlError, Result, policy};

/// Which flavors to list.
#[derive(Debug, Clone)]
pub struct Listing {
    /// For operators; others see what they may use, whatever they ask for.
    pub kind: Kind,
    /// MiB.
    pub min_ram: i64,
    /// GiB.
    pub min_disk: i64,
    pub name: Option<String>,
    pub sort: SortKey,
    pub descending: bool,
    /// Id of the last flavor already seen.
    pub marker: Option<String>,
    pub limit: u64,
}

/// Public or private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Public ones, and those open to the caller's project.
    Usable,
    Private,
    All,
}

/// What flavors can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    CreatedAt,
    Description,
    Disabled,
    Disk,
    Ephemeral,
    Id,
    IsPublic,
    Name,
    Ram,
    RxtxFactor,
    Swap,
    UpdatedAt,
    Vcpus,
    /// Not kept here; equal for all.
    VcpuWeight,
}

/// The names of sort keys on the wire.
const SORT_KEYS: &[(&str, SortKey)] = &[
    ("created_at", SortKey::CreatedAt),
    ("description", SortKey::Description),
    ("disabled", SortKey::Disabled),
    ("ephemeral_gb", SortKey::Ephemeral),
    ("flavorid", SortKey::Id),
    // Nova's row number; rows are numbered as they are made.
    ("id", SortKey::CreatedAt),
    ("is_public", SortKey::IsPublic),
    ("memory_mb", SortKey::Ram),
    ("name", SortKey::Name),
    ("root_gb", SortKey::Disk),
    ("rxtx_factor", SortKey::RxtxFactor),
    ("swap", SortKey::Swap),
    ("updated_at", SortKey::UpdatedAt),
    ("vcpu_weight", SortKey::VcpuWeight),
    ("vcpus", SortKey::Vcpus),
];

impl SortKey {
    /// The key of a wire name.
    pub fn named(name: &str) -> Option<Self> {
        let found = SORT_KEYS.iter().find(|(wire, _)| *wire == name);
        found.map(|(_, key)| *key)
    }
}

/// The flavors of a page.
///
/// # Errors
/// 400 for a marker that is no flavor.
pub async fn list(control: &Control, cx: &Context, wanted: &Listing) -> Result<Vec<Flavor>> {
    let admin = policy::is_admin(control, cx);
    let kind = if admin { wanted.kind } else { Kind::Usable };
    let project = cx.caller.project_id.as_deref().unwrap_or_default();
    let of = (kind == Kind::Usable).then_some(project);
    let mut found = flavors::list(control.db.read(), of).await?;
    found.retain(|flavor| {
        (admin || !flavor.disabled)
            && (kind != Kind::Private || !flavor.is_public)
            && i64::from(flavor.ram) >= wanted.min_ram
            && i64::from(flavor.disk) >= wanted.min_disk
            && wanted.name.as_ref().is_none_or(|name| *name == flavor.name)
    });
    let order = |one: &Flavor, other: &Flavor| {
        let by_key = compare(wanted.sort, one, other);
        let tied = by_key
            .then_with(|| one.created_at.cmp(&other.created_at))
            .then_with(|| one.id.cmp(&other.id));
        if wanted.descending {
            tied.reverse()
        } else {
            tied
        }
    };
    found.sort_by(order);
    if let Some(marker) = &wanted.marker {
        let last = flavors::find(control.db.read(), marker)
            .await
            .map_err(|error| unknown_marker(error, marker))?;
        found.retain(|flavor| order(flavor, &last) == Ordering::Greater);
    }
    found.truncate(usize::try_from(wanted.limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn compare(key: SortKey, one: &Flavor, other: &Flavor) -> Ordering {
    match key {
        SortKey::CreatedAt => one.created_at.cmp(&other.created_at),
        SortKey::Description => one.description.cmp(&other.description),
        SortKey::Disabled => one.disabled.cmp(&other.disabled),
        SortKey::Disk => one.disk.cmp(&other.disk),
        SortKey::Ephemeral => one.ephemeral.cmp(&other.ephemeral),
        SortKey::Id => one.id.cmp(&other.id),
        SortKey::IsPublic => one.is_public.cmp(&other.is_public),
        SortKey::Name => one.name.cmp(&other.name),
        SortKey::Ram => one.ram.cmp(&other.ram),
        SortKey::RxtxFactor => one.rxtx_factor.total_cmp(&other.rxtx_factor),
        SortKey::Swap => one.swap.cmp(&other.swap),
        SortKey::UpdatedAt => one.updated_at.cmp(&other.updated_at),
        SortKey::Vcpus => one.vcpus.cmp(&other.vcpus),
        SortKey::VcpuWeight => Ordering::Equal,
    }
}

fn unknown_marker(error: DbError, marker: &str) -> ControlError {
    match error {
        DbError::NotFound(_) => ControlError::Invalid {
            why: format!("marker [{marker}] not found"),
        },
        other => other.into(),
    }
}
