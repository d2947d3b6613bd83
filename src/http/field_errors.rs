//! What is wrong with a request, field by field.
//!
//! Called by the extractors and by the request types' [`Validate`].
//!
//! **Invariant:** a sentence is written for a partner's developer: it names no Rust type.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::ApiError;
use super::error_kind::ErrorKind;

/// The offending fields, each with its sentences; several can be reported together.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, Vec<String>>);

impl FieldErrors {
    /// Notes one whole sentence about a field, which is named by its path (`add[0]`).
    pub fn add(&mut self, field: impl Into<String>, sentence: impl Into<String>) {
        self.0.entry(field.into()).or_default().push(sentence.into());
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// 422 `VALIDATION_ERROR` with these fields as its details.
    pub fn into_error(self) -> ApiError {
        let details: Map<String, Value> =
            self.0.into_iter().map(|(field, sentences)| (field, sentences.into())).collect();
        ApiError::new(ErrorKind::Validation).with_details(details)
    }

    /// `Ok` where nothing is wrong, else the error.
    pub fn into_result(self) -> Result<(), ApiError> {
        if self.is_empty() { Ok(()) } else { Err(self.into_error()) }
    }
}

/// What a well-typed request must fulfil besides. Reports all it finds, not the first.
pub trait Validate {
    /// Adds a sentence for each thing that is wrong. The default finds nothing.
    fn validate(&self, errors: &mut FieldErrors) {
        let _ = errors;
    }
}
