//! The bytes on the wire, the same on every wire.
//!
//! A request is `{"name": "...", "context": {...}, "body": {...}}`, an answer is `{"ok": ...}` or
//! `{"failure": {...}}`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Context, Failure};

/// A request as it is written.
#[derive(Serialize)]
struct Outgoing<'a, M> {
    name: &'a str,
    context: &'a Context,
    body: &'a M,
}

/// A request as it is read: the body stays text until the handler's type is known.
#[derive(Deserialize)]
pub struct Incoming<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    pub context: Context,
    #[serde(borrow)]
    pub body: &'a RawValue,
}

/// An answer, as it is written and read.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<R> {
    Ok(R),
    Failure(Failure),
}

/// The bytes of a request.
pub fn request<M: Serialize>(
    name: &str,
    context: &Context,
    body: &M,
) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Outgoing {
        name,
        context,
        body,
    })
}

/// The bytes of a failed answer.
pub fn failure(failure: Failure) -> Vec<u8> {
    serde_json::to_vec(&Answer::<()>::Failure(failure))
        .expect("text and JSON values always serialise")
}
