//! The outermost middleware: everything that is true of every request.
//!
//! Installed once, by the composition root, around the whole application. In this order: drop
//! what comes behind a connection's last answer; refuse by the head; answer what the [`FastPath`]
//! has at hand; open the [`RequestContext`]; run the rest, catching a panic; turn what failed into the
//! error envelope and log it; add `X-Request-Id` and the limits; log the request.
//!
//! **Invariant:** whatever is inside fails with, the partner gets the envelope, and the log
//! gets the internal context exactly once.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::ConnectionType;
use actix_web::http::header::HeaderValue;
use actix_web::{HttpMessage, HttpResponse};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tracing::Instrument;

use super::closing::{ConnectionMark, HoldingBody, no_answer};
use super::failure::{self, Failure, LostRequest};
use super::limits::{RequestLimits, check_head};
use super::links::FastPath;
use super::metrics::METRICS;
use super::request_id::{NewId, Now, RequestContext, X_REQUEST_ID};

/// What the edge needs from the composition root.
#[derive(Clone)]
pub struct EdgeSettings {
    /// Makes request ids.
    pub new_id: NewId,
    /// Tells the time.
    pub now: Now,
    /// What one request may take.
    pub limits: RequestLimits,
    /// What answers before anything is routed.
    pub fast_path: Option<FastPath>,
}

impl EdgeSettings {
    /// An answer that need not be routed. What panics there is routed, and told as any panic is.
    fn at_hand(
        &self,
        request: &ServiceRequest,
        started: Instant,
    ) -> Option<(RequestContext, HttpResponse)> {
        let fast_path = self.fast_path.as_ref()?;
        let answered = AssertUnwindSafe(|| fast_path.answer(request, self, started));
        catch_unwind(answered).ok()?
    }
}

/// The middleware; see the module.
#[derive(Clone)]
pub struct Edge(Arc<EdgeSettings>);

impl Edge {
    /// An edge with these settings.
    pub fn new(settings: EdgeSettings) -> Self {
        Self(Arc::new(settings))
    }
}

impl<S, B> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(EdgeService { service: Rc::new(service), settings: Arc::clone(&self.0) }))
    }
}

/// [`Edge`] around a service.
pub struct EdgeService<S> {
    service: Rc<S>,
    settings: Arc<EdgeSettings>,
}

impl<S, B> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let connection = ConnectionMark::of(&request);
        if connection.is_closed() {
            return Box::pin(async { Ok(request.into_response(no_answer().await)) });
        }
        if request.head().connection_type() == ConnectionType::Close {
            // It says that it is the connection's last (RFC 9112, 9.6), but the server has read
            // on: what is hidden behind it would be answered.
            connection.close();
        }
        let started = Instant::now();
        let refused = check_head(&request, &self.settings.limits).err();
        if refused.is_none()
            && !connection.is_closed()
            && let Some((context, response)) = self.settings.at_hand(&request, started)
        {
            let _entered = context.span().clone().entered();
            return Box::pin(ready(finish(Ok(request.into_response(response)), &context)));
        }
        let context =
            RequestContext::open(&request, started, &self.settings.new_id, &self.settings.now);
        request.extensions_mut().insert(context.clone());
        request.extensions_mut().insert(self.settings.limits);
        let span = context.span().clone();
        let service = Rc::clone(&self.service);
        let run = async move {
            let unfinished = Unfinished;
            let _running = METRICS.running();
            let answered = if let Some(error) = refused {
                Ok(refuse(request, Failure::new(&error, &context, &connection)))
            } else {
                let routed = async move { service.call(request).await };
                match AssertUnwindSafe(routed).catch_unwind().await {
                    Ok(Ok(response)) => {
                        Ok(envelop(response.map_into_boxed_body(), &context, &connection))
                    }
                    Ok(Err(error)) => Err(Failure::of(&error, &context, &connection)),
                    Err(panic) => {
                        let error = failure::panicked(panic.as_ref());
                        Err(Failure::new(&error, &context, &connection))
                    }
                }
            };
            std::mem::forget(unfinished);
            finish(answered, &context)
        };
        Box::pin(run.instrument(span))
    }
}

/// The answer to a request that is not routed, its body unread.
fn refuse(mut request: ServiceRequest, failure: Failure) -> ServiceResponse<BoxBody> {
    let unread = request.take_payload();
    let bare = HttpResponse::new(failure.status());
    request.into_response(failure.write(bare, |bytes| HoldingBody::boxed(bytes, unread)))
}

/// The answer as it came, or the error envelope over it.
fn envelop(
    response: ServiceResponse<BoxBody>,
    context: &RequestContext,
    connection: &ConnectionMark,
) -> ServiceResponse<BoxBody> {
    let Some(failure) = Failure::behind(response.response(), context, connection) else {
        return response;
    };
    let (request, bare) = response.into_parts();
    ServiceResponse::new(request, failure.write(bare, BoxBody::new))
}

/// Adds the id, logs, and gives the server what it is to send: a response, or, where the
/// request is lost, an error that knows its own.
fn finish(
    answered: Result<ServiceResponse<BoxBody>, Failure>,
    context: &RequestContext,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match answered {
        Ok(mut response) => {
            context.write_lists(response.headers_mut());
            if let Ok(id) = HeaderValue::from_str(context.id()) {
                response.headers_mut().insert(X_REQUEST_ID, id);
            }
            context.done(response.status());
            Ok(response)
        }
        Err(mut failure) => {
            context.write_lists(failure.headers_mut());
            context.done(failure.status());
            Err(LostRequest(failure).into())
        }
    }
}

/// Logs, where it is dropped, that the client hung up: the server then drops the handler.
struct Unfinished;

impl Drop for Unfinished {
    fn drop(&mut self) {
        METRICS.dropped.increment(1);
        tracing::info!("request dropped: the client hung up");
    }
}
