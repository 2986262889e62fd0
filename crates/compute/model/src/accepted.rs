//! What may be asked of a server, as rows: a name, the values that it takes, and what becomes of it. Nothing is accepted
//! and ignored: what a row names is done, is a hint that may be ignored (as Nova's own drivers do), or is refused in a
//! sentence. Names that are in no table are metadata that nobody acts on, as in Nova.
//!
//! The tables: [`crate::image_properties`], [`crate::extra_specs`], [`crate::create_fields`].

pub mod lacks;
mod pattern;

use crate::hardware::quoted;

pub use pattern::{is_group, matches};

/// One thing that may be asked for.
#[derive(Debug)]
pub struct Row {
    /// A name, or a pattern of names ([`matches`]).
    pub name: &'static str,
    pub takes: Takes,
    pub fate: Fate,
}

/// What values a name takes.
#[derive(Debug)]
pub enum Takes {
    /// Any text.
    Text,
    /// A text that the function accepts; the first is what it must be.
    Form(&'static str, fn(&str) -> bool),
    /// A regular expression that the whole value matches.
    Matching(&'static str),
    /// Any of the words for true and false.
    Bool,
    /// True for the words for true, and false for every other text.
    Flag,
    /// A whole number with its bounds.
    Int(Option<i64>, Option<i64>),
    OneOf(&'static [&'static str]),
    /// The same in any case.
    AnyCase(&'static [&'static str]),
}

/// What becomes of what was asked.
#[derive(Debug)]
pub enum Fate {
    /// It is done by these files, below `crates/`.
    Honoured(&'static [&'static str]),
    /// It is kept and shown, and may be ignored: why that is no broken promise.
    Hint(&'static str),
    /// A server that asks for it is refused: why. The values in `unless`, in lower case, and false where it takes that,
    /// ask for no more than every server has.
    Refused {
        unless: &'static [&'static str],
        why: &'static str,
    },
    /// The values in `only`, in lower case, are honoured by these files, others are refused.
    Partly {
        by: &'static [&'static str],
        only: &'static [&'static str],
        why: &'static str,
    },
}

/// A server is asked to be what it cannot be here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name}={} cannot be honoured: {why}.", quoted(value))]
pub struct Refusal {
    /// `Image property`, `Flavor extra spec`.
    pub what: &'static str,
    pub name: String,
    pub value: String,
    pub why: &'static str,
}

/// Whether a text is one of the words for true.
pub fn is_true(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    ["1", "t", "true", "on", "y", "yes"].contains(&text.as_str())
}

/// Whether a text is one of the words for false.
pub fn is_false(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    ["0", "f", "false", "off", "n", "no"].contains(&text.as_str())
}

/// A whole number, with white space around it.
pub fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

impl Row {
    /// Why a server cannot have this value.
    pub fn refusal(&self, value: &str) -> Option<&'static str> {
        let (harmless, why) = match &self.fate {
            Fate::Honoured(_) | Fate::Hint(_) => return None,
            Fate::Refused { unless, why } => (unless, why),
            Fate::Partly { only, why, .. } => (only, why),
        };
        let asks = match self.takes {
            Takes::Bool | Takes::Flag => is_true(value),
            Takes::Int(..) => match number(value) {
                Some(number) => !harmless.contains(&number.to_string().as_str()),
                None => true,
            },
            _ => !harmless.contains(&value.trim().to_ascii_lowercase().as_str()),
        };
        asks.then_some(*why)
    }
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    NoBoolean,
    NoInteger,
    TooLarge(i64, i64),
    TooSmall(i64, i64),
    NotOneOf(&'static [&'static str]),
    NotOfForm(&'static str),
}

