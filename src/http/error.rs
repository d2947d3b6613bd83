//! The one error of the HTTP edge.
//!
//! Every handler and extractor fails with [`ApiError`]; the [`Edge`](super::edge::Edge)
//! middleware turns it into the error envelope, adds the headers and logs it, once, where the
//! request id is known.
//!
//! **Invariant:** what is sent is the code, the message and the details, nothing else. The
//! internal context goes to the log alone: neither `Display` nor `Debug` shows it.

use std::borrow::Cow;
use std::fmt::{self, Write};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value};

use super::error_kind::{Challenge, ErrorKind, RetryAfter};
use crate::store::DbError;
use bappy_actors::ports::StoreError;

/// Names the operation that an answer belongs to.
pub const OPERATION_ID: HeaderName = HeaderName::from_static("operation-id");

/// The realm of our challenges; RFC 6750 wants at least one parameter after `Bearer`.
const REALM: &str = "bappy";

/// A refused or failed request: kind, message, details, and what only the log may see.
pub struct ApiError(Box<Parts>);

struct Parts {
    kind: ErrorKind,
    message: Cow<'static, str>,
    details: Map<String, Value>,
    context: Option<String>,
    operation_id: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// An error of this kind with the kind's own message.
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Parts {
            message: Cow::Borrowed(kind.message()),
            kind,
            details: Map::new(),
            context: None,
            operation_id: None,
            headers: Vec::new(),
        }))
    }

    /// 404 `NOT_FOUND`.
    pub fn not_found() -> Self {
        Self::new(ErrorKind::NotFound)
    }

    /// 401 with a challenge.
    pub fn unauthorized(challenge: Challenge) -> Self {
        Self::new(ErrorKind::Unauthorized(challenge))
    }

    /// 500 `INTERNAL_ERROR`; `context` is for the log.
    pub fn internal(context: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal).with_context(context)
    }

    /// 503 `SERVICE_UNAVAILABLE`, to be tried again after so many seconds; `context` is for
    /// the log.
    pub fn unavailable(retry_after_s: u32, context: impl fmt::Display) -> Self {
        Self::new(ErrorKind::ServiceUnavailable(RetryAfter(retry_after_s))).with_context(context)
    }

    /// 422 `VALIDATION_ERROR` for a single field; `sentence` is a whole sentence.
    pub fn invalid_field(field: impl Into<String>, sentence: impl Into<String>) -> Self {
        let mut errors = super::field_errors::FieldErrors::default();
        errors.add(field, sentence);
        errors.into_error()
    }

    /// Replaces the message. It is sent: it names no operator, table, file or library.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Adds one entry to `details`. It is sent.
    #[must_use]
    pub fn with_detail(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.details.insert(key.into(), value.into());
        self
    }

    /// Replaces `details`. They are sent.
    #[must_use]
    pub fn with_details(mut self, details: Map<String, Value>) -> Self {
        self.0.details = details;
        self
    }

    /// What the log should know and the partner must not.
    #[must_use]
    pub fn with_context(mut self, context: impl fmt::Display) -> Self {
        self.0.context = Some(context.to_string());
        self
    }

    /// The recorded operation behind this answer: the header `Operation-Id`.
    #[must_use]
    pub fn with_operation_id(mut self, operation_id: impl fmt::Display) -> Self {
        self.0.operation_id = Some(operation_id.to_string());
        self
    }

    /// One more header of the answer, such as `RateLimit`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Why the request failed.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The code in `error.code`.
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.kind.status()
    }

    /// The sentence in `error.message`.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The object in `error.details`.
    pub fn details(&self) -> &Map<String, Value> {
        &self.0.details
    }

    /// What only the log sees.
    pub fn context(&self) -> Option<&str> {
        self.0.context.as_deref()
    }

    /// The recorded operation behind this answer.
    pub fn operation_id(&self) -> Option<&str> {
        self.0.operation_id.as_deref()
    }

    /// Writes the headers that belong to this error into an answer's.
    pub(super) fn write_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0.headers {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(Ok(id)) = self.operation_id().map(HeaderValue::from_str) {
            headers.insert(OPERATION_ID, id);
        }
        match &self.0.kind {
            ErrorKind::Unauthorized(challenge) => {
                headers.insert(header::WWW_AUTHENTICATE, challenge_value(*challenge));
            }
            ErrorKind::OperationInProgress(after)
            | ErrorKind::ProviderUnavailable(after)
            | ErrorKind::ServiceUnavailable(after)
            | ErrorKind::RateLimited(after) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(after.0));
            }
            ErrorKind::MethodNotAllowed(allow) => {
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    headers.insert(header::ALLOW, allow);
                }
            }
            _ => {}
        }
    }
}

/// RFC 6750 §3: a description is made of printable ASCII without `"` and `\`.
fn challenge_value(challenge: Challenge) -> HeaderValue {
    let (error, description) = match challenge {
        Challenge::NoCredentials => (None, ""),
        Challenge::InvalidRequest(text) => (Some("invalid_request"), text),
        Challenge::InvalidToken(text) => (Some("invalid_token"), text),
    };
    let mut value = format!("Bearer realm=\"{REALM}\"");
    if let Some(error) = error {
        let description: String = description
            .chars()
            .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
            .collect();
        // Writing to a string cannot fail.
        let _ = write!(value, ", error=\"{error}\", error_description=\"{description}\"");
    }
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("Bearer"))
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("code", &self.code())
            .field("message", &self.message())
            .field("details", self.details())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for ApiError {}

impl From<StoreError> for ApiError {
    /// The database that is away, or whose answer was lost: 503, worth trying again at once. One
    /// that disagrees with the program is a defect, which trying again does not mend: 500.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) => Self::unavailable(1, error),
            StoreError::Broken(_) => Self::internal(error),
        }
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        StoreError::from(error).into()
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// The bare status: the [`Edge`](super::edge::Edge) middleware writes body and headers,
    /// because only it knows the request's id.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_database_that_is_away_is_worth_another_try() {
        let why = || "the reason".to_owned();
        for (error, code, told) in [
            (StoreError::Unavailable(why()).into(), "SERVICE_UNAVAILABLE", "not available"),
            (StoreError::Unknown(why()).into(), "SERVICE_UNAVAILABLE", "not known"),
            (StoreError::Broken(why()).into(), "INTERNAL_ERROR", "disagree"),
            (DbError::Unreadable(why()), "INTERNAL_ERROR", "disagree"),
            (sqlx::Error::PoolTimedOut.into(), "SERVICE_UNAVAILABLE", "not available"),
            (sqlx::Error::RowNotFound.into(), "INTERNAL_ERROR", "disagree"),
        ] {
            let error = ApiError::from(error);
            assert_eq!(error.code(), code);
            assert!(error.context().is_some_and(|context| context.contains(told)));
        }
    }
}
