//! Operations: attempts to change something, and how they ended.

mod get;
mod list;
mod view;

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
        .service(resource("/operations").get(list::list))
        .service(resource("/operations/{id}").get(get::get));
}
