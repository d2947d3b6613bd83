//! Reads bodies and queries: what is not JSON is 400, what does not fit is 422 and names the
//! field.

use actix_web::web::Query;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// A JSON body.
pub(super) fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| body_refusal::<T>(bytes, &error))
}

/// Reads it again to learn the path of the field: only failures pay for it.
fn body_refusal<T: DeserializeOwned>(bytes: &[u8], error: &serde_json::Error) -> Refusal {
    if !error.is_data() {
        return Refusal::Malformed(error.to_string());
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Err(at) => Refusal::Invalid(at.to_string()),
        Ok(_) => Refusal::Invalid(error.to_string()),
    }
}

/// A query string.
pub(super) fn query<T: DeserializeOwned>(query: &str) -> Result<T, Refusal> {
    let read = Query::<T>::from_query(query).map(Query::into_inner);
    read.map_err(|error| Refusal::Invalid(error.to_string()))
}
