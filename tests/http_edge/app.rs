//! Demonstration endpoints: one for each thing the edge does.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use bappy::http::cursor::Cursor;
use bappy::http::envelope::Success;
use bappy::http::error::ApiError;
use bappy::http::error_kind::{Challenge, ErrorKind, RetryAfter};
use bappy::http::fallback::resource;
use bappy::http::field_errors::{FieldErrors, Validate};
use bappy::http::idempotency_key::{OptionalKey, RequestDigest};
use bappy::http::identifier::Identifier;
use bappy::http::json::StrictJson;
use bappy::http::page::{Page, PageRequest};
use bappy::http::query::StrictQuery;
use bappy::http::request_id::RequestContext;
use bappy::store::page::{Part, Place};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/links").get(list).post(create))
        .service(resource("/links/{identifier}").get(show))
        .service(resource("/filter").get(filter))
        .service(resource("/key").post(key).put(key))
        .service(resource("/errors/{place}").get(fail))
        .service(resource("/panic").get(panic))
        .service(resource("/numbers/{number}").get(number))
        .service(resource("/foreign").get(foreign))
        .service(resource("/bare").get(bare))
        .service(resource("/own").get(own))
        .service(
            web::scope("/guarded")
                .wrap(from_fn(async |_, _| {
                    Err::<actix_web::dev::ServiceResponse, Error>(
                        ApiError::unauthorized(Challenge::NoCredentials).into(),
                    )
                }))
                .service(resource("/inside").get(own)),
        );
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Esim,
    Physical,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLink {
    plan_id: Uuid,
    name: Option<String>,
    count: Option<u8>,
    kind: Option<Kind>,
    add: Option<Vec<Uuid>>,
    address: Option<Address>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    city: String,
}

impl Validate for NewLink {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.name.as_ref().is_some_and(|name| name.chars().count() > 100) {
            errors.add("name", "name must have at most 100 characters.");
        }
        if self.count == Some(0) {
            errors.add("count", "count must be at least 1.");
        }
    }
}

async fn create(context: RequestContext, body: StrictJson<NewLink>) -> Success<NewLink> {
    context.record_organization("acme");
    Success::created(body.value).operation_id("op-1").replayed(true)
}

async fn show(identifier: Identifier) -> Success<String> {
    Success::new(format!("{identifier:?}"))
}

#[derive(Deserialize)]
struct Rows {
    rows: u64,
}

impl Validate for Rows {}

/// The numbers from 1, as many as the query says there are.
async fn list(query: StrictQuery<Rows>, page: PageRequest) -> Result<Success<Page<u64>>, ApiError> {
    let total = query.0.rows;
    let window = page.window(|key| key.parse::<u64>().ok())?;
    let size = u64::from(window.size);
    let first = match window.place {
        Place::Page(number) => number.saturating_sub(1).saturating_mul(size).saturating_add(1),
        Place::After(key) => key + 1,
    };
    let rows: Vec<u64> = (first..=total).take(window.size as usize).collect();
    let next = rows.last().copied().filter(|last| *last < total);
    let part = Part { rows, total: i64::try_from(total).unwrap_or(i64::MAX), next };
    Ok(Success::new(Page::of(&page, part, u64::to_string)))
}

#[derive(Debug, Serialize, Deserialize)]
struct Filter {
    kind: Option<Kind>,
    limit: Option<u8>,
    offset: Option<i64>,
    live: Option<bool>,
    search: Option<String>,
    plan: Option<Uuid>,
}

impl Validate for Filter {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.limit == Some(0) {
            errors.add("limit", "limit must be at least 1.");
        }
    }
}

async fn filter(query: StrictQuery<Filter>) -> Success<Filter> {
    Success::new(query.0)
}

async fn key(request: HttpRequest, key: OptionalKey, body: StrictJson<NewLink>) -> Success<Value> {
    let digest = format!("{:?}", RequestDigest::of(&request, &body.json));
    Success::new(json!({ "key": key.0.map(|key| key.to_string()), "digest": digest }))
}

/// Every kind of error.
pub fn kinds() -> Vec<ErrorKind> {
    vec![
        ErrorKind::Unauthorized(Challenge::NoCredentials),
        ErrorKind::Unauthorized(Challenge::InvalidToken("The token has \"expired\".")),
        ErrorKind::Unauthorized(Challenge::InvalidRequest("Two credentials were sent.")),
        ErrorKind::InsufficientBalance,
        ErrorKind::OrgSuspended,
        ErrorKind::NotFound,
        ErrorKind::PlanNotFound,
        ErrorKind::Validation,
        ErrorKind::InvalidStatusChange,
        ErrorKind::InvalidState,
        ErrorKind::InvalidPlan,
        ErrorKind::IdempotencyMismatch,
        ErrorKind::OperationInProgress(RetryAfter(2)),
        ErrorKind::Config,
        ErrorKind::Internal,
        ErrorKind::Provisioning,
        ErrorKind::ProvisioningFailed,
        ErrorKind::Provider,
        ErrorKind::ProviderUnavailable(RetryAfter(3)),
        ErrorKind::ServiceUnavailable(RetryAfter(4)),
        ErrorKind::MethodNotAllowed("GET, HEAD".to_owned()),
        ErrorKind::UnsupportedMediaType,
        ErrorKind::PayloadTooLarge,
        ErrorKind::LengthRequired,
        ErrorKind::RequestTimeout,
        ErrorKind::HeadersTooLarge,
        ErrorKind::RateLimited(RetryAfter(5)),
    ]
}

async fn fail(place: web::Path<usize>) -> Result<Success<()>, ApiError> {
    let kind = kinds().swap_remove(*place);
    Err(ApiError::new(kind)
        .with_detail("operation_id", "op-2")
        .with_context("SECRET of the log")
        .with_operation_id("op-2")
        .with_header(HeaderName::from_static("ratelimit"), HeaderValue::from_static("r=0")))
}

async fn panic() -> Success<()> {
    panic!("SECRET of the code")
}

async fn number(number: web::Path<u32>) -> Success<u32> {
    Success::new(*number)
}

async fn foreign() -> Result<&'static str, Error> {
    Err(actix_web::error::ErrorBadRequest("SECRET of a library"))
}

async fn bare() -> HttpResponse {
    HttpResponse::BadGateway().insert_header(("x-inner", "kept")).finish()
}

async fn own() -> Success<Value> {
    let status = actix_web::http::StatusCode::SERVICE_UNAVAILABLE;
    Success::with_status(status, json!({ "status": "down" }))
}
