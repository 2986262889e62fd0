//! A rule as a tree.

use super::{Subject, Target};

/// A rule, ready to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// `@` and `!`.
    Always(bool),
    Not(Box<Check>),
    All(Vec<Check>),
    Any(Vec<Check>),
    /// `rule:name`.
    Rule(String),
    Match(Match),
}

/// `left:right`, where the right side may name attributes of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub left: Left,
    pub right: Template,
}

/// What the right side is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// `role:`, any of the caller's roles in any case of letters.
    Role,
    /// A constant: `'text'`, `True`, `None`, `7`; the value of a `field:`.
    Literal(String),
    /// What the right side begins with, of a `field:` with a pattern.
    Beginning(String),
    /// An attribute of the caller.
    Attribute(String),
}

/// Text with `%(name)s` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(pub Vec<Piece>);

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Name(String),
}

impl Check {
    /// Puts a reference to `rule` in the place of each `is_admin:True`.
    pub fn name_admins(&mut self, rule: &str) {
        match self {
            Check::Always(_) | Check::Rule(_) => {}
            Check::Not(inner) => inner.name_admins(rule),
            Check::All(checks) | Check::Any(checks) => {
                checks.iter_mut().for_each(|check| check.name_admins(rule));
            }
            Check::Match(matching) => {
                let Template(right) = &matching.right;
                let asks = matching.left == Left::Attribute("is_admin".to_owned());
                let truth = match right.as_slice() {
                    [Piece::Text(text)] => Some(matches!(text.as_str(), "True" | "1")),
                    _ => None,
                };
                if let Some(wanted) = truth.filter(|_| asks) {
                    let reference = Check::Rule(rule.to_owned());
                    *self = match wanted {
                        true => reference,
                        false => Check::Not(Box::new(reference)),
                    };
                }
            }
        }
    }
}

impl Match {
    /// A name that the target lacks, or an attribute that the caller lacks, is no match.
    pub fn holds(&self, subject: &dyn Subject, target: &Target<'_>) -> bool {
        let Template(pieces) = &self.right;
        match pieces.as_slice() {
            [Piece::Text(text)] => {
                self.left.is(subject, text) || (text == "None" && self.left.is_lacking(subject))
            }
            [Piece::Name(name)] => target
                .get(name)
                .is_some_and(|value| self.left.is(subject, value)),
            pieces => fill(pieces, target).is_some_and(|value| self.left.is(subject, &value)),
        }
    }
}

impl Left {
    fn is(&self, subject: &dyn Subject, value: &str) -> bool {
        match self {
            Left::Role => {
                let value = value.to_lowercase();
                subject
                    .roles()
                    .iter()
                    .any(|role| role.to_lowercase() == value)
            }
            Left::Literal(literal) => literal == value,
            Left::Beginning(text) => value.starts_with(text.as_str()),
            Left::Attribute(name) => match name.as_str() {
                "roles" => subject.roles().iter().any(|role| role == value),
                "service_roles" => subject.service_roles().iter().any(|role| role == value),
                // Two names for one thing, as in oslo.policy.
                "system" => subject.attribute("system_scope") == Some(value),
                name => subject.attribute(name) == Some(value),
            },
        }
    }

    /// Whether this is an attribute that the caller could have and has not.
    fn is_lacking(&self, subject: &dyn Subject) -> bool {
        match self {
            Left::Attribute(name) => subject.lacks(match name.as_str() {
                "system" => "system_scope",
                name => name,
            }),
            Left::Role | Left::Literal(_) | Left::Beginning(_) => false,
        }
    }
}

fn fill(pieces: &[Piece], target: &Target<'_>) -> Option<String> {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Name(name) => target.get(name),
        })
        .collect()
}
