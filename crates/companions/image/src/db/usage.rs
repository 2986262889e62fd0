//! What a project has: counted from the rows of its images, so that it cannot drift from them.

use sql::sea_orm::sea_query::{Expr, OnConflict};
use sql::sea_orm::{
    ActiveEnum, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseBackend,
    DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect,
};

use crate::limits::Resource;
use crate::tables::{Status, image, turn};

/// Images and bytes of a project.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Images, whatever their state.
    pub images: i64,
    /// Those that receive data or wait staged.
    pub uploading: i64,
    /// Bytes of complete images, and those reserved for images that are becoming complete.
    stored: i64,
    /// Bytes that lie staged, and those reserved for data that is being staged.
    staged: i64,
}

impl Usage {
    /// Bytes that count against a limit of bytes.
    pub fn bytes(&self, resource: Resource) -> i64 {
        match resource {
            Resource::StageTotal => self.staged,
            _ => self.stored,
        }
    }

    fn add(&mut self, status: Status, count: i64, size: i64, reserved: i64) {
        self.images += count;
        match status {
            Status::Queued => {}
            Status::Active | Status::Deactivated => self.stored += size,
            Status::Saving => {
                self.uploading += count;
                self.stored += reserved;
            }
            Status::Uploading => {
                self.uploading += count;
                self.staged += size + reserved;
            }
            Status::Importing => {
                self.uploading += count;
                self.staged += size;
                self.stored += reserved;
            }
        }
    }
}

/// Makes others who are about to count the same project's images wait until this transaction ends:
/// what is counted stays true until what it was counted for is written. On SQLite the transaction
/// itself is enough.
pub async fn hold(tx: &DatabaseTransaction, project: &str) -> Result<(), DbErr> {
    if tx.get_database_backend() == DatabaseBackend::Sqlite {
        return Ok(());
    }
    let row = turn::ActiveModel {
        project: Set(project.to_owned()),
        taken: Set(1),
    };
    turn::Entity::insert(row)
        .on_conflict(
            OnConflict::column(turn::Column::Project)
                .update_column(turn::Column::Taken)
                .to_owned(),
        )
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

/// Counts what a project has.
pub async fn of<C: ConnectionTrait>(db: &C, project: &str) -> Result<Usage, DbErr> {
    // Sums of whole numbers are decimals on two engines.
    let whole = match db.get_database_backend() {
        DatabaseBackend::MySql => "SIGNED",
        _ => "BIGINT",
    };
    let sum = |column: &str| Expr::cust(format!("CAST(COALESCE(SUM({column}), 0) AS {whole})"));
    let rows: Vec<(String, i64, i64, i64)> = image::Entity::find()
        .select_only()
        .column(image::Column::Status)
        .column_as(Expr::cust("COUNT(*)"), "count")
        .column_as(sum("size"), "size_sum")
        .column_as(sum("reserved"), "reserved_sum")
        .filter(image::Column::Owner.eq(project))
        .group_by(image::Column::Status)
        .into_tuple()
        .all(db)
        .await?;
    let mut usage = Usage::default();
    for (status, count, size, reserved) in rows {
        usage.add(Status::try_from_value(&status)?, count, size, reserved);
    }
    Ok(usage)
}
