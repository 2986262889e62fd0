//! Microversions: one struct per representation, with its history written on its fields.
//!
//! A service names its version range once ([`Service`]) and asks [`negotiate`] which version a request speaks. A
//! type derives [`Versioned`], which emits nothing but a constant table of its fields: when each came and went, what
//! it is called on the wire, which values it takes. Four ordinary functions read that table:
//! [`render`] and [`render_bytes`] for answers, [`admit`] for request bodies and [`admit_query`] for query strings.
//!
//! What it promises: a field outside its range is neither shown nor accepted; a refusal is worded as the
//! JSON-schema validator of the original services words it, because clients and their test suites read those texts.
//!
//! ```
//! use microversion::{Mode, Version, Versioned, admit, render};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Versioned)]
//! struct Group {
//!     #[mv(min_length = 1, max_length = 255, format = "name")]
//!     name: String,
//!     #[mv(until = "2.63")]
//!     policies: Option<Vec<String>>,
//!     #[mv(since = "2.64", required_since = "2.64")]
//!     policy: Option<String>,
//! }
//!
//! let body = serde_json::json!({"name": "g", "policy": "affinity"});
//! let group: Group = admit(body, Mode::Strict(Version::new(2, 64))).expect("the policy came with 2.64");
//! let shown = render(&group, Version::new(2, 13)).expect("a struct with text keys always renders");
//! assert_eq!(shown, serde_json::json!({"name": "g", "policies": null}));
//! ```

// The derive names this crate by its own name, also inside its own tests.
extern crate self as microversion;

mod admit;
mod format;
mod impls;
mod negotiate;
mod patch;
mod query;
mod render;
mod repr;
mod table;
mod version;

pub use admit::{Mode, Refusal, admit, admit_bytes, check_text};
pub use format::{Format, parse_time};
pub use microversion_derive::Versioned;
pub use negotiate::{NegotiationError, STANDARD_HEADER, Service, negotiate, stamp};
pub use patch::Patch;
pub use query::admit_query;
pub use render::{Rendering, render, render_bytes, render_under};
pub use repr::python_repr;
pub use table::{Alternative, Choice, Field, Object, Rules, Shape, Word, changes};
pub use version::{ParseVersionError, Range, Version};

/// A type whose table of fields and values is known at compile time. Made by `#[derive(Versioned)]`.
pub trait Versioned {
    /// What a value of this type looks like on the wire, at every version.
    const SHAPE: &'static Shape;
    /// Whether a field of this type may be left out of a request.
    const OPTIONAL: bool = false;
}
