//! The shape of every JSON answer: `success`, `data` or `error`, `meta`.
//!
//! [`Success`] is what handlers return; `error_body` is used by the
//! [`Edge`](super::edge::Edge) middleware alone.
//!
//! **Invariant:** the data is written straight into the envelope, in one pass.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::error::{ApiError, OPERATION_ID};
use super::openapi::ErrorCode;
use super::request_id::RequestContext;

/// Says that an answer is an earlier one, repeated.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Most answers fit; saves the first reallocations.
const BODY_CAPACITY_BYTES: usize = 2_048;

/// A successful answer around `data`.
#[derive(Debug)]
pub struct Success<T> {
    data: T,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl<T: Serialize> Success<T> {
    /// 200 with this data.
    pub fn new(data: T) -> Self {
        Self::with_status(StatusCode::OK, data)
    }

    /// 201 with this data.
    pub fn created(data: T) -> Self {
        Self::with_status(StatusCode::CREATED, data)
    }

    /// 202 with this data.
    pub fn accepted(data: T) -> Self {
        Self::with_status(StatusCode::ACCEPTED, data)
    }

    /// Any status with this data.
    pub fn with_status(status: StatusCode, data: T) -> Self {
        Self { data, status, headers: Vec::new() }
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The recorded operation behind this answer: the header `Operation-Id`.
    #[must_use]
    pub fn operation_id(self, operation_id: impl fmt::Display) -> Self {
        match HeaderValue::from_str(&operation_id.to_string()) {
            Ok(value) => self.header(OPERATION_ID, value),
            Err(_) => self,
        }
    }

    /// Marks an answer that was given before: `Idempotent-Replayed: true`.
    #[must_use]
    pub fn replayed(self, replayed: bool) -> Self {
        if replayed {
            self.header(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"))
        } else {
            self
        }
    }

    /// The answer to a request.
    pub(super) fn respond(self, context: &RequestContext) -> HttpResponse {
        let meta =
            SuccessMeta { timestamp: context.timestamp(), response_time_ms: context.elapsed_ms() };
        let mut body = Vec::with_capacity(BODY_CAPACITY_BYTES);
        let envelope = SuccessBody { success: true, data: &self.data, meta };
        if let Err(error) = serde_json::to_writer(&mut body, &envelope) {
            return HttpResponse::from_error(ApiError::internal(error));
        }
        let mut response = HttpResponse::with_body(self.status, BoxBody::new(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

#[derive(Serialize)]
struct SuccessBody<'a, T> {
    success: bool,
    data: &'a T,
    meta: SuccessMeta,
}

/// When and how fast a success was answered.
#[derive(Serialize, ToSchema)]
pub(super) struct SuccessMeta {
    /// When it was answered.
    #[schema(format = DateTime)]
    timestamp: String,
    /// How long that took, in milliseconds.
    response_time_ms: u64,
}

impl<T: Serialize> Responder for Success<T> {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match RequestContext::of(request) {
            Some(context) => self.respond(&context),
            None => HttpResponse::from_error(ApiError::internal("the edge is not installed")),
        }
    }
}

/// What every error looks like.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorResponse)]
pub(super) struct ErrorBody<'a> {
    /// Always false.
    success: bool,
    error: ErrorPart<'a>,
    meta: ErrorMeta<'a>,
}

/// What went wrong.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct ErrorPart<'a> {
    #[schema(value_type = ErrorCode)]
    code: &'a str,
    /// A sentence for developers. Decide by `code`, not by this.
    message: &'a str,
    /// More about it. For `VALIDATION_ERROR`: each offending field with a list of sentences.
    #[schema(value_type = Object)]
    details: &'a Map<String, Value>,
}

/// When an error was answered, and to which request.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorMeta<'a> {
    #[schema(format = DateTime)]
    timestamp: String,
    /// The same as in the header `X-Request-Id`; name it when you ask for help.
    request_id: &'a str,
}

/// The error envelope's bytes.
pub(super) fn error_body(error: &ApiError, context: &RequestContext) -> Vec<u8> {
    let body = ErrorBody {
        success: false,
        error: ErrorPart { code: error.code(), message: error.message(), details: error.details() },
        meta: ErrorMeta { timestamp: context.timestamp(), request_id: context.id() },
    };
    // Strings and JSON values cannot fail to serialize; an empty body would be the fallback.
    serde_json::to_vec(&body).unwrap_or_default()
}
