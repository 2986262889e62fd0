//! What a project has: counted from its rows, so that it cannot drift from them.

use std::collections::HashMap;

use sql::sea_orm::sea_query::{Expr, OnConflict};
use sql::sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait,
    PaginatorTrait, QueryFilter, QuerySelect,
};

use crate::db::store::Tx;
use crate::resource::Resource;
use crate::tables::{backup, group, snapshot, turn, volume};

/// Counts of one type, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    volumes: i64,
    snapshots: i64,
    gigabytes: i64,
}

impl Counted {
    /// How much of a resource is used.
    pub fn used(&self, resource: Resource) -> i64 {
        match resource {
            Resource::Volumes => self.volumes,
            Resource::Snapshots => self.snapshots,
            Resource::Gigabytes => self.gigabytes,
            _ => 0,
        }
    }
}

/// What a project has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    all: Counted,
    types: HashMap<String, Counted>,
    backups: i64,
    backup_gigabytes: i64,
    groups: i64,
}

impl Usage {
    /// How much of a resource is used, of all types together.
    pub fn used(&self, resource: Resource) -> i64 {
        match resource {
            Resource::Backups => self.backups,
            Resource::BackupGigabytes => self.backup_gigabytes,
            Resource::Groups => self.groups,
            other => self.all.used(other),
        }
    }

    /// What there is of a type.
    pub fn of_type(&self, type_id: &str) -> Counted {
        self.types.get(type_id).copied().unwrap_or_default()
    }

    fn add(&mut self, type_id: String, more: Counted) {
        let one = self.types.entry(type_id).or_default();
        for counted in [&mut self.all, one] {
            counted.volumes += more.volumes;
            counted.snapshots += more.snapshots;
            counted.gigabytes += more.gigabytes;
        }
    }
}

/// Makes others who are about to count the same project's things wait until this transaction ends. On SQLite the
/// transaction itself is enough.
pub async fn hold(tx: &Tx, project_id: &str) -> Result<(), DbErr> {
    if tx.get_database_backend() == DatabaseBackend::Sqlite {
        return Ok(());
    }
    let row = turn::ActiveModel {
        project_id: Set(project_id.to_owned()),
        taken: Set(1),
    };
    let again = OnConflict::column(turn::Column::ProjectId)
        .update_column(turn::Column::Taken)
        .to_owned();
    turn::Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Sums of whole numbers are decimals on two engines.
pub fn sum(db: &impl ConnectionTrait, column: &str) -> Expr {
    let whole = match db.get_database_backend() {
        DatabaseBackend::MySql => "SIGNED",
        _ => "BIGINT",
    };
    Expr::cust(format!("CAST(COALESCE(SUM({column}), 0) AS {whole})"))
}

/// Counts what a project has. `snapshots_count`: whether snapshots have gigabytes.
pub async fn of(
    db: &impl ConnectionTrait,
    project_id: &str,
    snapshots_count: bool,
) -> Result<Usage, DbErr> {
    let mut usage = Usage::default();
    let rows: Vec<(String, i64, i64)> = volume::Entity::find()
        .select_only()
        .column(volume::Column::TypeId)
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(sum(db, "size"), "sizes")
        .filter(volume::Column::ProjectId.eq(project_id))
        .filter(volume::Column::ConsumesQuota.eq(true))
        .group_by(volume::Column::TypeId)
        .into_tuple()
        .all(db)
        .await?;
    for (type_id, volumes, gigabytes) in rows {
        let more = Counted {
            volumes,
            gigabytes,
            ..Counted::default()
        };
        usage.add(type_id, more);
    }
    let rows: Vec<(String, i64, i64)> = snapshot::Entity::find()
        .select_only()
        .column(snapshot::Column::TypeId)
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(sum(db, "size"), "sizes")
        .filter(snapshot::Column::ProjectId.eq(project_id))
        .filter(snapshot::Column::ConsumesQuota.eq(true))
        .group_by(snapshot::Column::TypeId)
        .into_tuple()
        .all(db)
        .await?;
    for (type_id, snapshots, gigabytes) in rows {
        let more = Counted {
            snapshots,
            gigabytes: if snapshots_count { gigabytes } else { 0 },
            ..Counted::default()
        };
        usage.add(type_id, more);
    }
    let row: Option<(i64, i64)> = backup::Entity::find()
        .select_only()
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(sum(db, "size"), "sizes")
        .filter(backup::Column::ProjectId.eq(project_id))
        .into_tuple()
        .one(db)
        .await?;
    (usage.backups, usage.backup_gigabytes) = row.unwrap_or_default();
    let groups = group::Entity::find()
        .filter(group::Column::ProjectId.eq(project_id))
        .count(db)
        .await?;
    usage.groups = i64::try_from(groups).unwrap_or(i64::MAX);
    Ok(usage)
}
