//! The JSON body of a request.
//!
//! Handlers take [`StrictJson<T>`], where `T` denies unknown fields
//! (`#[serde(deny_unknown_fields)]`) and implements [`Validate`].
//!
//! **Invariant:** what is wrong with a body is 422 `VALIDATION_ERROR` naming the field; the
//! key `body` stands for the body as a whole.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::ApiError;
use super::error_kind::ErrorKind;
use super::field_errors::{FieldErrors, Validate};
use super::json_text;
use super::limits::{RequestLimits, content_length, read_body};
use super::tree::{self, JsonNode};

/// A body that was read, typed and validated.
#[derive(Debug)]
pub struct StrictJson<T> {
    /// The typed body.
    pub value: T,
    /// The body as it came, for the idempotency digest.
    pub json: Value,
}

impl<T: DeserializeOwned + Validate> StrictJson<T> {
    async fn read(
        content: Result<(), ApiError>,
        mut payload: Payload,
        limits: RequestLimits,
    ) -> Result<Self, ApiError> {
        content?;
        let body = read_body(&mut payload, &limits).await?;
        let text = std::str::from_utf8(&body)
            .map_err(|_| ApiError::invalid_field("body", "body is not valid UTF-8."))?;
        Self::from_text(text).map_err(FieldErrors::into_error)
    }

    fn from_text(text: &str) -> Result<Self, FieldErrors> {
        let json = json_text::parse(text)?;
        let value: T = tree::read(JsonNode(&json), "body")?;
        let mut errors = FieldErrors::default();
        value.validate(&mut errors);
        if errors.is_empty() { Ok(Self { value, json }) } else { Err(errors) }
    }
}

impl<T: DeserializeOwned + Validate + 'static> FromRequest for StrictJson<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limits = request.extensions().get::<RequestLimits>().copied().unwrap_or_default();
        Box::pin(Self::read(check_content(request.headers()), payload.take(), limits))
    }
}

/// `application/json`, with or without `charset=utf-8`, not compressed: else 415. No body at
/// all is a missing body, not a wrong type.
fn check_content(headers: &HeaderMap) -> Result<(), ApiError> {
    let unsupported = || ApiError::new(ErrorKind::UnsupportedMediaType);
    let encoding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported().with_message("A compressed body is not accepted."));
    }
    let mut types = headers.get_all(header::CONTENT_TYPE);
    match (types.next(), types.next()) {
        (Some(content_type), None) => match content_type.to_str() {
            Ok(text) if is_json(text) => Ok(()),
            _ => Err(unsupported()),
        },
        (None, _) if content_length(headers).unwrap_or(0) == 0 => {
            Err(ApiError::invalid_field("body", "body is required."))
        }
        _ => Err(unsupported()),
    }
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}
