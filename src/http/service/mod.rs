//! The service itself: whether it serves, and how what it depends on does. Public.

mod health;
mod status;

pub use status::StatusPage;

use super::fallback::resource;
use actix_web::web;
use utoipa::OpenApi;

/// The routes in the `OpenAPI` document.
#[derive(OpenApi)]
#[openapi(paths(health::health, status::status))]
pub struct Documented;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/health").get(health::health))
        .service(resource("/status").get(status::status));
}
