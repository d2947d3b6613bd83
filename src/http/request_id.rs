//! What is known about a request while it runs: its id, its start, its span.
//!
//! Opened by the [`Edge`](super::edge::Edge) middleware before anything else, read by the
//! envelope (id, time), by handlers (to name the organization and the operation on the span)
//! and by whoever passes the id on to another task.
//!
//! **Invariant:** the id is 1 to 128 visible ASCII characters; a caller's is kept as it came,
//! anything else is replaced. **Invariant:** the span carries the route's template, never the
//! path, which holds ids.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use bappy_actors::model::OrgId;
use chrono::{DateTime, SecondsFormat, Utc};
use tracing::Span;
use tracing::field::{Empty, display};

use super::error::ApiError;
use super::metrics::{METRICS, Route};
use crate::telemetry::{GATHERED, carries_spans, traces};

/// Carries the request's id, both ways.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Long enough for any trace id in use, short enough for every log line.
const REQUEST_ID_CHARACTERS_MAX: usize = 128;

/// What filters of the log know the line of each request by.
const DONE: &str = "bappy::http::edge";

/// Makes a request id (a UUID v7 in the service, from the Ids port).
pub type NewId = Arc<dyn Fn() -> String + Send + Sync>;
/// Tells the time (from the Clock port).
pub type Now = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// One request's id, start and span. Cheap to clone; an extractor.
#[derive(Clone)]
pub struct RequestContext(Rc<Inner>);

struct Inner {
    id: Arc<str>,
    started: Instant,
    now: Now,
    span: Span,
    /// Of a request without a span, what it would tell beside the rest.
    organization: Option<OrgId>,
    route: Cell<Option<&'static str>>,
    method: Method,
    counted: Cell<Option<&'static Route>>,
    lists: RefCell<Vec<(HeaderName, String)>>,
}

impl RequestContext {
    /// Takes the caller's id or makes one, and opens the span.
    pub(super) fn open(
        request: &ServiceRequest,
        started: Instant,
        new_id: &NewId,
        now: &Now,
    ) -> Self {
        let id = id_of(request, new_id);
        let span = span(request, &id, None, None::<&str>);
        let header = |name: &str| request.headers().get(name)?.to_str().ok();
        traces::continue_from(&span, header);
        Self::new(request, started, id, now, span, None)
    }

    /// The same for a request of which all is known that its span tells, but for a trace, and which
    /// logs nothing but its line.
    pub(super) fn open_known(
        request: &ServiceRequest,
        started: Instant,
        new_id: &NewId,
        now: &Now,
        (template, counted): (&'static str, Option<&'static Route>),
        organization: OrgId,
    ) -> Self {
        let id = id_of(request, new_id);
        let (span, organization) = if carries_spans() {
            (Span::none(), Some(organization))
        } else {
            (span(request, &id, Some(template), Some(organization)), None)
        };
        let context = Self::new(request, started, id, now, span, organization);
        context.0.route.set(Some(template));
        context.0.counted.set(counted);
        context
    }

    fn new(
        request: &ServiceRequest,
        started: Instant,
        id: Arc<str>,
        now: &Now,
        span: Span,
        organization: Option<OrgId>,
    ) -> Self {
        Self(Rc::new(Inner {
            id,
            started,
            now: Arc::clone(now),
            span,
            organization,
            route: Cell::new(None),
            method: request.method().clone(),
            counted: Cell::new(None),
            lists: RefCell::default(),
        }))
    }

    /// The request's id.
    pub fn id(&self) -> &Arc<str> {
        &self.0.id
    }

    /// The request's span, to be followed by a spawned task.
    pub fn span(&self) -> &Span {
        &self.0.span
    }

    /// Whole milliseconds since the request's head was read.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The time now, RFC 3339 in UTC with exactly milliseconds.
    pub fn timestamp(&self) -> String {
        (self.0.now)().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// The template of the resource that took the request; none where no path matched.
    pub fn route(&self) -> Option<&'static str> {
        self.0.route.get()
    }

    /// Names the organization on the span, as soon as the token has told it.
    pub fn record_organization(&self, organization: impl fmt::Display) {
        self.0.span.record("organization", display(organization));
    }

    /// Names the recorded operation on the span.
    pub fn record_operation(&self, operation_id: impl fmt::Display) {
        self.0.span.record("operation_id", display(operation_id));
    }

    /// Counts its answer and logs it: one line a request. In its span, where it has one.
    pub(super) fn done(&self, status: StatusCode) {
        let (route, took) = (self.0.counted.get(), self.0.started.elapsed());
        METRICS.answered(route, &self.0.method, status, took);
        traces::answered(&self.0.span, status.as_u16());
        let (status, duration_ms) = (status.as_u16(), self.elapsed_ms());
        match self.0.organization {
            None => tracing::info!(target: DONE, status, duration_ms, "request done"),
            Some(organization) => tracing::info!(
                name: GATHERED,
                target: DONE,
                status,
                duration_ms,
                // As in its span.
                "span.name" = "request",
                "span.request_id" = &*self.0.id,
                "span.method" = self.0.method.as_str(),
                "span.route" = self.0.route.get(),
                "span.organization" = %organization,
                "request done"
            ),
        }
    }

    /// Called by the resource whose path matched, with what is counted of it.
    pub(super) fn record_route(&self, template: &'static str, counted: Option<&'static Route>) {
        self.0.route.set(Some(template));
        self.0.counted.set(counted);
        self.0.span.record("route", template);
        traces::routed(&self.0.span, self.0.method.as_str(), template);
    }

    /// Adds an item to a header of the answer, however the request ends. The header is a list of
    /// structured fields (RFC 9651 §3.1), such as `RateLimit`.
    pub(super) fn add_to_list(&self, name: HeaderName, item: String) {
        let mut lists = self.0.lists.borrow_mut();
        match lists.iter_mut().find(|(known, _)| *known == name) {
            Some((_, list)) => {
                list.push_str(", ");
                list.push_str(&item);
            }
            None => lists.push((name, item)),
        }
    }

    /// Writes the answer's lists.
    pub(super) fn write_lists(&self, headers: &mut HeaderMap) {
        for (name, list) in self.0.lists.take() {
            if let Ok(value) = HeaderValue::try_from(list) {
                headers.insert(name, value);
            }
        }
    }

    /// The context of a request inside the edge.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}

/// The request's span, with what is known of it so far.
fn span(
    request: &ServiceRequest,
    id: &str,
    route: Option<&'static str>,
    organization: Option<impl fmt::Display>,
) -> Span {
    // At error level: a log filter that hides informational lines must not take the id
    // from the warnings that remain.
    tracing::error_span!(
        "request",
        request_id = %id,
        method = %request.method(),
        route,
        organization = organization.map(display),
        operation_id = Empty,
        trace_id = Empty,
        otel.kind = traces::server(),
    )
}

/// The caller's id, or a fresh one.
fn id_of(request: &ServiceRequest, new_id: &NewId) -> Arc<str> {
    match accepted_id(request.headers()) {
        Some(id) => Arc::from(id),
        None => Arc::from(new_id()),
    }
}

/// The caller's id, where there is exactly one and it is fit to be repeated.
fn accepted_id(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(X_REQUEST_ID);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let bytes = value.as_bytes();
    let fits = (1..=REQUEST_ID_CHARACTERS_MAX).contains(&bytes.len());
    if fits && bytes.iter().all(u8::is_ascii_graphic) {
        std::str::from_utf8(bytes).ok()
    } else {
        None
    }
}

impl FromRequest for RequestContext {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).ok_or_else(|| ApiError::internal("the edge is not installed")))
    }
}
