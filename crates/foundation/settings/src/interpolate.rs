//! `$key`, `${key}`, `$section.key` and `${section.key}` in values, as oslo.config has them.

use std::cell::Cell;

/// Deeper nesting than this is a circle.
const DEPTH: usize = 16;

/// References that one value may need: those that name each other in pairs double with each level.
const REFERENCES: usize = 1000;

/// Bytes of a value with all references replaced; lists of hosts or rules stay far below.
const LONGEST: usize = 1 << 20;

/// Replaces references in `text`; `named(section, key)` gives what one stands for. A name without a
/// section is looked for in `section`, then in `[DEFAULT]`. `$$` and `\$` are a plain dollar.
///
/// # Errors
/// A text that says which reference leads nowhere, in a circle, or to more than a value can be.
pub(crate) fn interpolate(
    text: &str,
    section: &str,
    named: &dyn Fn(&str, &str) -> Option<String>,
) -> Result<String, String> {
    let names = Names {
        section,
        named,
        left: Cell::new(REFERENCES),
    };
    expand(text, &names, 0)
}

/// What references are looked for in.
struct Names<'a> {
    section: &'a str,
    named: &'a dyn Fn(&str, &str) -> Option<String>,
    /// References that may still be replaced.
    left: Cell<usize>,
}

fn expand(text: &str, names: &Names<'_>, depth: usize) -> Result<String, String> {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        if let Some(before) = before.strip_suffix('\\') {
            done.push_str(before);
            done.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('$') {
            done.push_str(before);
            done.push('$');
            rest = after;
        } else {
            done.push_str(before);
            let (name, after) = reference(after);
            match name {
                Some(name) if depth < DEPTH => {
                    done.push_str(&value_of(name, names, depth)?);
                    if done.len() > LONGEST {
                        return Err(format!("with ${name} it is longer than {LONGEST} bytes"));
                    }
                }
                Some(name) => return Err(format!("${name} refers to itself")),
                None => done.push('$'),
            }
            rest = after;
        }
    }
    done.push_str(rest);
    Ok(done)
}

fn value_of(name: &str, names: &Names<'_>, depth: usize) -> Result<String, String> {
    match names.left.get().checked_sub(1) {
        Some(left) => names.left.set(left),
        None => return Err(format!("it needs more than {REFERENCES} references")),
    }
    let places: Vec<(&str, &str)> = match name.split_once('.') {
        Some(place) => vec![place],
        None => vec![(names.section, name), ("DEFAULT", name)],
    };
    for (section, key) in places {
        if let Some(value) = (names.named)(section, key) {
            return expand(&value, names, depth + 1);
        }
    }
    Err(format!(
        "${name} is not set anywhere (write $$ for a dollar sign)"
    ))
}

/// The name right after a dollar sign, and what follows it.
fn reference(text: &str) -> (Option<&str>, &str) {
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.split_once('}') {
            Some((name, after)) if !name.is_empty() && name.chars().all(in_name) => {
                (Some(name), after)
            }
            _ => (None, text),
        };
    }
    if !text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) {
        return (None, text);
    }
    let end = text.find(|c| !in_name(c)).unwrap_or(text.len());
    // A full stop at the end belongs to the sentence, not to the name.
    let name = text[..end].trim_end_matches('.');
    (Some(name), &text[name.len()..])
}

fn in_name(c: char) -> bool {
    c == '_' || c == '.' || c.is_ascii_alphanumeric()
}
