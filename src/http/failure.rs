//! Finds out why an answer failed, and writes the error envelope over it.
//!
//! Called by the [`Edge`](super::edge::Edge) middleware alone.
//!
//! **Invariant:** what a library says about a failure goes to the log, not to the partner.
//! **Invariant:** headers that inner middleware set stay.

use std::any::Any;
use std::fmt;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{Error, HttpResponse, ResponseError};

use super::closing::ConnectionMark;
use super::envelope::error_body;
use super::error::ApiError;
use super::error_kind::{Challenge, ErrorKind, RetryAfter};
use super::metrics::METRICS;
use super::request_id::{RequestContext, X_REQUEST_ID};

/// Where something other than an [`ApiError`] says "later", this is when.
const RETRY_AFTER_DEFAULT: RetryAfter = RetryAfter(1);

/// An error, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    closes: bool,
}

impl Failure {
    /// Logs the error, marks the connection where it ends, and makes the envelope.
    pub(super) fn new(
        error: &ApiError,
        context: &RequestContext,
        connection: &ConnectionMark,
    ) -> Self {
        log(error);
        METRICS.failed(error.kind());
        let closes = error.kind().closes_connection();
        if closes {
            connection.close();
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(id) = HeaderValue::from_str(context.id()) {
            headers.insert(X_REQUEST_ID, id);
        }
        error.write_headers(&mut headers);
        Self { status: error.status(), headers, body: error_body(error, context), closes }
    }

    /// The failure behind an answer; `None` for one that is to be sent as it is: a success, or
    /// an error status with a body that a handler wrote itself.
    pub(super) fn behind(
        response: &HttpResponse,
        context: &RequestContext,
        connection: &ConnectionMark,
    ) -> Option<Self> {
        if let Some(error) = response.error() {
            return Some(Self::of(error, context, connection));
        }
        let status = response.status();
        let is_bare = matches!(response.body().size(), BodySize::None | BodySize::Sized(0));
        if !is_bare || !(status.is_client_error() || status.is_server_error()) {
            return None;
        }
        let allow = response.headers().get(header::ALLOW).and_then(|value| value.to_str().ok());
        Some(Self::new(&from_status(status, allow), context, connection))
    }

    /// The failure that an error of any kind stands for.
    pub(super) fn of(error: &Error, context: &RequestContext, connection: &ConnectionMark) -> Self {
        if let Some(error) = error.as_error::<ApiError>() {
            return Self::new(error, context, connection);
        }
        let status = error.as_response_error().status_code();
        Self::new(&from_status(status, None).with_context(error), context, connection)
    }

    /// Puts this over an answer, whose other headers stay.
    pub(super) fn write(
        self,
        response: HttpResponse,
        body: impl FnOnce(Vec<u8>) -> BoxBody,
    ) -> HttpResponse {
        let mut response = response.map_body(|_, _| body(self.body));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        if self.closes {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        response
    }

    /// The headers that are sent.
    pub(super) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The status that is sent.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

/// A failure whose request is lost: the server writes it from the error alone.
#[derive(Debug)]
pub(super) struct LostRequest(pub(super) Failure);

impl fmt::Display for LostRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered with {}", self.0.status)
    }
}

impl ResponseError for LostRequest {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        self.0.clone().write(HttpResponse::new(self.0.status), BoxBody::new)
    }
}

/// What a caught panic stands for: our defect.
pub(super) fn panicked(panic: &(dyn Any + Send)) -> ApiError {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    ApiError::internal(format_args!("panicked: {text}"))
}

/// The nearest error of ours for a status that something else chose.
fn from_status(status: StatusCode, allow: Option<&str>) -> ApiError {
    ApiError::new(match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized(Challenge::NoCredentials),
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => {
            ErrorKind::MethodNotAllowed(allow.unwrap_or_default().to_owned())
        }
        StatusCode::REQUEST_TIMEOUT => ErrorKind::RequestTimeout,
        StatusCode::LENGTH_REQUIRED => ErrorKind::LengthRequired,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorKind::PayloadTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ErrorKind::UnsupportedMediaType,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited(RETRY_AFTER_DEFAULT),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ErrorKind::HeadersTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => ErrorKind::ServiceUnavailable(RETRY_AFTER_DEFAULT),
        status if status.is_client_error() => ErrorKind::Validation,
        _ => ErrorKind::Internal,
    })
}

/// Once an error, with what only the log may see. The request's id is on the span.
fn log(error: &ApiError) {
    let (code, context) = (error.code(), error.context().unwrap_or_default());
    match error.kind() {
        ErrorKind::Internal | ErrorKind::Config => tracing::error!(code, context, "request failed"),
        _ if error.status().is_server_error() => tracing::warn!(code, context, "request failed"),
        _ if error.context().is_some() => tracing::info!(code, context, "request refused"),
        _ => tracing::debug!(code, "request refused"),
    }
}
