//! Policy files: `policy.json`, and the part of YAML that policy files consist of.
//!
//! That is one `name: rule` per line, quoted or not, comments, and lists in brackets. Anything else
//! is refused with its line number rather than guessed at.

use std::collections::HashSet;

use serde_json::Value;

/// What a file says about one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// In the language.
    Rule(String),
    /// In the old syntax of lists.
    List(Vec<Vec<String>>),
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("it is not a JSON object")]
    Json(#[source] serde_json::Error),
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: &'static str },
    #[error("rule {rule}: neither text nor a list of texts or of lists of texts")]
    Value { rule: String },
}

/// The rules of a file, in its order.
pub fn read(text: &str) -> Result<Vec<(String, Text)>, FileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        let object: serde_json::Map<String, Value> =
            serde_json::from_str(text).map_err(FileError::Json)?;
        return object
            .into_iter()
            .map(|(rule, value)| Ok((rule.clone(), from_value(rule, value)?)))
            .collect();
    }
    let mut rules: Vec<(String, Text)> = Vec::new();
    let mut known = HashSet::new();
    for (index, line) in text.lines().enumerate() {
        let at = |problem| FileError::Line {
            line: index + 1,
            problem,
        };
        if line.trim().is_empty()
            || line.trim_start().starts_with('#')
            || matches!(line.trim_end(), "---" | "...")
        {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            return Err(at("a rule begins at the start of its line and stays on it"));
        }
        let (name, rest) = key(line).map_err(at)?;
        let value = value(rest).map_err(at)?;
        if !known.insert(name.clone()) {
            return Err(at("this rule was given before"));
        }
        rules.push((name, value));
    }
    Ok(rules)
}

fn key(line: &str) -> Result<(String, &str), &'static str> {
    let (name, rest) = if line.starts_with(['"', '\'']) {
        quoted(line)?
    } else {
        let end = line
            .find(": ")
            .or_else(|| line.ends_with(':').then(|| line.len() - 1));
        let end = end.ok_or("expected name: \"rule\"")?;
        (line[..end].trim_end().to_owned(), &line[end..])
    };
    let rest = rest
        .trim_start()
        .strip_prefix(':')
        .ok_or("expected a colon after the name")?;
    let bare = line.starts_with(['-', '?', '!', '&', '*', '[', '{', '|', '>', '%', '@', '`']);
    if name.is_empty() || bare {
        return Err("expected name: \"rule\"");
    }
    Ok((name, rest))
}

fn value(text: &str) -> Result<Text, &'static str> {
    let text = text.trim();
    if text.starts_with(['"', '\'']) {
        let (value, rest) = quoted(text)?;
        return if is_comment(rest) {
            Ok(Text::Rule(value))
        } else {
            Err("unexpected text after the rule")
        };
    }
    if text.starts_with('[') {
        let end = text.rfind(']').ok_or("the list has no end on this line")?;
        if !is_comment(&text[end + 1..]) {
            return Err("unexpected text after the list");
        }
        let list = serde_json::from_str(&text[..=end])
            .map_err(|_| "expected a list of texts in double quotes")?;
        return from_value(String::new(), list)
            .map_err(|_| "expected a list of texts or of lists of texts");
    }
    let plain = text
        .split_once(" #")
        .map_or(text, |(plain, _)| plain)
        .trim_end();
    if plain.is_empty() || plain.starts_with('#') {
        return Err("the rule is missing; write \"\" to let everybody pass");
    }
    if plain.starts_with(['!', '@', '%', '&', '*', '|', '>', '`', '{', '-', '?'])
        || plain.contains(": ")
    {
        return Err("write this rule in quotes");
    }
    Ok(Text::Rule(plain.to_owned()))
}

/// A quoted text at the beginning, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let quote = text.chars().next().ok_or("expected a quote")?;
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => {
                chars.next();
                value.push('\'');
            }
            c if c == quote => return Ok((value, &text[at + c.len_utf8()..])),
            '\\' if quote == '"' => match chars.next() {
                Some((_, escaped @ ('"' | '\\' | '/'))) => value.push(escaped),
                _ => return Err("this escape is not understood"),
            },
            c => value.push(c),
        }
    }
    Err("the quote has no end on this line")
}

fn is_comment(rest: &str) -> bool {
    let trimmed = rest.trim_start();
    trimmed.is_empty() || (trimmed.starts_with('#') && trimmed.len() < rest.len())
}

fn from_value(rule: String, value: Value) -> Result<Text, FileError> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let inner = |value: &Value| match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(text).collect(),
        _ => None,
    };
    match value {
        Value::String(rule) => Ok(Text::Rule(rule)),
        Value::Array(outer) => outer
            .iter()
            .map(inner)
            .collect::<Option<Vec<_>>>()
            .map(Text::List)
            .ok_or(FileError::Value { rule }),
        _ => Err(FileError::Value { rule }),
    }
}
