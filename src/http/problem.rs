//! What serde has to say about a value, in sentences for a partner's developer.
//!
//! Made by [`tree`](super::tree); a type of our own can give its own sentence by
//! `Error::custom("must …")`.
//!
//! **Invariant:** no sentence names a Rust type or repeats a library's words.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use serde::de::{self, Expected, Unexpected};

use super::field_errors::FieldErrors;

/// One thing that is wrong, not yet tied to a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The value at the path; the sentence follows on its name.
    Value(String),
    /// The path names a field that is not known.
    UnknownField,
    /// A field is given twice in the object at the path.
    DuplicateField(&'static str),
    /// A field is missing in the object at the path.
    MissingField(&'static str),
}

impl Problem {
    /// Ties this to a path; `.` is the input as a whole.
    pub(super) fn into_field_errors(self, path: &str, whole: &str) -> FieldErrors {
        let at_root = path == ".";
        let here = if at_root { whole } else { path };
        let below = |name: &str| if at_root { name.to_owned() } else { format!("{path}.{name}") };
        let (field, predicate) = match self {
            Self::Value(predicate) => (here.to_owned(), Cow::Owned(predicate)),
            Self::UnknownField => (here.to_owned(), Cow::Borrowed("is not a known field")),
            Self::DuplicateField(name) => (below(name), Cow::Borrowed("must be given only once")),
            Self::MissingField(name) => (below(name), Cow::Borrowed("is required")),
        };
        let mut errors = FieldErrors::default();
        let sentence = format!("{field} {predicate}.");
        errors.add(field, sentence);
        errors
    }
}

/// What was expected, as it follows on "must be".
fn wanted(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    let plain = match expected.as_str() {
        "a string" | "a borrowed string" | "str" | "string" => "a string",
        "a character" => "a single character",
        "a boolean" | "bool" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number, not negative",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "unit" => "null",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.contains("UUID") => "a UUID",
        other if other.contains("Decimal") => "a decimal number in a string",
        other if other.starts_with("struct") => "an object",
        other if other.starts_with("tuple") || other.starts_with("an array") => "a list",
        other if other.contains("date") || other.contains("RFC 3339") => "an RFC 3339 time",
        _ => return "of another type".to_owned(),
    };
    plain.to_owned()
}

impl de::Error for Problem {
    /// A sentence of our own types starts with "must"; anything else is a library's.
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        if message.starts_with("must ") {
            Self::Value(message.trim_end_matches('.').to_owned())
        } else if message.starts_with("UUID") {
            Self::Value("must be a UUID".to_owned())
        } else {
            Self::Value("is not valid".to_owned())
        }
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Value(format!("must be {}", wanted(expected)))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::Value(format!("must be {}", wanted(expected)))
    }

    fn invalid_length(_: usize, _: &dyn Expected) -> Self {
        Self::Value("has the wrong number of entries".to_owned())
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        let mut predicate = "must be one of".to_owned();
        for (place, name) in expected.iter().enumerate() {
            let separator = if place == 0 { " " } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(predicate, "{separator}{name}");
        }
        Self::Value(predicate)
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self::UnknownField
    }

    fn missing_field(field: &'static str) -> Self {
        Self::MissingField(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::DuplicateField(field)
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(predicate) => write!(f, "the value {predicate}"),
            Self::UnknownField => f.write_str("unknown field"),
            Self::DuplicateField(name) => write!(f, "duplicate field {name}"),
            Self::MissingField(name) => write!(f, "missing field {name}"),
        }
    }
}

impl std::error::Error for Problem {}
