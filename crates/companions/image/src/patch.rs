//! JSON patch as Glance understands it: a list of add, replace and remove of whole attributes, in
//! the form of draft 4 (`{"add": "/name", "value": …}`) or draft 10 (`{"op": "add", "path": …}`).

use serde_json::Value;

use crate::attributes;
use crate::fault::Fault;
use crate::model::Image;
use crate::settings::Settings;
use crate::tables::Status;

/// The forms of a patch document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draft {
    Four,
    Ten,
}

/// Content types, with the draft they mean. The last is not Glance's; some clients send it.
pub const TYPES: [(&str, Draft); 3] = [
    ("application/openstack-images-v2.0-json-patch", Draft::Four),
    ("application/openstack-images-v2.1-json-patch", Draft::Ten),
    ("application/openstack-images-v2.3-json-patch", Draft::Ten),
];

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub op: Op,
    pub name: String,
    /// Null for a removal.
    pub value: Value,
    draft: Draft,
}

/// What is done to an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Add,
    Remove,
    Replace,
}

const OPS: [(&str, Op); 3] = [
    ("add", Op::Add),
    ("remove", Op::Remove),
    ("replace", Op::Replace),
];

/// The draft that a content type means.
pub fn draft(content_type: &str) -> Result<Draft, Fault> {
    let bare = content_type.split(';').next().unwrap_or_default().trim();
    let found = TYPES.iter().find(|(name, _)| *name == bare);
    found.map(|(_, draft)| *draft).ok_or_else(|| {
        let names: Vec<_> = TYPES[..2].iter().map(|(name, _)| *name).collect();
        Fault::Unsupported(format!(
            "Image PATCH expects Content-Type one of: {}",
            names.join(", ")
        ))
    })
}

/// Reads a patch document and checks every value in it.
pub fn parse(body: &Value, draft: Draft, settings: &Settings) -> Result<Vec<Change>, Fault> {
    let Some(list) = body.as_array() else {
        return bad("Request body must be a JSON array of operation objects.");
    };
    list.iter()
        .map(|raw| change(raw, draft, settings))
        .collect()
}

fn change(raw: &Value, draft: Draft, settings: &Settings) -> Result<Change, Fault> {
    if !raw.is_object() {
        return bad("Operations must be JSON objects.");
    }
    let (op, pointer) = match draft {
        Draft::Ten => ten(raw)?,
        Draft::Four => four(raw)?,
    };
    let path = decode(pointer)?;
    let name = path[0].clone();
    if name == "locations" {
        return Err(Fault::Forbidden(
            "It's not allowed to change locations if locations are invisible.".to_owned(),
        ));
    }
    if path.len() != 1 {
        return bad(&format!(
            "Invalid JSON pointer for this resource: '/{}'",
            path.join("/")
        ));
    }
    let value = match (op, raw.get("value")) {
        (Op::Remove, _) => Value::Null,
        (_, Some(value)) => value.clone(),
        (_, None) => {
            return bad("Operation \"add\" or \"replace\" requires a member named \"value\".");
        }
    };
    attributes::writable(&name, false)?;
    if op != Op::Remove {
        attributes::check(&name, &value, settings)?;
    }
    Ok(Change {
        op,
        name,
        value,
        draft,
    })
}

fn ten(raw: &Value) -> Result<(Op, &str), Fault> {
    let known = OPS.map(|(name, _)| name).join(", ");
    let Some(word) = raw.get("op") else {
        return bad(&format!(
            "Unable to find `op` in JSON Schema change. It must be one of the following: {known}."
        ));
    };
    let op = OPS.iter().find(|(name, _)| word == name);
    let Some((_, op)) = op else {
        return bad(&format!(
            "Invalid operation: `{word}`. It must be one of the following: {known}."
        ));
    };
    match raw.get("path").and_then(Value::as_str) {
        Some(path) => Ok((*op, path)),
        None => bad("Unable to find 'path' in JSON Schema change"),
    }
}

