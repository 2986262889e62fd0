//! The tables that crates state: options and sections.

use crate::{Reader, nova};

/// The longest length of time that a setting may give, in seconds: some thirty years. Sums of such
/// times and moments still fit every type that holds one.
pub const MAX_SECONDS: f64 = 1e9;

/// What an option's text must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Text,
    Integer {
        min: i64,
        max: i64,
    },
    Float {
        min: f64,
        max: f64,
    },
    Boolean,
    /// A length of time in seconds; decimals allowed.
    Seconds {
        min: f64,
        max: f64,
    },
    /// Values separated by commas.
    List,
    /// The option may be repeated, and each line is a value.
    Multi,
    /// `key:value` pairs separated by commas.
    Map,
    Choice(&'static [&'static str]),
    Path,
}

impl Kind {
    /// What is allowed, to complete "must be …".
    pub(crate) fn allowed(self) -> String {
        match self {
            Kind::Text | Kind::Multi => "a text".to_owned(),
            Kind::Integer {
                min: i64::MIN,
                max: i64::MAX,
            } => "an integer".to_owned(),
            Kind::Integer { min, max: i64::MAX } => format!("an integer from {min}"),
            Kind::Integer { min, max } => format!("an integer from {min} to {max}"),
            Kind::Float { min, max } if min == f64::MIN && max == f64::MAX => "a number".to_owned(),
            Kind::Float { min, max } if max == f64::MAX => format!("a number from {min}"),
            Kind::Float { min, max } => format!("a number from {min} to {max}"),
            Kind::Boolean => "true or false".to_owned(),
            Kind::Seconds { min, max } if min == 0.0 && max == MAX_SECONDS => {
                "a number of seconds".to_owned()
            }
            Kind::Seconds { min, max } if max == MAX_SECONDS => {
                format!("a number of seconds from {min}")
            }
            Kind::Seconds { min, max } => format!("a number of seconds from {min} to {max}"),
            Kind::List => "values separated by commas".to_owned(),
            Kind::Map => "key:value pairs separated by commas".to_owned(),
            Kind::Choice(choices) => format!("one of {}", choices.join(", ")),
            Kind::Path => "a path".to_owned(),
        }
    }
}

/// One option of a section: a row of its table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opt {
    pub name: &'static str,
    pub kind: Kind,
    /// As one would write it in a file; empty is "not set".
    pub default: &'static str,
    /// For the operator: meaning and unit. Plain text or Markdown.
    pub doc: &'static str,
    /// Never shown.
    pub secret: bool,
    /// Older names that still work: `key` of the same section or `section/key`.
    pub formerly: &'static [&'static str],
}

impl Opt {
    const fn new(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Opt {
            name,
            kind,
            default,
            doc,
            secret: false,
            formerly: &[],
        }
    }

    pub const fn text(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Text, default, doc)
    }

    /// A whole number; see [`Opt::range`].
    pub const fn integer(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(
            name,
            Kind::Integer {
                min: i64::MIN,
                max: i64::MAX,
            },
            default,
            doc,
        )
    }

    /// A decimal number, from 0 unless [`Opt::float_range`] says otherwise.
    pub const fn float(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(
            name,
            Kind::Float {
                min: 0.0,
                max: f64::MAX,
            },
            default,
            doc,
        )
    }

    pub const fn boolean(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Boolean, default, doc)
    }

    /// A length of time in seconds, up to [`MAX_SECONDS`]; see [`Opt::seconds_range`].
    pub const fn seconds(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        let kind = Kind::Seconds {
            min: 0.0,
            max: MAX_SECONDS,
        };
        Self::new(name, kind, default, doc)
    }

    pub const fn list(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::List, default, doc)
    }

    /// A repeatable option without default.
    pub const fn multi(name: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Multi, "", doc)
    }

    pub const fn map(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Map, default, doc)
    }

    pub const fn choice(
        name: &'static str,
        choices: &'static [&'static str],
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self::new(name, Kind::Choice(choices), default, doc)
    }

    pub const fn path(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self::new(name, Kind::Path, default, doc)
    }

    /// A text that is never shown.
    pub const fn secret(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        let mut opt = Self::new(name, Kind::Text, default, doc);
        opt.secret = true;
        opt
    }

    /// Limits of an integer, both included.
    ///
    /// # Panics
    /// On an option of another kind: a mistake in a constant table.
    #[must_use]
    pub const fn range(mut self, min: i64, max: i64) -> Self {
        assert!(
            matches!(self.kind, Kind::Integer { .. }),
            "only integers have a range"
        );
        self.kind = Kind::Integer { min, max };
        self
    }

    /// Limits of a decimal number, both included.
    ///
    /// # Panics
    /// On an option of another kind.
    #[must_use]
    pub const fn float_range(mut self, min: f64, max: f64) -> Self {
        assert!(
            matches!(self.kind, Kind::Float { .. }),
            "only floats have a float range"
        );
        self.kind = Kind::Float { min, max };
        self
    }

    /// Limits of a length of time in seconds, both included.
    ///
    /// # Panics
    /// On an option of another kind.
    #[must_use]
    pub const fn seconds_range(mut self, min: f64, max: f64) -> Self {
        assert!(
            matches!(self.kind, Kind::Seconds { .. }),
            "only lengths of time have a range of seconds"
        );
        self.kind = Kind::Seconds { min, max };
        self
    }

    /// Hides the value wherever settings are shown.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Older names that still work, with a warning.
    #[must_use]
    pub const fn formerly(mut self, names: &'static [&'static str]) -> Self {
        self.formerly = names;
        self
    }

    /// Older names as (section, key): those of the table, then those by which Nova still takes an option of this name.
    pub(crate) fn former_names<'a>(
        &self,
        section: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let ours = self
            .formerly
            .iter()
            .map(move |name| name.split_once('/').unwrap_or((section, name)));
        ours.chain(nova::former_names(section, self.name))
    }
}

/// A section of the settings that some crate owns.
pub trait Section: Sized {
    /// As in `[NAME]`.
    const NAME: &'static str;
    /// One sentence for the reference.
    const ABOUT: &'static str = "";
    /// Further sections, which a list of this one names.
    const NAMED: Option<Named> = None;
    /// The table.
    fn options() -> &'static [Opt];
    /// Makes the typed struct. Getters note what does not parse and give the default, so that all
    /// mistakes are reported together; this function need not care.
    fn read(from: &mut Reader<'_>) -> Self;
}

/// Sections whose names an operator chooses: the values of an option, a list, name them.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// The option.
    pub by: &'static str,
    /// One sentence for the reference.
    pub about: &'static str,
    /// The table of each.
    pub options: &'static [Opt],
}

/// A section without its type. Several crates may own parts of one section (`[DEFAULT]`).
#[derive(Debug, Clone, Copy)]
pub struct SectionInfo {
    pub name: &'static str,
    pub about: &'static str,
    pub options: &'static [Opt],
    pub named: Option<Named>,
}

/// The tables of `S`.
pub fn section<S: Section>() -> SectionInfo {
    SectionInfo {
        name: S::NAME,
        about: S::ABOUT,
        options: S::options(),
        named: S::NAMED,
    }
}
