//! Answers: values are filtered *while* they are serialised, so a representation costs one pass at any version.

use serde::ser::{self, Serialize, Serializer};

use crate::Versioned;
use crate::table::{Field, Object, Shape, peel};
use crate::version::Version;

/// The representation of `view` at `version`, as a JSON value.
///
/// Fails only where `serde_json` does: when a map's key is no text.
pub fn render<T: Versioned + Serialize + ?Sized>(
    view: &T,
    version: Version,
) -> Result<serde_json::Value, serde_json::Error> {
    serde_json::to_value(Rendering::new(view, version))
}

/// As [`render`], straight to bytes: twice as fast, so it is what answers are made with.
pub fn render_bytes<T: Versioned + Serialize + ?Sized>(
    view: &T,
    version: Version,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(512);
    serde_json::to_writer(&mut out, &Rendering::new(view, version))?;
    Ok(out)
}

/// `{"<name>": view}`, the envelope that most answers come in.
pub fn render_under<T: Versioned + Serialize + ?Sized>(
    name: &str,
    view: &T,
    version: Version,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(2048);
    out.push(b'{');
    serde_json::to_writer(&mut out, name)?;
    out.push(b':');
    serde_json::to_writer(&mut out, &Rendering::new(view, version))?;
    out.push(b'}');
    Ok(out)
}

/// A value together with the version it is to be shown at. Serialises to the representation.
pub struct Rendering<'v, T: ?Sized> {
    value: &'v T,
    shape: &'static Shape,
    version: Version,
}

impl<'v, T: Versioned + ?Sized> Rendering<'v, T> {
    pub fn new(value: &'v T, version: Version) -> Self {
        Self {
            value,
            shape: T::SHAPE,
            version,
        }
    }
}

impl<T: Serialize + ?Sized> Serialize for Rendering<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = peel(self.shape);
        match shape {
            // Nothing to leave out below these: step aside.
            Shape::Any
            | Shape::Null
            | Shape::Text
            | Shape::Boolean
            | Shape::Integer
            | Shape::Number
            | Shape::Choice(_) => self.value.serialize(serializer),
            Shape::List(_)
            | Shape::Map(_)
            | Shape::Object(_)
            | Shape::Either(_)
            | Shape::Ruled(..) => self.value.serialize(Filter {
                inner: serializer,
                shape,
                version: self.version,
            }),
        }
    }
}

/// A serialiser that passes on only what exists at a version, under its wire name.
struct Filter<S> {
    inner: S,
    shape: &'static Shape,
    version: Version,
}

impl<S> Filter<S> {
    /// The alternative that a value of an untagged type turned out to be.
    fn narrowed(&self, is_it: impl Fn(&Shape) -> bool) -> &'static Shape {
        match self.shape {
            Shape::Either(alternatives) => {
                let shapes = alternatives
                    .iter()
                    .map(|alternative| peel(alternative.shape));
                shapes
                    .into_iter()
                    .find(|shape| is_it(shape))
                    .unwrap_or(&Shape::Any)
            }
            shape => shape,
        }
    }

    fn item(&self) -> &'static Shape {
        match self.narrowed(|shape| matches!(shape, Shape::List(_))) {
            Shape::List(item) => item,
            _ => &Shape::Any,
        }
    }

    fn entry(&self) -> &'static Shape {
        match self.narrowed(|shape| matches!(shape, Shape::Map(_))) {
            Shape::Map(value) => value,
            _ => &Shape::Any,
        }
    }

    fn object(&self, name: &str) -> Option<&'static Object> {
        match self.narrowed(|shape| matches!(shape, Shape::Object(object) if object.name == name)) {
            Shape::Object(object) => Some(object),
            _ => None,
        }
    }
}

/// Methods that only hand a scalar on.
macro_rules! pass_on {
    ($($method:ident: $type:ty),+ $(,)?) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })+
    };
}

impl<S: Serializer> Serializer for Filter<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Items<S::SerializeSeq>;
    type SerializeTuple = Items<S::SerializeTuple>;
    type SerializeTupleStruct = S::SerializeTupleStruct;
    type SerializeTupleVariant = S::SerializeTupleVariant;
    type SerializeMap = Entries<S::SerializeMap>;
    type SerializeStruct = Fields<S::SerializeMap>;
    type SerializeStructVariant = S::SerializeStructVariant;

    pass_on! {
        serialize_bool: bool,
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
        serialize_f32: f32, serialize_f64: f64,
        serialize_char: char, serialize_str: &str, serialize_bytes: &[u8],
        serialize_unit_struct: &'static str,
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        word: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, word)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner
            .serialize_newtype_variant(name, index, variant, value)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let (shape, version) = (self.item(), self.version);
        Ok(Items {
            inner: self.inner.serialize_seq(len)?,
            shape,
            version,
        })
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        let (shape, version) = (self.item(), self.version);
        Ok(Items {
            inner: self.inner.serialize_tuple(len)?,
            shape,
            version,
        })
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.inner.serialize_tuple_struct(name, len)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.inner
            .serialize_tuple_variant(name, index, variant, len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let (shape, version) = (self.entry(), self.version);
        Ok(Entries {
            inner: self.inner.serialize_map(len)?,
            shape,
            version,
        })
    }

    fn serialize_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        let fields = self.object(name).map_or(&[][..], |object| object.fields);
        Ok(Fields {
            inner: self.inner.serialize_map(None)?,
            fields,
            next: 0,
            version: self.version,
        })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.inner
            .serialize_struct_variant(name, index, variant, len)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

struct Items<S> {
    inner: S,
    shape: &'static Shape,
    version: Version,
}

impl<S: ser::SerializeSeq> ser::SerializeSeq for Items<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_element(&Rendering {
            value,
            shape: self.shape,
            version: self.version,
        })
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

impl<S: ser::SerializeTuple> ser::SerializeTuple for Items<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_element(&Rendering {
            value,
            shape: self.shape,
            version: self.version,
        })
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

struct Entries<S> {
    inner: S,
    shape: &'static Shape,
    version: Version,
}

impl<S: ser::SerializeMap> ser::SerializeMap for Entries<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), S::Error> {
        self.inner.serialize_key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
        self.inner.serialize_value(&Rendering {
            value,
            shape: self.shape,
            version: self.version,
        })
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

struct Fields<S> {
    inner: S,
    fields: &'static [Field],
    /// Where the next field is expected: serde visits them in the table's order.
    next: usize,
    version: Version,
}

impl<S> Fields<S> {
    fn find(&mut self, key: &str) -> Option<&'static Field> {
        let expected = self.fields.get(self.next).filter(|field| field.key == key);
        self.next += 1;
        expected.or_else(|| self.fields.iter().find(|field| field.key == key))
    }
}

impl<S: ser::SerializeMap> ser::SerializeStruct for Fields<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        match self.find(key) {
            Some(field) if field.range.contains(self.version) => {
                let value = Rendering {
                    value,
                    shape: field.shape,
                    version: self.version,
                };
                self.inner.serialize_entry(field.wire, &value)
            }
            Some(_) => Ok(()),
            None => self.inner.serialize_entry(key, value),
        }
    }

    fn skip_field(&mut self, _: &'static str) -> Result<(), S::Error> {
        self.next += 1;
        Ok(())
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}
