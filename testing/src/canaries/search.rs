//! Where a secret could be: rows, files, arguments and environments of processes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sql::Engine;
use sql::sea_orm::{ConnectionTrait, DbBackend, Statement};

/// A place and what lies there.
pub struct Place {
    /// Which one, for tables of homes and for messages.
    pub name: String,
    content: String,
    /// The mode of a file that others than its owner may read, by all folders above it.
    pub readable_by_others: Option<u32>,
}

impl Place {
    /// A place that only its owner may read.
    pub fn new(name: impl Into<String>, content: &[u8]) -> Self {
        Place {
            name: name.into(),
            // What is searched for is ASCII.
            content: String::from_utf8_lossy(content).into_owned(),
            readable_by_others: None,
        }
    }

    /// Whether this text is there.
    pub fn holds(&self, text: &str) -> bool {
        self.content.contains(text)
    }

    /// It and what stands around it, in one line.
    pub fn around(&self, text: &str) -> String {
        let (before, after) = self.content.split_once(text).unwrap_or_default();
        let before: String = before.chars().rev().take(300).collect();
        let before: String = before.chars().rev().collect();
        let after: String = after.chars().take(40).collect();
        format!("{before}{text}{after}").replace('\n', " ")
    }

    /// Whether it has this name, or begins as one that ends in `*`.
    pub fn is(&self, name: &str) -> bool {
        match name.strip_suffix('*') {
            Some(begin) => self.name.starts_with(begin),
            None => self.name == name,
        }
    }
}

/// Every file below a folder.
///
/// # Panics
/// The folder cannot be read.
pub fn folder(state: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    files(state, state, true, &mut places);
    places
}

fn named(state: &Path, path: &Path) -> String {
    path.strip_prefix(state)
        .expect("a running system")
        .display()
        .to_string()
}

/// `open`: whether others come into this folder.
fn files(state: &Path, folder: &Path, open: bool, places: &mut Vec<Place>) {
    for entry in std::fs::read_dir(folder).expect("a running system") {
        let path = entry.expect("a running system").path();
        // Files of guests and of databases go while we look.
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        if meta.is_dir() {
            let open = open && meta.permissions().mode() & 0o011 != 0;
            files(state, &path, open, places);
        } else if meta.is_file()
            && let Ok(content) = std::fs::read(&path)
        {
            let mode = meta.permissions().mode() & 0o777;
            places.push(Place {
                readable_by_others: (open && mode & 0o077 != 0).then_some(mode),
                ..Place::new(named(state, &path), &content)
            });
        }
    }
}

/// Each column of each table of a database, named `{of} {table}.{column}`: texts as they are, bytes in hex.
///
/// # Panics
/// The database does not answer.
pub async fn rows(of: &str, url: &str) -> Vec<Place> {
    let db = sql::Database::open(url).await.expect("the database");
    let engine = db.engine();
    let backend = match engine {
        Engine::Sqlite => DbBackend::Sqlite,
        Engine::Postgres => DbBackend::Postgres,
        Engine::MariaDb => DbBackend::MySql,
    };
    let ask = async |query: String| {
        let statement = Statement::from_string(backend, query);
        let rows = db.read().query_all_raw(statement).await;
        rows.expect("an answer")
    };
    let mut places = Vec::new();
    for column in ask(columns(engine).to_owned()).await {
        let text = |name: &str| -> String { column.try_get("", name).expect("a text") };
        let (table, column, kind) = (text("place"), text("name"), text("kind"));
        let mut content = String::new();
        for row in ask(values(engine, &table, &column, &kind)).await {
            let value: Option<String> = row.try_get("", "value").expect("a text");
            content.push_str(&value.unwrap_or_default());
            content.push('\n');
        }
        let name = format!("{of} {table}.{column}");
        places.push(Place::new(name, content.as_bytes()));
    }
    assert!(!places.is_empty(), "{of} has no tables");
    places
}

/// A query for all columns: their tables (`place`), names and kinds.
fn columns(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => {
            "SELECT m.name AS place, c.name AS name, c.type AS kind FROM sqlite_master m \
             JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        }
        Engine::Postgres => {
            "SELECT table_name::text AS place, column_name::text AS name, data_type::text AS kind \
             FROM information_schema.columns WHERE table_schema = current_schema()"
        }
        Engine::MariaDb => {
            "SELECT CAST(table_name AS CHAR) AS place, CAST(column_name AS CHAR) AS name, \
             CAST(data_type AS CHAR) AS kind FROM information_schema.columns WHERE table_schema = DATABASE()"
        }
    }
}

/// A query for what a column holds (`value`).
fn values(engine: Engine, table: &str, column: &str, kind: &str) -> String {
    match engine {
        Engine::Sqlite => format!("SELECT quote(\"{column}\") AS value FROM \"{table}\""),
        // Of bytes this is hex.
        Engine::Postgres => format!("SELECT \"{column}\"::text AS value FROM \"{table}\""),
        Engine::MariaDb if kind.contains("blob") || kind.contains("binary") => {
            format!("SELECT HEX(`{column}`) AS value FROM `{table}`")
        }
        Engine::MariaDb => format!("SELECT CAST(`{column}` AS CHAR) AS value FROM `{table}`"),
    }
}

/// Arguments and environments of a process and all its children, as long as somebody watches.
pub struct Children {
    stop: Arc<AtomicBool>,
    watcher: JoinHandle<BTreeSet<Vec<u8>>>,
}

impl Children {
    /// Watches this process from now on.
    pub fn watch(process: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let watcher = std::thread::spawn(move || {
            let mut seen = BTreeSet::new();
            while !stopped.load(Ordering::SeqCst) {
                for id in family(process) {
                    for file in ["cmdline", "environ"] {
                        // It may have ended meanwhile.
                        if let Ok(content) = std::fs::read(format!("/proc/{id}/{file}")) {
                            seen.insert(content);
                        }
                    }
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            seen
        });
        Children { stop, watcher }
    }

    /// What was seen.
    ///
    /// # Panics
    /// Not even the process itself was.
    pub fn end(self) -> Vec<Place> {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.watcher.join().expect("a running system");
        assert!(seen.len() >= 2, "the process itself has both");
        let places = seen.into_iter();
        places
            .map(|content| Place::new("arguments or environment of a process", &content))
            .collect()
    }
}

/// A process and all below it.
fn family(of: u32) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")
        .expect("a running system")
        .flatten()
    {
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let stat = std::fs::read_to_string(entry.path().join("stat"));
        if let (Some(id), Ok(stat)) = (id, stat) {
            // The name in parentheses may hold anything; behind it come state and parent.
            let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
            let parent = behind.split_whitespace().nth(1);
            if let Some(parent) = parent.and_then(|parent| parent.parse().ok()) {
                children.entry(parent).or_default().push(id);
            }
        }
    }
    let mut family = vec![of];
    let mut next = 0;
    while let Some(id) = family.get(next) {
        family.extend(children.remove(id).unwrap_or_default());
        next += 1;
    }
    family
}
