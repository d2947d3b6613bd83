//! What is counted of requests: how many, how they ended, how long they took.
//!
//! The [`Edge`](super::edge::Edge) counts; a resource knows its [`Route`] from the start, so that
//! no request costs a look-up.
//!
//! **Invariants.** A route is its template as it is documented, never a path. What no route of ours
//! took is one route, and a method of none is one method: whatever is sent, the series stay those
//! that were there at the start, but for a status that is not documented.

use super::error_kind::ErrorKind;
use super::openapi::{self, Settings};
use actix_web::http::{Method, StatusCode};
use bappy_actors::metrics::{CacheMetrics, Present, counter_of, gauge_of};
use metrics::{Counter, Gauge, Histogram};
use metrics::{counter, describe_counter, describe_histogram, histogram};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

const REQUESTS: &str = "bappy_http_requests_total";
const SECONDS: &str = "bappy_http_request_duration_seconds";
const ERRORS: &str = "bappy_http_errors_total";

/// The route of what none of ours took, and the method of what none of ours has.
const NONE: &str = "none";

/// Routes beside those of the document: the document itself, and the page that shows it.
const UNDOCUMENTED: [&str; 4] = ["/openapi.json", "/docs", "/docs/start.js", "/docs/scalar.js"];

pub(super) static METRICS: LazyLock<HttpMetrics> = LazyLock::new(HttpMetrics::new);

/// Makes all metrics of the edge.
pub fn register() {
    LazyLock::force(&METRICS);
}

pub(super) struct HttpMetrics {
    routes: HashMap<String, Route>,
    unrouted: Answers,
    errors: HashMap<&'static str, Counter>,
    in_flight: Gauge,
    /// Requests whose client hung up.
    pub dropped: Counter,
    /// Organizations that tokens lead to.
    pub organizations: CacheMetrics,
    /// Links as they were answered.
    pub link_answers: CacheMetrics,
}

/// One route.
pub struct Route {
    methods: Vec<(Method, Answers)>,
}

/// The answers of one method of a route.
struct Answers {
    route: String,
    method: String,
    seconds: Histogram,
    by_status: Vec<(StatusCode, Counter)>,
}

impl HttpMetrics {
    fn new() -> Self {
        describe_counter!(REQUESTS, "Answers, by route, method and status; HEAD counts as GET");
        describe_histogram!(SECONDS, "Time from a request's head to the head of its answer");
        describe_counter!(ERRORS, "Error answers by their code");
        let error = |kind: ErrorKind| (kind.code(), counter!(ERRORS, "code" => kind.code()));
        let refused = ErrorKind::each();
        let unrouted = refused.iter().filter(|kind| may_be_unrouted(kind)).map(ErrorKind::status);
        Self {
            routes: routes(),
            unrouted: Answers::new(NONE, NONE, unrouted),
            errors: ErrorKind::each().into_iter().map(error).collect(),
            in_flight: gauge_of("bappy_http_requests_in_flight", "Requests that run now"),
            dropped: counter_of(
                "bappy_http_requests_dropped_total",
                "Requests whose client hung up before the answer",
            ),
            organizations: CacheMetrics::of("organizations"),
            link_answers: CacheMetrics::of("link_answers"),
        }
    }

    /// Counts a request while it runs.
    pub fn running(&'static self) -> Present {
        Present::in_gauge(&self.in_flight)
    }

    /// Counts an error that is answered.
    pub fn failed(&self, kind: &ErrorKind) {
        if let Some(counter) = self.errors.get(kind.code()) {
            counter.increment(1);
        }
    }

    /// Counts an answer.
    pub fn answered(
        &self,
        route: Option<&Route>,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let answers = route.and_then(|route| route.methods.iter().find(|(of, _)| of == method));
        answers.map_or(&self.unrouted, |(_, answers)| answers).count(status, took);
    }
}

/// What can be answered before a route is found, or instead of one.
fn may_be_unrouted(kind: &ErrorKind) -> bool {
    kind.closes_connection()
        || matches!(
            kind,
            ErrorKind::NotFound
                | ErrorKind::MethodNotAllowed(_)
                | ErrorKind::Unauthorized(_)
                | ErrorKind::Validation
                | ErrorKind::RateLimited(_)
                | ErrorKind::ServiceUnavailable(_)
                | ErrorKind::Internal
        )
}

/// The route with this template; none where it is not one of the service's.
pub(super) fn route(template: &str) -> Option<&'static Route> {
    METRICS.routes.get(template)
}

impl Answers {
    fn new(route: &str, method: &str, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        let mut by_status: Vec<(StatusCode, Counter)> = Vec::new();
        for status in statuses {
            if by_status.iter().all(|(known, _)| *known != status) {
                by_status.push((status, requests(route, method, status)));
            }
        }
        let (route, method) = (route.to_owned(), method.to_owned());
        let seconds = histogram!(SECONDS, "route" => route.clone(), "method" => method.clone());
        Self { route, method, seconds, by_status }
    }

    fn count(&self, status: StatusCode, took: Duration) {
        self.seconds.record(took);
        match self.by_status.iter().find(|(known, _)| *known == status) {
            Some((_, counter)) => counter.increment(1),
            None => requests(&self.route, &self.method, status).increment(1),
        }
    }
}

fn requests(route: &str, method: &str, status: StatusCode) -> Counter {
    let (route, method) = (route.to_owned(), method.to_owned());
    counter!(REQUESTS, "route" => route, "method" => method, "status" => status.as_str().to_owned())
}

/// Every route with the answers that are documented of it.
fn routes() -> HashMap<String, Route> {
    let document = openapi::document(&Settings::public());
    let documented = document["paths"].as_object().into_iter().flatten();
    let mut routes: HashMap<String, Route> = documented
        .map(|(path, methods)| {
            let methods = methods.as_object().into_iter().flatten();
            let methods =
                methods.filter_map(|(method, operation)| answers(path, method, operation));
            (path.clone(), Route { methods: methods.collect() })
        })
        .collect();
    for path in UNDOCUMENTED {
        let answers = Answers::new(path, Method::GET.as_str(), [StatusCode::OK]);
        routes.insert(path.to_owned(), Route { methods: vec![(Method::GET, answers)] });
    }
    routes
}

fn answers(path: &str, method: &str, operation: &Value) -> Option<(Method, Answers)> {
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).ok()?;
    let statuses = operation["responses"].as_object()?.keys();
    let statuses = statuses.filter_map(|status| StatusCode::from_bytes(status.as_bytes()).ok());
    let answers = Answers::new(path, method.as_str(), statuses);
    Some((method, answers))
}
