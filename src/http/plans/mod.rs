//! Plans: what an organization may buy.

mod get;
pub(super) mod list;
pub mod view;

use super::fallback::resource;
use actix_web::web;
use utoipa::OpenApi;

/// The routes in the `OpenAPI` document.
#[derive(OpenApi)]
#[openapi(paths(list::list, get::get))]
pub struct Documented;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/plans").get(list::list))
        .service(resource("/plans/{plan_id}").get(get::get));
}
