//! The organization itself, and its balance. Open to a suspended one too.

mod balance;
mod get;

use super::fallback::resource;
use actix_web::web;
use utoipa::OpenApi;

/// The routes in the `OpenAPI` document.
#[derive(OpenApi)]
#[openapi(paths(get::get, balance::balance))]
pub struct Documented;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/organization").get(get::get))
        .service(resource("/organization/balance").get(balance::balance));
}
