//! What can be wrong with settings, in the words of who has to correct them.

use std::fmt;
use std::path::PathBuf;

/// Settings could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path}:{line}: not a settings file: {why}")]
    Syntax {
        path: PathBuf,
        line: usize,
        why: String,
    },
    #[error(transparent)]
    Values(#[from] Problems),
}

/// A value that does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `nova.conf:12` or the name of an environment variable.
    pub place: String,
    pub section: String,
    pub key: String,
    /// As written, or `***`.
    pub value: String,
    /// Completes "must be …", or says what else is wrong.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            place,
            section,
            key,
            value,
            why,
        } = self;
        write!(f, "{place}: [{section}] {key} = {value}: {why}")
    }
}

/// All values of a section that do not parse, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}
