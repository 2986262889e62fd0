//! Requests: a body is checked against its type's table, then read into the type.
//!
//! Two passes, so that a refusal can quote the body as it was sent (but for secrets): first everything is *checked*,
//! then the value is *converted* (wire names become field names, numbers written as text become numbers, keys that
//! the mode tolerates are dropped) and given to serde.

mod check;
mod convert;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Versioned;
use crate::repr::{HIDDEN, SECRET, python_repr, python_str};
use crate::table::{Rules, Shape};
use crate::version::Version;

/// How strictly a request is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Keys that are unknown at this version are refused.
    Strict(Version),
    /// Legacy faces: unknown keys are dropped, names may have outer spaces. The version is the one whose fields and
    /// rules apply.
    Relaxed(Version),
}

impl Mode {
    pub fn version(self) -> Version {
        match self {
            Mode::Strict(version) | Mode::Relaxed(version) => version,
        }
    }

    pub(crate) fn is_relaxed(self) -> bool {
        matches!(self, Mode::Relaxed(_))
    }
}

/// Why a request was not admitted; each is a 400. The text is meant for the user.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not JSON.
    #[error("Malformed request body")]
    Malformed(#[source] serde_json::Error),
    /// A value breaks a rule of the table. `field` is what the text blames; nothing when it is the body as a whole.
    #[error("{message}")]
    Invalid {
        field: Option<String>,
        message: String,
    },
    /// The table takes the value but the type cannot hold it: a number beyond the type's range, mostly.
    #[error("Invalid input: {0}")]
    Unreadable(#[source] serde_json::Error),
}

/// Reads the bytes of a request body. See [`admit`].
pub fn admit_bytes<R: Versioned + DeserializeOwned>(body: &[u8], mode: Mode) -> Result<R, Refusal> {
    admit(
        serde_json::from_slice(body).map_err(Refusal::Malformed)?,
        mode,
    )
}

/// Checks `body` against the table of `R` at the version of `mode`, and reads it.
pub fn admit<R: Versioned + DeserializeOwned>(body: Value, mode: Mode) -> Result<R, Refusal> {
    let walk = Walk {
        mode,
        source: Source::Body,
    };
    walk.check(&body, R::SHAPE, &Rules::NONE)
        .map_err(|fault| fault.refusal(Source::Body))?;
    read(walk.convert(body, R::SHAPE, &Rules::NONE))
}

pub(crate) fn read<R: DeserializeOwned>(value: Value) -> Result<R, Refusal> {
    serde_json::from_value(value).map_err(Refusal::Unreadable)
}

/// Checks a text that comes from elsewhere than a body (a path segment, say) as if it were the field `name`.
pub fn check_text(name: &str, text: &str, rules: &Rules, mode: Mode) -> Result<(), Refusal> {
    let walk = Walk {
        mode,
        source: Source::Body,
    };
    let value = Value::String(text.to_owned());
    let checked = walk.check(&value, &Shape::Text, rules);
    checked.map_err(|fault| fault.within(name).refusal(Source::Body))
}

/// Where a value comes from; the texts and some rules differ.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Body,
    /// Everything is text, so numbers always come as text.
    Query,
}

/// The circumstances of one admission.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    pub mode: Mode,
    pub source: Source,
}

impl Walk {
    fn lenient(&self, rules: &Rules) -> bool {
        rules.lenient || self.source == Source::Query
    }
}

/// A broken rule, while it travels up to the top and learns its path.
pub(crate) struct Fault {
    /// Innermost first.
    path: Vec<String>,
    /// The offending value, as Python's `str` prints it.
    value: String,
    /// The same as `repr` prints it: so texts quote it.
    quoted: String,
    text: String,
    /// The text stands alone, whatever the path.
    bare: bool,
}

impl Fault {
    pub fn new(value: &Value, text: String) -> Self {
        Self {
            path: Vec::new(),
            value: python_str(value),
            quoted: python_repr(value),
            text,
            bare: false,
        }
    }

    fn bare(text: String) -> Self {
        Self {
            path: Vec::new(),
            value: String::new(),
            quoted: String::new(),
            text,
            bare: true,
        }
    }

    pub fn within(mut self, step: impl ToString) -> Self {
        let step = step.to_string();
        if SECRET.contains(&step.as_str()) {
            if !self.quoted.is_empty() {
                self.text = self.text.replace(&self.quoted, HIDDEN);
            }
            HIDDEN.clone_into(&mut self.value);
        }
        self.path.push(step);
        self
    }

    pub fn refusal(self, source: Source) -> Refusal {
        let Fault {
            path,
            value,
            quoted: _,
            text,
            bare,
        } = self;
        let (what, blamed) = match source {
            Source::Body => ("field/attribute", path.first()),
            Source::Query => ("query parameters", path.last()),
        };
        let message = match blamed {
            Some(field) if !bare => {
                format!("Invalid input for {what} {field}. Value: {value}. {text}")
            }
            _ => text,
        };
        Refusal::Invalid {
            field: blamed.cloned(),
            message,
        }
    }
}
