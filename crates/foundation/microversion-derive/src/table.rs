//! From a type's declaration to its table.

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Error, Field, Fields, FieldsNamed, Variant};

use crate::attributes::{Era, Serde, eras, renamed, serde};

pub fn derive(input: &DeriveInput) -> syn::Result<TokenStream> {
    let container = eras(&input.attrs)?;
    let told = serde(&input.attrs)?;
    let shape = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => object(input, fields, &container, &told)?,
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                newtype(&fields.unnamed[0], &container)?
            }
            _ => {
                return Err(Error::new(
                    input.span(),
                    "a versioned struct has named fields, or is a newtype",
                ));
            }
        },
        Data::Enum(data) if told.untagged => either(data)?,
        Data::Enum(data) => choice(data, &told)?,
        Data::Union(_) => return Err(Error::new(input.span(), "a union has no representation")),
    };
    let (name, (generics, arguments, bounds)) = (&input.ident, input.generics.split_for_impl());
    let types = input
        .generics
        .type_params()
        .map(|parameter| &parameter.ident);
    let predicates = bounds.map(|bounds| bounds.predicates.iter());
    let predicates = predicates.into_iter().flatten();
    Ok(quote! {
        impl #generics ::microversion::Versioned for #name #arguments
        where #(#types: ::microversion::Versioned,)* #(#predicates,)*
        {
            const SHAPE: &'static ::microversion::Shape = &#shape;
        }
    })
}

