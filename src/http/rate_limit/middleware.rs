//! The limit of all requests, inside of [`Authenticate`](crate::http::tenant::Authenticate).

use super::RateLimits;
use crate::http::error::ApiError;
use crate::http::request_id::RequestContext;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpMessage};
use bappy_actors::model::Organization;
use futures_util::future::Either;
use std::future::{Ready, ready};
use std::sync::Arc;

/// Lets a request through while its organization's budget lasts.
#[derive(Clone)]
pub struct LimitRequests(Option<Arc<RateLimits>>);

impl LimitRequests {
    /// Limits requests so; without limits, lets all through.
    pub fn new(limits: Option<Arc<RateLimits>>) -> Self {
        Self(limits)
    }
}

impl<S, B> Transform<S, ServiceRequest> for LimitRequests
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Transform = LimitRequestsService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(LimitRequestsService { service, limits: self.0.clone() }))
    }
}

/// [`LimitRequests`] around a service.
pub struct LimitRequestsService<S> {
    service: S,
    limits: Option<Arc<RateLimits>>,
}

impl<S, B> Service<ServiceRequest> for LimitRequestsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = Error;
    type Future = Either<Ready<Result<Self::Response, Error>>, S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let checked = self.limits.as_ref().map_or(Ok(()), |limits| check(limits, &request));
        match checked {
            Ok(()) => Either::Right(self.service.call(request)),
            Err(error) => Either::Left(ready(Err(error.into()))),
        }
    }
}

fn check(limits: &RateLimits, request: &ServiceRequest) -> Result<(), ApiError> {
    let extensions = request.extensions();
    let organization = extensions.get::<Arc<Organization>>();
    let organization = organization.ok_or_else(|| ApiError::internal("not authenticated"))?;
    let context = extensions.get::<RequestContext>();
    let context = context.ok_or_else(|| ApiError::internal("the edge is not installed"))?;
    limits.take(organization.id, context)
}