impl Takes {
    /// Whether a value is one of those.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn fits(&self, value: &str) -> Result<(), Misfit> {
        let good = |good: bool, otherwise: Misfit| match good {
            true => Ok(()),
            false => Err(otherwise),
        };
        match self {
            Takes::Text | Takes::Flag => Ok(()),
            Takes::Form(form, fits) => good(fits(value), Misfit::NotOfForm(form)),
            Takes::Matching(form) => good(whole_match(form, value), Misfit::NotOfForm(form)),
            Takes::Bool => good(is_true(value) || is_false(value), Misfit::NoBoolean),
            Takes::OneOf(words) => good(words.contains(&value), Misfit::NotOneOf(words)),
            Takes::AnyCase(words) => good(
                words.iter().any(|word| word.eq_ignore_ascii_case(value)),
                Misfit::NotOneOf(words),
            ),
            Takes::Int(least, most) => {
                let number = number(value).ok_or(Misfit::NoInteger)?;
                match (least, most) {
                    (_, Some(most)) if number > *most => Err(Misfit::TooLarge(number, *most)),
                    (Some(least), _) if number < *least => Err(Misfit::TooSmall(number, *least)),
                    _ => Ok(()),
                }
            }
        }
    }

    /// For readers of the tables.
    pub fn describe(&self) -> String {
        match self {
            Takes::Text => "text".to_owned(),
            Takes::Form(form, _) => (*form).to_owned(),
            Takes::Matching(form) => format!("`{form}`"),
            Takes::Bool => "true or false".to_owned(),
            Takes::Flag => "true; anything else is false".to_owned(),
            Takes::Int(None, None) => "whole number".to_owned(),
            Takes::Int(Some(least), None) => format!("whole number from {least}"),
            Takes::Int(None, Some(most)) => format!("whole number to {most}"),
            Takes::Int(Some(least), Some(most)) => format!("{least} to {most}"),
            Takes::OneOf(words) => words.join(", "),
            Takes::AnyCase(words) => format!("{} (in any case)", words.join(", ")),
        }
    }
}

fn whole_match(form: &str, value: &str) -> bool {
    let whole = regex::Regex::new(&format!("^(?:{form})$"));
    whole
        .expect("forms are constants, tried by a test")
        .is_match(value)
}

/// The row of a name.
pub fn row<'t>(table: &'t [Row], name: &str) -> Option<&'t Row> {
    table.iter().find(|row| matches(row.name, name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{create_fields, extra_specs, image_properties};

    #[test]
    fn every_row_that_is_honoured_names_files_that_speak_of_it() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        // Code names fields in its own way.
        let tables = [
            (image_properties::PROPERTIES, true),
            (extra_specs::SPECS, true),
            (create_fields::FIELDS, false),
        ];
        let rows = tables
            .into_iter()
            .flat_map(|(table, named)| table.iter().map(move |row| (row, named)));
        for (row, named) in rows {
            let (Fate::Honoured(by) | Fate::Partly { by, .. }) = &row.fate else {
                continue;
            };
            assert!(!by.is_empty(), "{}", row.name);
            let name = row.name.split('{').next().unwrap_or_default();
            for file in *by {
                let text = std::fs::read_to_string(crates.join(file));
                let text = text.unwrap_or_else(|error| panic!("{}: {file}: {error}", row.name));
                let speaks = !named
                    || text.contains(name)
                    || name
                        .split_once(':')
                        .is_some_and(|(space, _)| text.contains(&format!("\"{space}\"")));
                assert!(speaks, "{file} does not speak of {name}");
            }
        }
    }

    #[test]
    fn each_name_has_one_row_and_each_form_is_a_regular_expression() {
        for table in [
            image_properties::PROPERTIES,
            extra_specs::SPECS,
            create_fields::FIELDS,
        ] {
            for (at, row) in table.iter().enumerate() {
                assert!(table[at + 1..].iter().all(|other| other.name != row.name));
                if let Takes::Matching(form) = row.takes {
                    whole_match(form, "");
                }
            }
        }
    }

    #[test]
    fn a_row_refuses_what_asks_for_more_than_every_server_has() {
        let row = |takes, unless| Row {
            name: "x",
            takes,
            fate: Fate::Refused {
                unless,
                why: "it is not there",
            },
        };
        let flag = row(Takes::Flag, &[]);
        assert_eq!(flag.refusal("Yes"), Some("it is not there"));
        assert_eq!(flag.refusal("perhaps"), None);
        let number = row(Takes::Int(None, None), &["0"]);
        assert_eq!(number.refusal(" 0 "), None);
        assert_eq!(number.refusal("2"), Some("it is not there"));
        let word = row(Takes::Text, &["small"]);
        assert_eq!(word.refusal("SMALL"), None);
        assert!(word.refusal("large").is_some());
    }
}
