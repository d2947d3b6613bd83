//! The `Idempotency-Key` of a request, and the digest of what the key stands for.
//!
//! Handlers of calls that take a key extract [`OptionalKey`] and hand key and
//! [`RequestDigest`] to the core, which binds the one to the other.
//!
//! **Invariant:** two requests have the same digest exactly where method, path and the body's
//! canonical form are equal.

use std::fmt;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpRequest};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Required, Type};

use super::error::ApiError;
use super::json_text::write_canonical;

/// The header.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The contract's.
const KEY_CHARACTERS_MAX: usize = 255;

/// A well-formed key: 1 to 255 characters of `A–Z a–z 0–9 _ : . -`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// `None` where the text is not well-formed.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=KEY_CHARACTERS_MAX).contains(&text.len());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_:.-".contains(&byte);
        (fits && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// The key of a request; 422 where it is malformed or given twice.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let mut values = headers.get_all(IDEMPOTENCY_KEY);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(ApiError::invalid_field(
                "Idempotency-Key",
                "Idempotency-Key must be given only once.",
            ));
        }
        value.to_str().ok().and_then(Self::parse).map(Some).ok_or_else(|| {
            ApiError::invalid_field(
                "Idempotency-Key",
                "Idempotency-Key must be 1 to 255 letters, digits or any of _ : . -",
            )
        })
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The extractor. (`Option<IdempotencyKey>` would take a malformed key for none.)
#[derive(Debug, Clone)]
pub struct OptionalKey(pub Option<IdempotencyKey>);

impl IntoParams for OptionalKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Za-z0-9_:.-]{1,255}$"))
            .examples(["order-4711"]);
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Names what you want, such as the order that it is for: repeated with the same \
                 key, the call is carried out once. Remembered for at least 24 hours.",
            ))
            .schema(Some(schema));
        vec![parameter.build()]
    }
}

impl FromRequest for OptionalKey {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(IdempotencyKey::from_headers(request.headers()).map(Self))
    }
}

/// SHA-256 over method, path and the body's canonical form.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestDigest([u8; 32]);

impl RequestDigest {
    /// The digest; `path` as it was sent.
    pub fn new(method: &Method, path: &str, body: &Value) -> Self {
        let mut canonical = String::new();
        write_canonical(body, &mut canonical);
        let mut hash = Sha256::new();
        // A line feed is in no method, no path and no canonical form: the parts cannot run
        // into one another.
        for part in [method.as_str(), path, &canonical] {
            hash.update(part);
            hash.update(b"\n");
        }
        Self(hash.finalize().into())
    }

    /// The digest of a request whose body was read.
    pub fn of(request: &HttpRequest, body: &Value) -> Self {
        Self::new(request.method(), request.path(), body)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_changes_with_method_path_or_body_and_with_nothing_else() {
        let body = serde_json::json!({"b": 1, "a": [2]});
        let digest = RequestDigest::new(&Method::POST, "/links", &body);
        let reordered = serde_json::json!({"a": [2], "b": 1});
        assert_eq!(digest, RequestDigest::new(&Method::POST, "/links", &reordered));
        for other in [
            RequestDigest::new(&Method::PUT, "/links", &body),
            RequestDigest::new(&Method::POST, "/link", &body),
            RequestDigest::new(&Method::POST, "/links", &serde_json::json!({"b": 1})),
        ] {
            assert_ne!(digest, other);
        }
    }
}
