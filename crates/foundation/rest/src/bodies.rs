//! What becomes of what bodies say, call by call, for services whose bodies are read as types with a history of their
//! own ([`microversion::Versioned`]). The type says which names there are and in which versions; a table beside it says
//! what becomes of each. Tests compare the two, and the tables with the calls.

use microversion::{Object, Range, Shape, Version};
use serde_json::Value;

use crate::accepted::Fate;
use crate::parameters::{Parameter, Parameters, Unknown};
use crate::{Line, Status};

/// The bodies of some calls that are read alike. Names are paths from the outermost object: `volume.size`. An object of
/// free names is one name; where the body itself is one, that is `*`.
#[derive(Debug)]
pub struct Body {
    /// As tables of calls show them: `POST /volumes`, `POST /volumes/{id}/action os-extend`.
    pub calls: &'static [&'static str],
    /// What it is read as; [`Shape::Any`] where nothing in it is looked at.
    pub shape: &'static Shape,
    pub honoured: &'static [&'static str],
    pub others: &'static [(&'static str, Fate)],
    /// Objects that may have other names too, which change nothing: `volume.*`, until when, and why; `*` is the
    /// outermost one. Elsewhere such names are refused.
    pub open: &'static [(&'static str, Version, &'static str)],
}

impl Body {
    /// For documents, and for tests over all bodies.
    pub fn table(&self) -> Parameters {
        let names = names(self.shape);
        let row = |name: &'static str, fate| Parameter {
            name,
            range: names
                .iter()
                .find(|(found, _)| found == name)
                .map_or(Range::ALWAYS, |(_, range)| *range),
            fate,
        };
        let honoured = self.honoured.iter().map(|&name| row(name, Fate::Honoured));
        let others = self.others.iter().map(|&(name, fate)| row(name, fate));
        let open = self.open.iter().filter(|(name, ..)| *name != "*");
        let open = open.map(|&(name, until, why)| Parameter {
            name,
            range: Range::between(Version::MIN, until),
            fate: Fate::Hint(why),
        });
        let outermost = self.open.iter().find(|(name, ..)| *name == "*");
        Parameters {
            calls: self.calls,
            known: honoured.chain(others).chain(open).collect(),
            unknown: outermost.map_or(Unknown::Refused, |&(.., why)| Unknown::Ignored(why)),
        }
    }

    /// What a body names that is not done: its name, what becomes of it, and why.
    pub fn refusal(&self, sent: &Value) -> Option<(&'static str, Fate, &'static str)> {
        self.others.iter().find_map(|(name, fate)| {
            let mut value = sent;
            for part in name.split('.') {
                value = value.get(part)?;
            }
            Some((*name, *fate, fate.refusal(value)?))
        })
    }
}

/// What tables of bodies lack, in sentences: each call that has a body stands in one, and each table has the names that
/// its type has.
pub fn gaps(calls: &[Line], bodies: &[&Body]) -> Vec<String> {
    let text = |call: &Line| {
        let action = call.action.map(|action| format!(" {action}"));
        format!("{} {}{}", call.verb, call.path, action.unwrap_or_default())
    };
    let built = calls.iter().filter(|call| call.status == Status::Built);
    let built = built.filter(|call| call.verb.has_body()).map(text);
    let built: Vec<String> = built.collect();
    let named: Vec<&str> = bodies
        .iter()
        .flat_map(|body| body.calls.iter().copied())
        .collect();
    let mut gaps = Vec::new();
    for call in &built {
        match named.iter().filter(|name| *name == call).count() {
            0 => gaps.push(format!("{call}: what may its body say?")),
            1 => {}
            _ => gaps.push(format!("{call}: it stands in two tables")),
        }
    }
    for name in named {
        if !built.iter().any(|call| call == name) {
            gaps.push(format!("{name}: there is no such call"));
        }
    }
    bodies.iter().for_each(|body| compare(body, &mut gaps));
    gaps
}

