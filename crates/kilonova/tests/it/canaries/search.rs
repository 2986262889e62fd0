//! Where a secret could be: rows, files, arguments and environments of processes.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sql::sea_orm::{ConnectionTrait, Statement};

/// A place and what lies there.
pub struct Place {
    pub name: String,
    content: String,
    /// The mode of a file that others than its owner may read, by all folders above it.
    pub readable_by_others: Option<u32>,
}

impl Place {
    pub fn new(name: impl Into<String>, content: &[u8]) -> Self {
        Place {
            name: name.into(),
            // What is searched for is ASCII.
            content: String::from_utf8_lossy(content).into_owned(),
            readable_by_others: None,
        }
    }

    pub fn holds(&self, text: &str) -> bool {
        self.content.contains(text)
    }

    /// The line that holds it.
    pub fn line(&self, text: &str) -> &str {
        let mut lines = self.content.lines();
        lines.find(|line| line.contains(text)).unwrap_or_default()
    }

    /// Whether it has this name, or begins as one that ends in `*`.
    pub fn is(&self, name: &str) -> bool {
        match name.strip_suffix('*') {
            Some(begin) => self.name.starts_with(begin),
            None => self.name == name,
        }
    }
}

/// Every file below a state folder, and every row of its databases.
pub async fn folder(state: &Path) -> Vec<Place> {
    let mut places = Vec::new();
    files(state, state, true, &mut places);
    let mut databases = 0;
    for entry in std::fs::read_dir(state.join("db")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "sqlite") {
            rows(state, &path, &mut places).await;
            databases += 1;
        }
    }
    assert_eq!(databases, 5, "compute, identity, image, network, volume");
    places
}

fn named(state: &Path, path: &Path) -> String {
    path.strip_prefix(state).unwrap().display().to_string()
}

/// `open`: whether others come into this folder.
fn files(state: &Path, folder: &Path, open: bool, places: &mut Vec<Place>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
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

/// Each column of each table as SQLite writes it: texts as they are, bytes in hex.
async fn rows(state: &Path, path: &Path, places: &mut Vec<Place>) {
    let url = format!("sqlite:{}", path.display());
    let db = sql::Database::open(&url).await.unwrap();
    let ask = async |query: String| {
        let statement = Statement::from_string(sql::sea_orm::DbBackend::Sqlite, query);
        db.read().query_all_raw(statement).await.unwrap()
    };
    let columns = "SELECT m.name AS place, c.name AS name FROM sqlite_master m \
                   JOIN pragma_table_info(m.name) c WHERE m.type = 'table'";
    for column in ask(columns.to_owned()).await {
        let table: String = column.try_get("", "place").unwrap();
        let column: String = column.try_get("", "name").unwrap();
        let mut content = Vec::new();
        for row in ask(format!(
            "SELECT quote(\"{column}\") AS value FROM \"{table}\""
        ))
        .await
        {
            let value: String = row.try_get("", "value").unwrap();
            content.extend(value.into_bytes());
            content.push(b'\n');
        }
        places.push(Place::new(
            format!("{} {table}.{column}", named(state, path)),
            &content,
        ));
    }
}

/// Arguments and environments of a process and all its children, as long as somebody watches.
pub struct Children {
    stop: Arc<AtomicBool>,
    watcher: JoinHandle<BTreeSet<Vec<u8>>>,
}

impl Children {
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
    pub fn end(self) -> Vec<Place> {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.watcher.join().unwrap();
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
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
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
