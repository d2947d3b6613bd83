//! JSON Schema (2020-12), as far as the document uses it. A keyword that is not known here fails.
//!
//! Stricter than the standard in one thing: an object with known properties has no others, so that
//! nothing is answered that is not documented.

use regex_lite::Regex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// `Ok`, or where and why a value does not fit. References are looked up in `document`.
pub fn fit(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = schema.as_object().ok_or_else(|| format!("no schema for {value}"))?;
    for (keyword, says) in schema {
        let fits = match keyword.as_str() {
            "description" | "examples" | "default" | "title" => true,
            "$ref" => {
                let named = document.pointer(&says.as_str().unwrap()[1..]);
                fit(document, named.ok_or_else(|| format!("{says} is not there"))?, value)?;
                true
            }
            "type" => match says {
                Value::Array(types) => types.iter().any(|says| is_of(says, value)),
                says => is_of(says, value),
            },
            "enum" => says.as_array().unwrap().contains(value),
            "const" => says == value,
            "anyOf" => {
                says.as_array().unwrap().iter().any(|schema| fit(document, schema, value).is_ok())
            }
            "oneOf" => {
                let fitting = says.as_array().unwrap().iter();
                fitting.filter(|schema| fit(document, schema, value).is_ok()).count() == 1
            }
            "minimum" => value.as_f64().is_none_or(|value| value >= says.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|value| value <= says.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|items| items.len() >= size(says)),
            "maxItems" => value.as_array().is_none_or(|items| items.len() <= size(says)),
            "minProperties" => value.as_object().is_none_or(|all| all.len() >= size(says)),
            "maxProperties" => value.as_object().is_none_or(|all| all.len() <= size(says)),
            "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= size(says)),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= size(says)),
            "pattern" => {
                value.as_str().is_none_or(|text| pattern(says.as_str().unwrap()).is_match(text))
            }
            "format" => value.as_str().is_none_or(|text| has_format(says.as_str().unwrap(), text)),
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    fit(document, says, item).map_err(|why| format!("[{place}]{why}"))?;
                }
                true
            }
            "required" => {
                let mut names = says.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                value.as_object().is_none_or(|all| names.all(|name| all.contains_key(name)))
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let at = |why| format!(".{name}{why}");
                    let schema = says.get(name).ok_or_else(|| at(" is not known".to_owned()))?;
                    fit(document, schema, value).map_err(at)?;
                }
                true
            }
            // Closed by `properties`, whatever it says.
            "additionalProperties" if schema.contains_key("properties") => true,
            "additionalProperties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    fit(document, says, value).map_err(|why| format!(".{name}{why}"))?;
                }
                true
            }
            "propertyNames" => {
                for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
                    fit(document, says, &Value::from(&**name))?;
                }
                true
            }
            other => panic!("the keyword {other} is not known here"),
        };
        if !fits {
            return Err(format!(": {value} against {keyword} {says}"));
        }
    }
    Ok(())
}

fn size(says: &Value) -> usize {
    usize::try_from(says.as_u64().unwrap()).unwrap()
}

fn is_of(says: &Value, value: &Value) -> bool {
    match says.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known here"),
    }
}

fn has_format(format: &str, text: &str) -> bool {
    match format {
        "uuid" => text.len() == 36 && uuid::Uuid::try_parse(text).is_ok(),
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        "date" => text.parse::<chrono::NaiveDate>().is_ok(),
        "uri" => url::Url::parse(text).is_ok(),
        "uri-reference" => text.starts_with('/'),
        other => panic!("the format {other} is not known here"),
    }
}

/// A pattern, compiled once: there are a dozen, and each is held against thousands of values.
fn pattern(text: &str) -> Regex {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap();
    compiled.entry(text.to_owned()).or_insert_with(|| Regex::new(text).unwrap()).clone()
}
