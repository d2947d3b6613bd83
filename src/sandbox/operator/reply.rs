//! Answers: a status and a JSON body that is ready to send.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde::Serialize;

use super::refusal::Refusal;

/// An answer, before it becomes one of HTTP. It can cross threads.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    /// Empty: no body.
    json: Vec<u8>,
    retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

impl Reply {
    /// An answer with JSON that is already written.
    pub const fn raw(status: StatusCode, json: Vec<u8>) -> Self {
        Self { status, json, retry_after_s: None }
    }

    /// An answer with a body. Bodies are strings and numbers, so writing them does not fail.
    pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Self {
        Self::raw(status, serde_json::to_vec(body).unwrap_or_default())
    }

    /// 200 with `{"items": […]}`.
    pub fn items<T: Serialize>(items: &[T]) -> Self {
        #[derive(Serialize)]
        struct Items<'a, T> {
            items: &'a [T],
        }
        Self::json(StatusCode::OK, &Items { items })
    }

    /// 204.
    pub const fn no_content() -> Self {
        Self::raw(StatusCode::NO_CONTENT, Vec::new())
    }

    /// What `wrapped_error_rate` answers: a failure of an unknown code in a 200.
    pub fn wrapped_error() -> Self {
        #[derive(Serialize)]
        struct Wrapped {
            error: ErrorBody<'static>,
        }
        let error = ErrorBody { code: "E_5017", message: "upstream processing fault" };
        Self::json(StatusCode::OK, &Wrapped { error })
    }

    /// As HTTP.
    pub fn into_http(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.json.is_empty() {
            return response.finish();
        }
        response.insert_header(header::ContentType::json()).body(self.json)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let body = ErrorBody { code: refusal.code(), message: &refusal.to_string() };
        let mut reply = Self::json(refusal.status(), &body);
        if let Refusal::TooManyRequests { retry_after_s } = refusal {
            reply.retry_after_s = Some(retry_after_s);
        }
        reply
    }
}

impl From<Result<Self, Refusal>> for Reply {
    fn from(result: Result<Self, Refusal>) -> Self {
        result.unwrap_or_else(Self::from)
    }
}
