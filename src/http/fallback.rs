//! Resources that know their methods, and what is answered where nothing matches.
//!
//! Each endpoint module declares its path once, with [`resource`]; the composition root adds
//! [`not_found`] as the application's default service.
//!
//! **Invariant:** `Allow` lists exactly what the resource answers; HEAD is answered where GET
//! is. **Invariant:** the route's template is known as soon as the path has matched, for a
//! refused method too.

use std::collections::BTreeSet;
use std::future::{Ready, ready};
use std::sync::{Mutex, PoisonError};

use actix_web::dev::{AppService, HttpServiceFactory};
use actix_web::http::Method;
use actix_web::{FromRequest, Handler, Resource, Responder, guard, web};

use super::error::ApiError;
use super::error_kind::ErrorKind;
use super::metrics;
use super::request_id::RequestContext;

/// Every path that a router of this process has, with its methods.
static DECLARED: Mutex<BTreeSet<(&str, String)>> = Mutex::new(BTreeSet::new());

/// Every path that a router of this process has, with each of its methods: what the
/// documentation is compared with.
pub fn declared() -> BTreeSet<(&'static str, String)> {
    DECLARED.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A path with its methods; a service for `App::service` or `Scope::service`.
pub struct MethodResource {
    path: &'static str,
    resource: Resource,
    methods: Vec<Method>,
}

/// A resource at this path, which is also its route template in logs and metrics.
pub fn resource(path: &'static str) -> MethodResource {
    let counted = metrics::route(path);
    let record_route = guard::fn_guard(move |request| {
        if let Some(context) = request.req_data().get::<RequestContext>() {
            context.record_route(path, counted);
        }
        true
    });
    MethodResource { path, resource: web::resource(path).guard(record_route), methods: Vec::new() }
}

impl MethodResource {
    /// Answers GET, and HEAD with the same head and no body.
    #[must_use]
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::GET, handler.clone()).on(Method::HEAD, handler)
    }

    /// Answers POST.
    #[must_use]
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, handler)
    }

    /// Answers PUT.
    #[must_use]
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PUT, handler)
    }

    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let route = web::method(method.clone()).to(handler);
        self.resource = self.resource.route(route);
        self.methods.push(method);
        self
    }

    /// The actix resource, for what else one can do with it (`wrap`, `app_data`).
    pub fn into_resource(self) -> Resource {
        let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        let allow = methods.join(", ");
        self.resource.default_service(web::to(move || {
            let error = ApiError::new(ErrorKind::MethodNotAllowed(allow.clone()));
            async move { Err::<&str, _>(error) }
        }))
    }
}

impl HttpServiceFactory for MethodResource {
    fn register(self, config: &mut AppService) {
        let methods = self.methods.iter().map(|method| (self.path, method.to_string()));
        DECLARED.lock().unwrap_or_else(PoisonError::into_inner).extend(methods);
        self.into_resource().register(config);
    }
}

/// The answer where no path matches: `App::default_service(web::to(not_found))`.
pub fn not_found() -> Ready<Result<&'static str, ApiError>> {
    ready(Err(ApiError::not_found()))
}
