//! Databases of companions, opened while a start looks at something else.

use std::collections::HashMap;
use std::path::Path;

use sql::{Database, SqlError};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::ROWS;
use crate::config::{Config, may_exist};

/// Databases that are being opened, by the names of their companions.
#[derive(Default)]
pub struct Ahead(Mutex<HashMap<&'static str, JoinHandle<Result<Database, SqlError>>>>);

impl Ahead {
    /// Begins to open the databases of the cloud whose files lie in `folder`, where they exist: none is made, and no
    /// table is touched.
    pub fn begin(config: &Config, folder: &Path) -> Self {
        let mut opening = HashMap::new();
        for row in ROWS {
            let url = config.database_url(folder, row.name);
            if may_exist(&url) {
                let options = config.database.options.clone();
                let open = async move { Database::open_with(&url, &options).await };
                opening.insert(row.name, tokio::spawn(open));
            }
        }
        Ahead(Mutex::new(opening))
    }

    /// A companion's database, once.
    pub(super) async fn take(&self, name: &str) -> Option<Result<Database, SqlError>> {
        let opening = self.0.lock().await.remove(name)?;
        // One that panicked is opened again, and says so.
        opening.await.ok()
    }
}
