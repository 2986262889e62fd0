//! The shapes of the standard types.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::table::Shape;
use crate::{Patch, Versioned};

macro_rules! shapes {
    ($($shape:ident: $($type:ty),+;)+) => {
        $($(impl Versioned for $type {
            const SHAPE: &'static Shape = &Shape::$shape;
        })+)+
    };
}

shapes! {
    Text: String, str, char, uuid::Uuid, IpAddr, Ipv4Addr, Ipv6Addr, chrono::DateTime<chrono::Utc>;
    Boolean: bool;
    Integer: u8, u16, u32, u64, usize, i8, i16, i32, i64, isize;
    Number: f32, f64;
    Any: serde_json::Value;
    Null: ();
}

/// The types that are only a way to hold another.
macro_rules! holders {
    ($($type:ty),+) => {
        $(impl<T: Versioned + ?Sized> Versioned for $type {
            const SHAPE: &'static Shape = T::SHAPE;
            const OPTIONAL: bool = T::OPTIONAL;
        })+
    };
}

holders!(&T, Box<T>, Arc<T>);

impl<T: Versioned + ToOwned + ?Sized> Versioned for Cow<'_, T> {
    const SHAPE: &'static Shape = T::SHAPE;
    const OPTIONAL: bool = T::OPTIONAL;
}

impl<T: Versioned> Versioned for Option<T> {
    const SHAPE: &'static Shape = T::SHAPE;
    const OPTIONAL: bool = true;
}

impl<T: Versioned> Versioned for Patch<T> {
    const SHAPE: &'static Shape = T::SHAPE;
    const OPTIONAL: bool = true;
}

impl<T: Versioned> Versioned for Vec<T> {
    const SHAPE: &'static Shape = &Shape::List(T::SHAPE);
}

impl<T: Versioned> Versioned for [T] {
    const SHAPE: &'static Shape = &Shape::List(T::SHAPE);
}

impl<T: Versioned, const N: usize> Versioned for [T; N] {
    const SHAPE: &'static Shape = &Shape::List(T::SHAPE);
}

impl<K, T: Versioned> Versioned for BTreeMap<K, T> {
    const SHAPE: &'static Shape = &Shape::Map(T::SHAPE);
}

impl<K, T: Versioned, S> Versioned for HashMap<K, T, S> {
    const SHAPE: &'static Shape = &Shape::Map(T::SHAPE);
}