fn object(
    input: &DeriveInput,
    fields: &FieldsNamed,
    container: &[Era],
    told: &Serde,
) -> syn::Result<TokenStream> {
    if told.rename_all.is_some() {
        return Err(Error::new(
            input.span(),
            "name fields one by one, with #[mv(wire = \"…\")]",
        ));
    }
    let name = told
        .rename
        .clone()
        .unwrap_or_else(|| input.ident.to_string());
    let mut rows = Vec::new();
    let mut whole = quote!(::core::option::Option::None);
    for each in &fields.named {
        let (eras, field_told) = (eras(&each.attrs)?, serde(&each.attrs)?);
        if field_told.flatten {
            return Err(Error::new(
                each.span(),
                "a flattened field would be invisible to the table",
            ));
        }
        if field_told.skip {
            continue;
        }
        if eras.iter().any(|era| era.whole) {
            let key = key(each, &field_told);
            whole = quote!(::core::option::Option::Some(#key));
            continue;
        }
        rows.push(field(each, &eras, &field_told, told.default)?);
    }
    let open = container.iter().any(|era| era.open);
    let refused = container
        .iter()
        .find_map(|era| era.unknown_refused_since.clone())
        .unwrap_or_else(never);
    let pattern = container.iter().find_map(|era| era.key_pattern.as_ref());
    let pattern = option(pattern.map(|pattern| quote!(#pattern)));
    Ok(quote! {
        ::microversion::Shape::Object(::microversion::Object {
            name: #name,
            fields: &[#(#rows,)*],
            open: #open,
            whole: #whole,
            unknown_refused_since: #refused,
            key_pattern: #pattern,
        })
    })
}

fn key(field: &Field, told: &Serde) -> String {
    let ident = field
        .ident
        .as_ref()
        .map(|ident| ident.to_string().trim_start_matches("r#").to_owned());
    told.rename.clone().or(ident).unwrap_or_default()
}

fn field(field: &Field, eras: &[Era], told: &Serde, all_default: bool) -> syn::Result<TokenStream> {
    let key = key(field, told);
    let wire = eras
        .iter()
        .find_map(|era| era.wire.as_ref())
        .map_or_else(|| key.clone(), syn::LitStr::value);
    let range = range(eras);
    let ty = &field.ty;
    let opaque = eras.iter().any(|era| era.opaque);
    let shape = if opaque {
        quote!(&::microversion::Shape::Any)
    } else {
        quote!(<#ty as ::microversion::Versioned>::SHAPE)
    };
    let required = match eras.iter().find_map(|era| era.required_since.clone()) {
        Some(since) => since,
        None if told.default || all_default => never(),
        None if opaque => {
            if looks_optional(ty) {
                never()
            } else {
                quote!(::microversion::Version::MIN)
            }
        }
        None => quote! {
            if <#ty as ::microversion::Versioned>::OPTIONAL {
                ::microversion::Version::MAX
            } else {
                ::microversion::Version::MIN
            }
        },
    };
    let rules = rules(eras);
    Ok(quote! {
        ::microversion::Field {
            key: #key,
            wire: #wire,
            range: #range,
            required_since: #required,
            shape: #shape,
            rules: #rules,
        }
    })
}

/// An opaque type has no table that could say so itself.
fn looks_optional(ty: &syn::Type) -> bool {
    let syn::Type::Path(path) = ty else {
        return false;
    };
    path.path
        .segments
        .last()
        .is_some_and(|segment| segment.ident == "Option" || segment.ident == "Patch")
}

fn newtype(inner: &Field, container: &[Era]) -> syn::Result<TokenStream> {
    let ty = &inner.ty;
    let opaque = container
        .iter()
        .chain(&eras(&inner.attrs)?)
        .any(|era| era.opaque);
    let shape = if opaque {
        quote!(&::microversion::Shape::Any)
    } else {
        quote!(<#ty as ::microversion::Versioned>::SHAPE)
    };
    let rules = rules(container);
    Ok(quote!(::microversion::Shape::Ruled(#shape, #rules)))
}

fn choice(data: &DataEnum, told: &Serde) -> syn::Result<TokenStream> {
    let words = data
        .variants
        .iter()
        .map(|variant| word(variant, told))
        .collect::<syn::Result<Vec<_>>>()?;
    Ok(quote! {
        ::microversion::Shape::Choice(::microversion::Choice { words: &[#(#words,)*] })
    })
}

fn word(variant: &Variant, container: &Serde) -> syn::Result<TokenStream> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new(
            variant.span(),
            "an enum has words, or is #[serde(untagged)]",
        ));
    }
    let (eras, told) = (eras(&variant.attrs)?, serde(&variant.attrs)?);
    let named = told
        .rename
        .or_else(|| renamed(&variant.ident.to_string(), container.rename_all.as_deref()));
    let wire = named.ok_or_else(|| Error::new(variant.span(), "unknown rename_all"))?;
    let range = range(&eras);
    Ok(quote!(::microversion::Word { wire: #wire, range: #range }))
}

fn either(data: &DataEnum) -> syn::Result<TokenStream> {
    let alternatives = data.variants.iter().map(|variant| {
        let eras = eras(&variant.attrs)?;
        let range = range(&eras);
        let shape = match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                let ty = &fields.unnamed[0].ty;
                quote!(<#ty as ::microversion::Versioned>::SHAPE)
            }
            _ => {
                return Err(Error::new(
                    variant.span(),
                    "an untagged variant holds one value",
                ));
            }
        };
        let ruled = if eras.iter().any(|era| era.rules().is_some()) {
            let rules = rules(&eras);
            quote!(&::microversion::Shape::Ruled(#shape, #rules))
        } else {
            shape
        };
        Ok(quote!(::microversion::Alternative { range: #range, shape: #ruled }))
    });
    let alternatives = alternatives.collect::<syn::Result<Vec<_>>>()?;
    Ok(quote!(::microversion::Shape::Either(&[#(#alternatives,)*])))
}

/// From the first era's beginning to the last one's end.
fn range(eras: &[Era]) -> TokenStream {
    let min = eras.first().and_then(|era| era.since.clone());
    let min = min.unwrap_or_else(|| quote!(::microversion::Version::MIN));
    let max = eras
        .last()
        .and_then(|era| era.until.clone())
        .unwrap_or_else(never);
    quote!(::microversion::Range::between(#min, #max))
}

fn rules(eras: &[Era]) -> TokenStream {
    if eras.iter().all(|era| era.rules().is_none()) {
        return quote!(&[]);
    }
    let rows = eras.iter().map(|era| {
        let since = era
            .since
            .clone()
            .unwrap_or_else(|| quote!(::microversion::Version::MIN));
        let rules = era
            .rules()
            .unwrap_or_else(|| quote!(::microversion::Rules::NONE));
        quote!((#since, #rules))
    });
    quote!(&[#(#rows,)*])
}

fn never() -> TokenStream {
    quote!(::microversion::Version::MAX)
}

fn option(value: Option<TokenStream>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