fn four(raw: &Value) -> Result<(Op, &str), Fault> {
    let mut found = OPS
        .iter()
        .filter_map(|(name, op)| raw.get(*name).map(|path| (*op, path)));
    match (found.next(), found.next()) {
        (Some((op, Value::String(path))), None) => Ok((op, path)),
        _ => bad(
            "Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".",
        ),
    }
}

/// Splits a JSON pointer.
fn decode(pointer: &str) -> Result<Vec<String>, Fault> {
    let Some(rest) = pointer.strip_prefix('/') else {
        return bad(&format!("Pointer `{pointer}` does not start with \"/\"."));
    };
    let mut parts = Vec::new();
    for part in rest.split('/') {
        let plain = part.replace("~1", "").replace("~0", "");
        if part.trim().is_empty() || plain.contains('~') {
            return bad(&format!("Pointer `{pointer}` is not a valid JSON pointer."));
        }
        parts.push(part.replace("~1", "/").replace("~0", "~").trim().to_owned());
    }
    Ok(parts)
}

fn bad<T>(message: &str) -> Result<T, Fault> {
    Err(Fault::BadRequest(message.to_owned()))
}

/// Applies one change. Who may do it is decided by the caller of this function.
pub fn apply(image: &mut Image, change: &Change) -> Result<(), Fault> {
    let name = change.name.as_str();
    let attribute = attributes::attribute(name).is_some();
    let present = attribute || image.properties.contains_key(name);
    match change.op {
        Op::Remove if attribute => {
            return Err(Fault::Forbidden(format!(
                "Property {name} may not be removed."
            )));
        }
        Op::Remove | Op::Replace if !present => {
            return Err(Fault::Conflict(format!("Property {name} does not exist.")));
        }
        Op::Add if present && change.draft == Draft::Four => {
            return Err(Fault::Conflict(format!("Property {name} already present.")));
        }
        Op::Remove => {
            image.properties.remove(name);
            return Ok(());
        }
        Op::Add | Op::Replace => {}
    }
    let format = matches!(name, "disk_format" | "container_format");
    if format && image.row.status != Status::Queued {
        return Err(Fault::Forbidden(format!(
            "Attribute {name} can be only replaced for a queued image."
        )));
    }
    attributes::assign(image, name, &change.value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: Value, draft: Draft) -> Result<Vec<Change>, Fault> {
        parse(&body, draft, &Settings::default())
    }

    #[test]
    fn both_drafts_say_the_same() {
        let ten = read(
            json!([{"op": "add", "path": "/a~1b", "value": "x"}]),
            Draft::Ten,
        );
        let four = read(json!([{"add": "/a~1b", "value": "x"}]), Draft::Four);
        let (ten, four) = (ten.expect("valid"), four.expect("valid"));
        assert_eq!((ten[0].op, &ten[0].name), (four[0].op, &four[0].name));
        assert_eq!(ten[0].name, "a/b");
    }

    #[test]
    fn malformed_documents_are_refused() {
        for body in [
            json!({}),
            json!([1]),
            json!([{"op": "move", "path": "/a"}]),
            json!([{"op": "add", "path": "a", "value": "x"}]),
            json!([{"op": "add", "path": "/a//b", "value": "x"}]),
            json!([{"op": "add", "path": "/a~2", "value": "x"}]),
            json!([{"op": "add", "path": "/a"}]),
            json!([{"op": "add", "path": "/a/b", "value": "x"}]),
            json!([{"op": "add", "path": "/", "value": "x"}]),
        ] {
            let refused = read(body.clone(), Draft::Ten);
            assert!(matches!(refused, Err(Fault::BadRequest(_))), "{body}");
        }
    }

    #[test]
    fn what_is_not_the_users_is_forbidden() {
        for name in ["/status", "/id", "/os_glance_x", "/deleted", "/locations"] {
            let refused = read(
                json!([{"op": "replace", "path": name, "value": "x"}]),
                Draft::Ten,
            );
            assert!(matches!(refused, Err(Fault::Forbidden(_))), "{name}");
        }
    }
}