/// The names of a table beside those of its type.
fn compare(body: &Body, gaps: &mut Vec<String>) {
    let call = body.calls.first().copied().unwrap_or_default();
    let others = body.others.iter().map(|(name, _)| *name);
    let rows: Vec<&str> = body.honoured.iter().copied().chain(others).collect();
    for (at, name) in rows.iter().enumerate() {
        if rows[..at].contains(name) {
            gaps.push(format!("{call}: {name} has two rows"));
        }
    }
    // Nothing is looked at: the table alone says what there is.
    if matches!(body.shape, Shape::Any) {
        return;
    }
    let names = names(body.shape);
    for (name, _) in &names {
        let there = match name.ends_with('*') && name != "*" {
            true => body.open.iter().any(|(open, ..)| open == name),
            false => {
                rows.contains(&name.as_str()) || body.open.iter().any(|(open, ..)| open == name)
            }
        };
        if !there {
            gaps.push(format!("{call}: what becomes of {name}?"));
        }
    }
    for row in rows {
        // A part of what the type takes as a whole.
        let part = names.iter().any(|(name, _)| {
            row.strip_prefix(name.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        });
        if !part && !names.iter().any(|(name, _)| name == row) {
            gaps.push(format!("{call}: its type has no {row}"));
        }
    }
}

/// All names that a type takes, by their paths, with the versions that know them. `.*` stands for other names of an
/// object that takes them.
fn names(shape: &'static Shape) -> Vec<(String, Range)> {
    let mut found = Vec::new();
    match peel(shape) {
        Shape::Object(object) => collect(object, "", Range::ALWAYS, &mut found),
        Shape::Map(_) => found.push(("*".to_owned(), Range::ALWAYS)),
        _ => {}
    }
    found
}

fn collect(object: &'static Object, above: &str, within: Range, found: &mut Vec<(String, Range)>) {
    for field in object.fields {
        let path = format!("{above}{}", field.wire);
        let range = Range::between(
            within.min.max(field.range.min),
            within.max.min(field.range.max),
        );
        match peel(field.shape) {
            Shape::Object(inner) => collect(inner, &format!("{path}."), range, found),
            _ => found.push((path, range)),
        }
    }
    if object.open {
        found.push((format!("{above}*"), within));
    }
}

/// The shape below newtypes.
fn peel(mut shape: &'static Shape) -> &'static Shape {
    while let Shape::Ruled(inner, _) = shape {
        shape = inner;
    }
    shape
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use microversion::Versioned;
    use serde_json::json;

    use super::*;
    use crate::{Access, Verb};

    #[derive(Versioned)]
    #[allow(dead_code, reason = "its table is looked at")]
    struct Make {
        thing: Thing,
    }

    #[derive(Versioned)]
    #[allow(dead_code, reason = "its table is looked at")]
    struct Thing {
        name: String,
        #[mv(since = "3.5")]
        colour: Option<String>,
        parts: Option<Parts>,
    }

    #[derive(Versioned)]
    #[mv(open)]
    #[allow(dead_code, reason = "its table is looked at")]
    struct Parts {
        wheel: Option<bool>,
    }

    const FIVE: Version = Version::new(3, 5);
    const MAKE: Body = Body {
        calls: &["POST /things"],
        shape: Make::SHAPE,
        honoured: &["thing.name", "thing.colour"],
        others: &[(
            "thing.parts.wheel",
            Fate::NotBuilt {
                unless: &["false", "null"],
                why: "things do not roll",
            },
        )],
        open: &[("thing.parts.*", Version::MAX, "nobody reads them")],
    };

    fn line(action: Option<&'static str>, status: Status) -> Line {
        Line {
            verb: Verb::Post,
            path: "/things",
            action,
            range: Range::ALWAYS,
            access: Access::Open,
            success: StatusCode::OK,
            status,
        }
    }

    #[test]
    fn versions_come_from_the_type() {
        let table = MAKE.table();
        let range = |name: &str| {
            let found = table.known.iter().find(|known| known.name == name);
            found.expect(name).range
        };
        assert_eq!(range("thing.name"), Range::ALWAYS);
        assert_eq!(range("thing.colour"), Range::since(FIVE));
        assert_eq!(range("thing.parts.*"), Range::ALWAYS);
    }

    #[test]
    fn what_is_not_done_is_found_in_a_body() {
        let with = |wheel: Value| json!({"thing": {"parts": {"wheel": wheel}}});
        for taken in [
            with(json!(false)),
            with(json!(null)),
            json!({"thing": {}}),
            json!({"thing": {"parts": null}}),
        ] {
            assert_eq!(MAKE.refusal(&taken), None, "{taken}");
        }
        let (name, _, why) = MAKE.refusal(&with(json!(true))).expect("refused");
        assert_eq!((name, why), ("thing.parts.wheel", "things do not roll"));
    }

    #[test]
    fn a_call_without_a_table_is_a_gap_and_so_are_names_that_do_not_match() {
        let made = line(None, Status::Built);
        assert_eq!(
            gaps(std::slice::from_ref(&made), &[&MAKE]),
            Vec::<String>::new()
        );
        assert_eq!(
            gaps(&[made.clone(), line(Some("go"), Status::Built)], &[&MAKE]),
            ["POST /things go: what may its body say?"]
        );
        assert_eq!(
            gaps(&[line(None, Status::NotBuilt)], &[&MAKE]),
            ["POST /things: there is no such call"]
        );
        let wrong = Body {
            honoured: &["thing.name", "thing.name", "thing.name.first", "thing.size"],
            open: &[],
            ..MAKE
        };
        assert_eq!(
            gaps(std::slice::from_ref(&made), &[&wrong]),
            [
                "POST /things: thing.name has two rows",
                "POST /things: what becomes of thing.colour?",
                "POST /things: what becomes of thing.parts.*?",
                "POST /things: its type has no thing.size",
            ]
        );
        assert_eq!(
            gaps(std::slice::from_ref(&made), &[&MAKE, &MAKE]),
            ["POST /things: it stands in two tables"]
        );
    }
}
