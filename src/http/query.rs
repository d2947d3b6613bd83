//! The query of a request.
//!
//! Handlers take [`StrictQuery<T>`]; `T` must not deny unknown fields, because unknown
//! parameters are ignored.
//!
//! **Invariant:** a malformed or repeated value is 422 `VALIDATION_ERROR` naming the
//! parameter; `query` stands for a parameter whose name cannot be read.

use std::borrow::Cow;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::error::ApiError;
use super::field_errors::{FieldErrors, Validate};
use super::problem::Problem;
use super::tree;

/// The typed and validated parameters.
#[derive(Debug)]
pub struct StrictQuery<T>(pub T);

impl<T: DeserializeOwned + Validate> FromRequest for StrictQuery<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(request.query_string()).map(Self).map_err(FieldErrors::into_error))
    }
}

/// The typed and validated parameters of a query.
pub(super) fn parse<T: DeserializeOwned + Validate>(query: &str) -> Result<T, FieldErrors> {
    let pairs = decode_pairs(query)?;
    let fields = pairs.iter().map(|(name, value)| (name.as_ref(), Parameter(value)));
    let value: T = tree::read(MapDeserializer::new(fields), "query")?;
    let mut errors = FieldErrors::default();
    value.validate(&mut errors);
    if errors.is_empty() { Ok(value) } else { Err(errors) }
}

/// A decoded name and value.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Names and values in order (application/x-www-form-urlencoded, WHATWG URL §5), but where the
/// standard would put a replacement character, an error.
fn decode_pairs(query: &str) -> Result<Vec<Pair<'_>>, FieldErrors> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let mut errors = FieldErrors::default();
        match (decode(name), decode(value)) {
            // PostgreSQL keeps no NUL in text, so nothing that is looked for has one.
            (Some(name), Some(value)) if value.contains('\0') => {
                let sentence = format!("{name} must not contain a NUL character.");
                errors.add(name, sentence);
            }
            (Some(name), Some(value)) => pairs.push((name, value)),
            (Some(name), None) => {
                let sentence = format!("{name} is not percent-encoded UTF-8.");
                errors.add(name, sentence);
            }
            (None, _) => errors.add("query", "query is not percent-encoded UTF-8."),
        }
        if !errors.is_empty() {
            return Err(errors);
        }
    }
    Ok(pairs)
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// One parameter's text, parsed as what the type asks for.
#[derive(Clone, Copy)]
struct Parameter<'a>(&'a str);

impl<'de> IntoDeserializer<'de, Problem> for Parameter<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Digits, after a minus at most: Rust's own parsing would take a plus as well.
macro_rules! parse_number {
    ($($method:ident => $visit:ident as $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            match self.0.parse::<$type>() {
                Ok(value) if !self.0.starts_with('+') => visitor.$visit(value),
                _ => Err(Problem::invalid_value(Unexpected::Str(self.0), &stringify!($type))),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Parameter<'de> {
    type Error = Problem;

    parse_number! {
        deserialize_i8 => visit_i8 as i8, deserialize_i16 => visit_i16 as i16,
        deserialize_i32 => visit_i32 as i32, deserialize_i64 => visit_i64 as i64,
        deserialize_u8 => visit_u8 as u8, deserialize_u16 => visit_u16 as u16,
        deserialize_u32 => visit_u32 as u32, deserialize_u64 => visit_u64 as u64,
        deserialize_bool => visit_bool as bool
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_enum(tree::UnitVariant(self.0))
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}
