//! Extractors for the endpoints with a limit of their own.

use super::RateLimits;
use super::policy::Policy;
use crate::http::api::Api;
use crate::http::error::ApiError;
use crate::http::request_id::RequestContext;
use crate::http::tenant::AnyTenant;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use bappy_actors::model::OrgId;
use std::future::{Ready, ready};
use std::sync::Arc;

/// Of reads that ask the provider whatever is cached: `GET …/network-status?live=true`.
pub struct LiveReads(Guard);

/// Of `POST /sms`.
pub struct SmsSends(Guard);

struct Guard {
    limits: Option<Arc<RateLimits>>,
    org: OrgId,
    context: RequestContext,
}

impl LiveReads {
    /// Takes one from the organization's budget: 429 `RATE_LIMITED` where it is used up.
    pub fn take(&self) -> Result<(), ApiError> {
        self.0.take(|limits| &limits.live_reads, "Too many live reads.")
    }
}

impl SmsSends {
    /// Takes one from the organization's budget: 429 `RATE_LIMITED` where it is used up.
    pub fn take(&self) -> Result<(), ApiError> {
        self.0.take(|limits| &limits.sms, "Too many messages.")
    }
}

impl Guard {
    fn of(request: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let AnyTenant(organization) = AnyTenant::from_request(request, payload).into_inner()?;
        let context = RequestContext::from_request(request, payload).into_inner()?;
        let api = request.app_data::<web::Data<Api>>();
        let api = api.ok_or_else(|| ApiError::internal("the routes are not configured"))?;
        Ok(Self { limits: api.rate_limits.clone(), org: organization.id, context })
    }

    fn take(
        &self,
        policy: fn(&RateLimits) -> &Policy,
        sentence: &'static str,
    ) -> Result<(), ApiError> {
        let Some(limits) = &self.limits else { return Ok(()) };
        let taken = policy(limits).take(self.org, &self.context);
        taken.map_err(|error| error.with_message(sentence))
    }
}

impl FromRequest for LiveReads {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Guard::of(request, payload).map(Self))
    }
}

impl FromRequest for SmsSends {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Guard::of(request, payload).map(Self))
    }
}
