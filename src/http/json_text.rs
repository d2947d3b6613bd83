//! Parses a JSON body strictly, and gives it a canonical form.
//!
//! Called by [`json`](super::json) and, for the digest, by
//! [`idempotency_key`](super::idempotency_key).
//!
//! **Invariant:** a key appears once in its object: where two parsers would pick different
//! ones, the body is refused. **Invariant:** the canonical form does not depend on white
//! space, on escapes or on the order of the keys.

use std::cell::RefCell;
use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::field_errors::FieldErrors;

/// The body's value, or what is wrong with it (under the field `body`, or the repeated key).
pub(super) fn parse(text: &str) -> Result<Value, FieldErrors> {
    let repeated = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = StrictValue { at: Place::Root, repeated: &repeated };
    let parsed = seed.deserialize(&mut deserializer).and_then(|value| {
        deserializer.end()?;
        Ok(value)
    });
    parsed.map_err(|error| {
        let mut errors = FieldErrors::default();
        if let Some(field) = repeated.into_inner() {
            let sentence = format!("{field} must be given only once.");
            errors.add(field, sentence);
        } else if error.to_string().starts_with("recursion limit") {
            errors.add("body", "body is nested too deeply.");
        } else if error.is_eof() {
            errors.add("body", "body is not valid JSON: it ends too early.");
        } else {
            let (line, column) = (error.line(), error.column());
            let sentence = format!("body is not valid JSON at line {line}, column {column}.");
            errors.add("body", sentence);
        }
        errors
    })
}

/// Where in the body a value is; costs nothing until it is written out.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Key(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Place::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Item(parent, place) => write!(f, "{parent}[{place}]"),
        }
    }
}

/// Builds a [`Value`]; leaves the path of a repeated key in `repeated`.
#[derive(Clone, Copy)]
struct StrictValue<'a> {
    at: Place<'a>,
    repeated: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let at = Place::Item(&self.at, items.len());
            match access.next_element_seed(StrictValue { at, repeated: self.repeated })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let at = Place::Key(&self.at, &key);
            if fields.contains_key(&key) {
                *self.repeated.borrow_mut() = Some(at.to_string());
                return Err(A::Error::custom("repeated key"));
            }
            let value = access.next_value_seed(StrictValue { at, repeated: self.repeated })?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

/// Writes the canonical form: no white space, keys in byte order, at every depth. (`serde_json`
/// sorts by itself only while none of its users switches `preserve_order` on.)
pub(super) fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (place, (key, item)) in fields.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write_canonical(&Value::String(key.clone()), out);
                out.push(':');
                write_canonical(item, out);
            }
            out.push('}');
        }
        // Writing to a string cannot fail.
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        let mut out = String::new();
        write_canonical(&parse(text).unwrap(), &mut out);
        out
    }

    #[test]
    fn the_canonical_form_ignores_order_space_and_escapes() {
        assert_eq!(
            canonical(r#"{"b":[{"y":1,"x":"\u0061"}], "a" : null}"#),
            r#"{"a":null,"b":[{"x":"a","y":1}]}"#,
        );
        assert_ne!(canonical("[1,2]"), canonical("[2,1]"));
    }

    #[test]
    fn a_repeated_key_is_named_by_its_path() {
        let errors = parse(r#"{"a":[{"b":1},{"c":1,"c":2}]}"#).unwrap_err().into_error();
        assert!(errors.details().contains_key("a[1].c"), "{errors:?}");
    }
}
