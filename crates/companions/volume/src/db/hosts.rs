//! What lies on one back end, by project.

use std::collections::BTreeMap;

use sql::sea_orm::sea_query::Expr;
use sql::sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    QueryTrait, Select,
};

use crate::db::usage;
use crate::tables::{snapshot, volume};

/// How many, and how many GiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: i64,
    pub gigabytes: i64,
}

impl Sum {
    pub fn add(&mut self, other: Sum) {
        self.count += other.count;
        self.gigabytes += other.gigabytes;
    }
}

/// What a project has on a back end. Snapshots lie where their volumes are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    pub volumes: Sum,
    pub snapshots: Sum,
}

/// Volumes on a back end, `HOST@BACKEND`.
fn on(host: &str) -> Select<volume::Entity> {
    let there = Condition::any()
        .add(volume::Column::Host.eq(host))
        .add(volume::Column::Host.starts_with(format!("{host}#")));
    volume::Entity::find().filter(there)
}

/// What lies on a back end, by project. Who has no volumes there is not named, as with Cinder, even with snapshots of
/// volumes of others.
pub async fn held(db: &impl ConnectionTrait, host: &str) -> Result<BTreeMap<String, Held>, DbErr> {
    let volumes: Vec<(String, i64, i64)> = on(host)
        .select_only()
        .column(volume::Column::ProjectId)
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(usage::sum(db, "size"), "sizes")
        .group_by(volume::Column::ProjectId)
        .into_tuple()
        .all(db)
        .await?;
    let there = on(host)
        .select_only()
        .column(volume::Column::Id)
        .into_query();
    let snapshots: Vec<(String, i64, i64)> = snapshot::Entity::find()
        .filter(snapshot::Column::VolumeId.in_subquery(there))
        .select_only()
        .column(snapshot::Column::ProjectId)
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(usage::sum(db, "size"), "sizes")
        .group_by(snapshot::Column::ProjectId)
        .into_tuple()
        .all(db)
        .await?;
    let mut all: BTreeMap<String, Held> = BTreeMap::new();
    for (project, count, gigabytes) in volumes {
        all.entry(project).or_default().volumes = Sum { count, gigabytes };
    }
    for (project, count, gigabytes) in snapshots {
        if let Some(held) = all.get_mut(&project) {
            held.snapshots = Sum { count, gigabytes };
        }
    }
    Ok(all)
}
