//! The check language: `role:`, `rule:`, `attribute:%(target)s`, literals, `and`, `or`, `not`.

use std::collections::HashMap;

use super::{Actor, Target};

/// A compiled check.
#[derive(Debug, Clone, PartialEq)]
pub enum Check {
    Always,
    Not(Box<Check>),
    All(Vec<Check>),
    Any(Vec<Check>),
    Role(String),
    Rule(String),
    /// An attribute or literal on the left, a template or literal on the right.
    Same(Left, Right),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Left {
    Attribute(String),
    /// `'text'`.
    Text(String),
    /// `None`.
    Nothing,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Right {
    /// `%(name)s`.
    Target(String),
    Text(String),
}

impl Check {
    /// Whether the check holds for this actor and target.
    pub fn holds(
        &self,
        rules: &HashMap<&'static str, Check>,
        actor: &dyn Actor,
        target: &Target,
    ) -> bool {
        match self {
            Check::Always => true,
            Check::Not(inner) => !inner.holds(rules, actor, target),
            Check::All(parts) => parts.iter().all(|part| part.holds(rules, actor, target)),
            Check::Any(parts) => parts.iter().any(|part| part.holds(rules, actor, target)),
            Check::Role(name) => actor.has_role(name),
            Check::Rule(name) => rules
                .get(name.as_str())
                .is_some_and(|check| check.holds(rules, actor, target)),
            Check::Same(left, right) => same(left, right, actor, target),
        }
    }
}

/// A target attribute that is missing equals nothing; an empty one equals only the literal `None`,
/// never an empty attribute of the actor.
fn same(left: &Left, right: &Right, actor: &dyn Actor, target: &Target) -> bool {
    let wanted = match right {
        Right::Text(text) if text == "None" => None,
        Right::Text(text) => Some(text.as_str()),
        Right::Target(name) => match target.get(name) {
            None => return false,
            Some(None) => return *left == Left::Nothing,
            Some(value) => value,
        },
    };
    match left {
        Left::Nothing => wanted.is_none(),
        Left::Text(text) => wanted == Some(text.as_str()),
        Left::Attribute(name) => actor.attribute(name).is_some_and(|have| have == wanted),
    }
}

/// Reads a check; `None` when it is malformed.
pub fn parse(text: &str) -> Option<Check> {
    let words = words(text);
    if words.is_empty() {
        return Some(Check::Always);
    }
    let mut rest = words.as_slice();
    let check = any(&mut rest)?;
    rest.is_empty().then_some(check)
}

/// Splits into parentheses, operators and checks; a parenthesis inside a check (`%(x)s`) stays.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for chunk in text.split_whitespace() {
        let mut chunk = chunk;
        while let Some(rest) = chunk.strip_prefix('(') {
            all.push("(".to_owned());
            chunk = rest;
        }
        let mut closing = 0;
        while chunk.ends_with(')') {
            chunk = &chunk[..chunk.len() - 1];
            closing += 1;
        }
        if !chunk.is_empty() {
            all.push(chunk.to_owned());
        }
        all.extend(std::iter::repeat_n(")".to_owned(), closing));
    }
    all
}

fn any(rest: &mut &[String]) -> Option<Check> {
    chain(rest, "or", all, Check::Any)
}

fn all(rest: &mut &[String]) -> Option<Check> {
    chain(rest, "and", single, Check::All)
}

fn chain(
    rest: &mut &[String],
    operator: &str,
    part: fn(&mut &[String]) -> Option<Check>,
    join: fn(Vec<Check>) -> Check,
) -> Option<Check> {
    let mut parts = vec![part(rest)?];
    while rest
        .first()
        .is_some_and(|word| word.eq_ignore_ascii_case(operator))
    {
        *rest = &rest[1..];
        parts.push(part(rest)?);
    }
    if parts.len() == 1 {
        parts.pop()
    } else {
        Some(join(parts))
    }
}

fn single(rest: &mut &[String]) -> Option<Check> {
    let (word, after) = rest.split_first()?;
    *rest = after;
    match word.as_str() {
        "(" => {
            let inner = any(rest)?;
            let (closing, after) = rest.split_first()?;
            *rest = after;
            (closing == ")").then_some(inner)
        }
        "not" => Some(Check::Not(Box::new(single(rest)?))),
        _ => leaf(word),
    }
}

fn leaf(word: &str) -> Option<Check> {
    let (left, right) = word.split_once(':')?;
    match left {
        "role" => return Some(Check::Role(right.to_owned())),
        "rule" => return Some(Check::Rule(right.to_owned())),
        _ => {}
    }
    let left = match left
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''))
    {
        Some(text) => Left::Text(text.to_owned()),
        None if left == "None" => Left::Nothing,
        None => Left::Attribute(left.to_owned()),
    };
    let template = right
        .strip_prefix("%(")
        .and_then(|text| text.strip_suffix(")s"));
    let right = template.map_or_else(
        || Right::Text(right.to_owned()),
        |name| Right::Target(name.to_owned()),
    );
    Some(Check::Same(left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn and_binds_closer_than_or() {
        let role = |name: &str| Check::Role(name.to_owned());
        assert_eq!(
            parse("role:a or role:b and not role:c"),
            Some(Check::Any(vec![
                role("a"),
                Check::All(vec![role("b"), Check::Not(Box::new(role("c")))])
            ]))
        );
        assert_eq!(parse("(role:a)"), Some(role("a")));
        assert_eq!(parse(""), Some(Check::Always));
        for broken in ["role:a or", "(role:a", "role:a)", "nothing"] {
            assert_eq!(parse(broken), None, "{broken}");
        }
    }
}
