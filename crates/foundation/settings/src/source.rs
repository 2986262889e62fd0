//! Where settings come from: files, with the line of each value, and the environment.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use ini::{Ini, ParseOption};

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

pub(crate) fn parse(path: PathBuf, text: &str) -> Result<File, SettingsError> {
    let dialect = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        enabled_indented_mutiline_value: true,
        enabled_preserve_key_leading_whitespace: false,
    };
    let ini = Ini::load_from_str_opt(text, dialect).map_err(|error| SettingsError::Syntax {
        path: path.clone(),
        line: error.line + 1,
        why: error.msg.into_owned(),
    })?;
    let mut lines = lines_of_keys(text);
    let mut entries = Vec::new();
    for (section, properties) in &ini {
        let section = section.unwrap_or("DEFAULT");
        for (key, value) in properties.iter() {
            let at = (section.to_owned(), key.to_owned());
            let line = lines
                .get_mut(&at)
                .and_then(|lines| (!lines.is_empty()).then(|| lines.remove(0)));
            entries.push(Entry {
                section: at.0,
                key: at.1,
                value: unquoted(value).to_owned(),
                line: line.unwrap_or_default(),
            });
        }
    }
    Ok(File { path, entries })
}

/// As oslo.config: quotes around the whole value are not part of it; others are.
fn unquoted(value: &str) -> &str {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// The lines of each key, in order: the parser does not tell.
fn lines_of_keys(text: &str) -> BTreeMap<(String, String), Vec<usize>> {
    let mut section = "DEFAULT".to_owned();
    let mut lines: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with(char::is_whitespace) || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default().trim().to_owned();
        } else if let Some((key, _)) = line.split_once(['=', ':']) {
            let at = (section.clone(), key.trim().to_owned());
            lines.entry(at).or_default().push(index + 1);
        }
    }
    lines
}
