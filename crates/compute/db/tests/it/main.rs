//! The queries on real databases: SQLite always, the others where the environment offers them.

mod claims;
mod events;
mod guests;
mod hosts;
mod passwords;
mod purge;
mod races;
mod server_groups;
mod servers;

use compute_db::{Database, HISTORY};

/// Fresh databases with our tables.
async fn databases() -> Vec<Database> {
    let all = sql::testing::engines().await;
    for db in &all {
        db.apply(&HISTORY).await.expect("migrate");
    }
    all
}
