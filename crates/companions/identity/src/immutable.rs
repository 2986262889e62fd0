//! The option `immutable` of projects, domains and roles: what has it is neither changed nor removed, until the option is
//! taken away by a change that does nothing else.

use serde_json::Value;

use crate::fault::Fault;
use crate::record::Object;

const OPTION: &str = "immutable";

/// Whether stored options say so.
pub fn is(options: &str) -> bool {
    let options: Object = serde_json::from_str(options).unwrap_or_default();
    options.get(OPTION) == Some(&Value::Bool(true))
}

/// Checks the options of a body, and completes them with those that there are.
///
/// # Errors
/// An option that nobody knows, or a value that is none.
pub fn settle(body: &mut Object, old: &str) -> Result<(), Fault> {
    let Some(Value::Object(wanted)) = body.get("options") else {
        return Ok(());
    };
    let mut options: Object = serde_json::from_str(old).unwrap_or_default();
    for (name, value) in wanted {
        match (name.as_str(), value) {
            (OPTION, Value::Bool(_)) => drop(options.insert(name.clone(), value.clone())),
            (OPTION, Value::Null) => drop(options.remove(name)),
            (OPTION, value) => {
                return Err(Fault::BadRequest(format!(
                    "Invalid input for field 'options/{OPTION}': {value} is not of type 'boolean', 'null'"
                )));
            }
            _ => {
                return Err(Fault::BadRequest(format!(
                    "Invalid input for field 'options': Additional properties are not allowed ('{name}' was unexpected)"
                )));
            }
        }
    }
    body.insert("options".to_owned(), options.into());
    Ok(())
}

/// Refuses a change of what is immutable, but for one that only takes the option away.
///
/// # Errors
/// 403 in Keystone's words.
pub fn may_change(kind: &str, id: &str, options: &str, body: &Object) -> Result<(), Fault> {
    let freed = || {
        let option = body.get("options").and_then(|options| options.get(OPTION));
        body.len() == 1 && matches!(option, Some(Value::Null | Value::Bool(false)))
    };
    match is(options) && !freed() {
        true => Err(refused("update", kind, id)),
        false => Ok(()),
    }
}

/// Refuses to remove what is immutable.
///
/// # Errors
/// 403 in Keystone's words.
pub fn may_remove(kind: &str, id: &str, options: &str) -> Result<(), Fault> {
    match is(options) {
        true => Err(refused("delete", kind, id)),
        false => Ok(()),
    }
}

fn refused(verb: &str, kind: &str, id: &str) -> Fault {
    Fault::ForbiddenBecause(format!(
        "Unable to {verb} immutable {kind} resource: `{id}. Set resource option \"immutable\" to false first."
    ))
}
