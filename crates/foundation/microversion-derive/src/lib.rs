//! `#[derive(Versioned)]`: the constant table of a type's fields or words, read off its `#[mv(…)]` attributes.
//!
//! The derive emits no behaviour. What the attributes mean is written on `microversion`'s table types; here is where
//! they may stand:
//!
//! | on | attributes |
//! |---|---|
//! | a field | `since`, `until`, `wire`, `required_since`, `opaque`, `whole` and the rules |
//! | a variant | `since`, `until`, `wire` |
//! | a struct | `open`, `unknown_refused_since`, `key_pattern` |
//! | a newtype | the rules |
//!
//! Rules: `min_length`, `max_length`, `minimum`, `maximum`, `min_items`, `max_items`, `unique_items`,
//! `min_properties`, `max_properties`, `pattern`, `key_pattern`, `format`, `one_of("a", "b")`, `nullable`, `lenient`,
//! `decimal`.
//!
//! `whole` marks the field of an open struct that receives the object as it was sent, for handing on.
//! Several `#[mv(…)]` on one field are its eras: each with a later `since` replaces all rules of the one before.
//! Of serde's attributes `rename`, `rename_all` (on enums), `default`, `skip` and `untagged` are understood;
//! `flatten` is refused, since it hides fields from the table.

mod attributes;
mod table;

use proc_macro::TokenStream;

/// See the crate's documentation.
#[proc_macro_derive(Versioned, attributes(mv, serde))]
pub fn versioned(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    table::derive(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
