//! Reading `#[mv(…)]` and the parts of `#[serde(…)]` that matter to a table.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Lit, LitStr, Token, parenthesized};

/// One `#[mv(…)]`.
#[derive(Default)]
pub struct Era {
    pub since: Option<TokenStream>,
    pub until: Option<TokenStream>,
    pub required_since: Option<TokenStream>,
    pub unknown_refused_since: Option<TokenStream>,
    pub wire: Option<LitStr>,
    pub opaque: bool,
    pub whole: bool,
    pub open: bool,
    /// `field: value` pairs of a `Rules`.
    pub rules: Vec<TokenStream>,
    /// Kept apart, because on a struct (not on a map) it belongs to the object.
    pub key_pattern: Option<LitStr>,
}

impl Era {
    /// The `Rules` constant, if there are any rules.
    pub fn rules(&self) -> Option<TokenStream> {
        let pattern = self
            .key_pattern
            .iter()
            .map(|pattern| quote!(key_pattern: ::core::option::Option::Some(#pattern)));
        let rules: Vec<_> = self.rules.iter().cloned().chain(pattern).collect();
        (!rules.is_empty())
            .then(|| quote!(::microversion::Rules { #(#rules,)* ..::microversion::Rules::NONE }))
    }
}

/// The eras of a field, variant or container, in the order written.
pub fn eras(attributes: &[Attribute]) -> syn::Result<Vec<Era>> {
    let ours = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("mv"));
    ours.map(|attribute| {
        let mut era = Era::default();
        attribute.parse_nested_meta(|meta| read(&mut era, &meta))?;
        Ok(era)
    })
    .collect()
}

fn read(era: &mut Era, meta: &ParseNestedMeta) -> syn::Result<()> {
    let name = meta.path.require_ident()?.to_string();
    match name.as_str() {
        "since" => era.since = Some(version(&meta.value()?.parse()?)?),
        "until" => era.until = Some(version(&meta.value()?.parse()?)?),
        "required_since" => era.required_since = Some(version(&meta.value()?.parse()?)?),
        "unknown_refused_since" => {
            era.unknown_refused_since = Some(version(&meta.value()?.parse()?)?)
        }
        "wire" => era.wire = Some(meta.value()?.parse()?),
        "key_pattern" => era.key_pattern = Some(meta.value()?.parse()?),
        "opaque" => era.opaque = true,
        "whole" => era.whole = true,
        "open" => era.open = true,
        "nullable" | "lenient" | "decimal" | "unique_items" => {
            let name = format_ident!("{name}");
            era.rules.push(quote!(#name: true));
        }
        "min_length" | "max_length" | "minimum" | "maximum" | "min_items" | "max_items"
        | "min_properties" | "max_properties" | "pattern" => {
            let name = format_ident!("{name}");
            let value: Expr = meta.value()?.parse()?;
            era.rules
                .push(quote!(#name: ::core::option::Option::Some(#value)));
        }
        "format" => {
            let format = format_variant(&meta.value()?.parse()?)?;
            era.rules.push(
                quote!(format: ::core::option::Option::Some(::microversion::Format::#format)),
            );
        }
        "one_of" => {
            let words;
            parenthesized!(words in meta.input);
            let words = Punctuated::<LitStr, Token![,]>::parse_terminated(&words)?;
            era.rules.push(quote!(one_of: &[#words]));
        }
        _ => return Err(meta.error("unknown mv attribute")),
    }
    Ok(())
}

/// `"2.13"` as a constant.
fn version(text: &LitStr) -> syn::Result<TokenStream> {
    let value = text.value();
    let parts = value
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let (major, minor): (u16, u16) =
        parts.ok_or_else(|| syn::Error::new(text.span(), "expected \"major.minor\""))?;
    Ok(quote!(::microversion::Version::new(#major, #minor)))
}

/// `"az_name"` as `AzName`.
fn format_variant(text: &LitStr) -> syn::Result<proc_macro2::Ident> {
    let camel = pascal_case(&text.value());
    syn::parse_str::<proc_macro2::Ident>(&camel)
        .map_err(|_| syn::Error::new(text.span(), "no such format"))
}

fn pascal_case(snake: &str) -> String {
    snake.split(['_', '-']).map(capitalised).collect()
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + chars.as_str()
    })
}

/// What serde was told.
#[derive(Default)]
pub struct Serde {
    pub rename: Option<String>,
    pub rename_all: Option<String>,
    pub default: bool,
    pub skip: bool,
    pub flatten: bool,
    pub untagged: bool,
}

pub fn serde(attributes: &[Attribute]) -> syn::Result<Serde> {
    let mut told = Serde::default();
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("serde"))
    {
        attribute.parse_nested_meta(|meta| {
            let name = meta
                .path
                .get_ident()
                .map(ToString::to_string)
                .unwrap_or_default();
            match name.as_str() {
                "skip" => told.skip = true,
                "flatten" => told.flatten = true,
                "untagged" => told.untagged = true,
                "default" => told.default = true,
                _ => {}
            }
            if meta.input.peek(Token![=]) {
                let value: Expr = meta.value()?.parse()?;
                if let Expr::Lit(literal) = &value
                    && let Lit::Str(text) = &literal.lit
                {
                    match name.as_str() {
                        "rename" => told.rename = Some(text.value()),
                        "rename_all" => told.rename_all = Some(text.value()),
                        _ => {}
                    }
                }
            } else if meta.input.peek(syn::token::Paren) {
                let inner;
                parenthesized!(inner in meta.input);
                inner.parse::<TokenStream>()?;
            }
            Ok(())
        })?;
    }
    Ok(told)
}

/// A variant's name under serde's `rename_all`.
pub fn renamed(variant: &str, rule: Option<&str>) -> Option<String> {
    let separated = |separator: char| {
        let mut out = String::new();
        for (index, c) in variant.chars().enumerate() {
            if c.is_ascii_uppercase() && index > 0 {
                out.push(separator);
            }
            out.push(c.to_ascii_lowercase());
        }
        out
    };
    Some(match rule {
        None | Some("PascalCase") => variant.to_owned(),
        Some("lowercase") => variant.to_ascii_lowercase(),
        Some("UPPERCASE") => variant.to_ascii_uppercase(),
        Some("camelCase") => variant[..1].to_ascii_lowercase() + &variant[1..],
        Some("snake_case") => separated('_'),
        Some("SCREAMING_SNAKE_CASE") => separated('_').to_ascii_uppercase(),
        Some("kebab-case") => separated('-'),
        Some("SCREAMING-KEBAB-CASE") => separated('-').to_ascii_uppercase(),
        Some(_) => return None,
    })
}
