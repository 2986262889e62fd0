//! Where settings come from: files, with the line of each value, and the environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::SettingsError;

/// All variables of ours begin so.
const PREFIX: &str = "KILONOVA_";

/// Which files and variables to read.
#[derive(Clone, Default)]
pub struct Sources {
    /// In order; a later one wins.
    pub files: Vec<PathBuf>,
    /// All `*.conf` in them, by name, after `files`.
    pub folders: Vec<PathBuf>,
    pub environment: BTreeMap<String, String>,
}

impl Sources {
    /// `--config-file` and `--config-dir` of the command line, and the process environment.
    pub fn new(files: Vec<PathBuf>, folders: Vec<PathBuf>) -> Self {
        #[allow(clippy::disallowed_methods)]
        let environment = std::env::vars()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        Sources {
            files,
            folders,
            environment,
        }
    }
}

/// The variable that overrides an option: `KILONOVA_DATABASE_CONNECTION`.
pub(crate) fn variable(section: &str, key: &str) -> String {
    let joined = match section {
        "DEFAULT" => key.to_owned(),
        _ => format!("{section}_{key}"),
    };
    let upper: String = joined
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("{PREFIX}{upper}")
}

/// A value and where it was found.
#[derive(Clone)]
pub(crate) struct Found {
    pub place: String,
    pub value: String,
}

impl Found {
    pub fn in_environment(variable: String, value: &str) -> Self {
        Found {
            place: variable,
            value: value.to_owned(),
        }
    }
}

/// A key of a file.
#[derive(Clone)]
pub(crate) struct Entry {
    pub section: String,
    pub key: String,
    pub value: String,
    pub line: usize,
}

/// A parsed file.
pub(crate) struct File {
    pub path: PathBuf,
    pub entries: Vec<Entry>,
}

impl File {
    pub fn get(&self, section: &str, key: &str) -> Vec<Found> {
        self.entries
            .iter()
            .filter(|entry| entry.section == section && entry.key == key)
            .map(|entry| Found {
                place: self.place(entry),
                value: entry.value.clone(),
            })
            .collect()
    }

    /// `nova.conf:12`.
    pub fn place(&self, entry: &Entry) -> String {
        format!("{}:{}", self.path.display(), entry.line)
    }
}

pub(crate) fn read_all(sources: &Sources) -> Result<Vec<File>, SettingsError> {
    let mut paths = sources.files.clone();
    for folder in &sources.folders {
        paths.extend(settings_files(folder)?);
    }
    paths.into_iter().map(read).collect()
}

fn settings_files(folder: &Path) -> Result<Vec<PathBuf>, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension() == Some(OsStr::new("conf")) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: PathBuf) -> Result<File, SettingsError> {
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(path, &text),
        Err(source) => Err(SettingsError::Unreadable { path, source }),
    }
}

/// Reads the dialect of oslo.config, line by line as it does.
pub(crate) fn parse(path: PathBuf, text: &str) -> Result<File, SettingsError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = "DEFAULT";
    // Whether an indented line would go on with the value of the last entry.
    let mut open = false;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let wrong = |why: &str| SettingsError::Syntax {
            path: path.clone(),
            line: index + 1,
            why: why.to_owned(),
        };
        let line = line.trim_end();
        if line.is_empty() {
            open = false;
        } else if line.starts_with([' ', '\t']) {
            let Some(entry) = entries.last_mut().filter(|_| open) else {
                return Err(wrong("an indented line follows no option"));
            };
            entry.value.push('\n');
            entry.value.push_str(line.trim_start());
        } else if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').map(str::trim);
            section = name
                .filter(|name| !name.is_empty())
                .ok_or_else(|| wrong("expected the name of a section between [ and ]"))?;
            open = false;
        } else if line.starts_with(['#', ';']) {
            open = false;
        } else {
            let (key, value) = line
                .split_once(['=', ':'])
                .ok_or_else(|| wrong("expected name = value"))?;
            if key.trim().is_empty() {
                return Err(wrong("the name of the option is missing"));
            }
            entries.push(Entry {
                section: section.to_owned(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                line: index + 1,
            });
            open = true;
        }
    }
    for entry in &mut entries {
        entry.value = unquoted(&entry.value).to_owned();
    }
    Ok(File { path, entries })
}

/// As oslo.config: quotes around the whole value are not part of it; others are.
fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}
