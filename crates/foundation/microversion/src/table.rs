//! The constant tables that the derive emits, and nothing else.

use std::collections::BTreeSet;

use crate::format::Format;
use crate::version::{Range, Version};

/// What a value looks like on the wire.
#[derive(Debug)]
pub enum Shape {
    /// Anything; neither checked nor filtered.
    Any,
    Null,
    Text,
    Boolean,
    Integer,
    Number,
    List(&'static Shape),
    /// Free keys, values of one shape.
    Map(&'static Shape),
    Object(Object),
    Choice(Choice),
    /// One of several shapes, told apart by looking (serde's `untagged`).
    Either(&'static [Alternative]),
    /// A newtype: another shape with rules of its own.
    Ruled(&'static Shape, &'static [(Version, Rules)]),
}

/// A struct.
#[derive(Debug)]
pub struct Object {
    /// The struct's name in serde, by which an untagged value is recognised while it is rendered.
    pub name: &'static str,
    pub fields: &'static [Field],
    /// Whether keys beyond the fields are taken.
    pub open: bool,
    /// The field (by its Rust name) that receives the whole object as it was sent.
    pub whole: Option<&'static str>,
    /// For query strings: unknown keys are dropped before this version and refused from it on.
    pub unknown_refused_since: Version,
    /// For query strings: the pattern that the original lists when it refuses an unknown key.
    pub key_pattern: Option<&'static str>,
}

/// A field of a struct, with its history.
#[derive(Debug)]
pub struct Field {
    /// Its name in Rust (in serde).
    pub key: &'static str,
    /// Its name in JSON. Two fields may share one, in disjoint ranges.
    pub wire: &'static str,
    pub range: Range,
    /// From which version on a request must have it.
    pub required_since: Version,
    pub shape: &'static Shape,
    /// What its values must be, from each version on; in rising order. Empty: no rules.
    pub rules: &'static [(Version, Rules)],
}

/// An enumeration of words.
#[derive(Debug)]
pub struct Choice {
    pub words: &'static [Word],
}

/// One allowed word, with its history.
#[derive(Debug)]
pub struct Word {
    pub wire: &'static str,
    pub range: Range,
}

/// One of several shapes a value may have.
#[derive(Debug)]
pub struct Alternative {
    pub range: Range,
    pub shape: &'static Shape,
}

/// What a value must be beyond its type. Lengths count characters.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub minimum: Option<i64>,
    pub maximum: Option<i64>,
    pub min_items: Option<usize>,
    pub max_items: Option<usize>,
    pub unique_items: bool,
    pub min_properties: Option<usize>,
    pub max_properties: Option<usize>,
    pub pattern: Option<&'static str>,
    /// For maps: what the keys must match.
    pub key_pattern: Option<&'static str>,
    pub format: Option<Format>,
    pub one_of: &'static [&'static str],
    /// `null` is a value too.
    pub nullable: bool,
    /// Numbers and booleans may be written as text, and texts as whole numbers.
    pub lenient: bool,
    /// Texts may be written as numbers of any kind.
    pub decimal: bool,
}

impl Rules {
    /// No rules at all.
    pub const NONE: Rules = Rules {
        min_length: None,
        max_length: None,
        minimum: None,
        maximum: None,
        min_items: None,
        max_items: None,
        unique_items: false,
        min_properties: None,
        max_properties: None,
        pattern: None,
        key_pattern: None,
        format: None,
        one_of: &[],
        nullable: false,
        lenient: false,
        decimal: false,
    };

    /// These rules, completed by those of the type below.
    pub(crate) fn over(&self, below: &Rules) -> Rules {
        Rules {
            min_length: self.min_length.or(below.min_length),
            max_length: self.max_length.or(below.max_length),
            minimum: self.minimum.or(below.minimum),
            maximum: self.maximum.or(below.maximum),
            min_items: self.min_items.or(below.min_items),
            max_items: self.max_items.or(below.max_items),
            unique_items: self.unique_items || below.unique_items,
            min_properties: self.min_properties.or(below.min_properties),
            max_properties: self.max_properties.or(below.max_properties),
            pattern: self.pattern.or(below.pattern),
            key_pattern: self.key_pattern.or(below.key_pattern),
            format: self.format.or(below.format),
            one_of: if self.one_of.is_empty() {
                below.one_of
            } else {
                self.one_of
            },
            nullable: self.nullable || below.nullable,
            lenient: self.lenient || below.lenient,
            decimal: self.decimal || below.decimal,
        }
    }
}

/// The rules in force at a version.
pub(crate) fn rules_at(eras: &'static [(Version, Rules)], version: Version) -> &'static Rules {
    const NONE: &Rules = &Rules::NONE;
    eras.iter()
        .rev()
        .find(|(since, _)| version.at_least(*since))
        .map_or(NONE, |(_, rules)| rules)
}

/// The shape below newtypes.
pub(crate) fn peel(mut shape: &'static Shape) -> &'static Shape {
    while let Shape::Ruled(inner, _) = shape {
        shape = inner;
    }
    shape
}

/// Every version at which something in this shape or below changed: came, went, became required or got new rules.
pub fn changes(shape: &'static Shape) -> BTreeSet<Version> {
    let mut found = BTreeSet::new();
    collect(shape, &mut found);
    found.remove(&Version::MIN);
    found
}

fn collect(shape: &'static Shape, found: &mut BTreeSet<Version>) {
    match shape {
        Shape::Any
        | Shape::Null
        | Shape::Text
        | Shape::Boolean
        | Shape::Integer
        | Shape::Number => {}
        Shape::List(inner) | Shape::Map(inner) => collect(inner, found),
        Shape::Ruled(inner, eras) => {
            found.extend(eras.iter().map(|(since, _)| *since));
            collect(inner, found);
        }
        Shape::Object(object) => {
            if object.unknown_refused_since != Version::MAX {
                found.insert(object.unknown_refused_since);
            }
            for field in object.fields {
                note(field.range, found);
                if field.required_since != Version::MAX {
                    found.insert(field.required_since);
                }
                found.extend(field.rules.iter().map(|(since, _)| *since));
                collect(field.shape, found);
            }
        }
        Shape::Choice(choice) => choice.words.iter().for_each(|word| note(word.range, found)),
        Shape::Either(alternatives) => {
            for alternative in *alternatives {
                note(alternative.range, found);
                collect(alternative.shape, found);
            }
        }
    }
}

fn note(range: Range, found: &mut BTreeSet<Version>) {
    found.insert(range.min);
    if range.max != Version::MAX {
        found.insert(range.max.next());
    }
}
