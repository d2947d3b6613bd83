//! What is the same for every organization: guides to an installation, and mobile networks.

mod instructions;
mod operators;

use super::fallback::resource;
use actix_web::web;
use utoipa::OpenApi;

/// The routes in the `OpenAPI` document.
#[derive(OpenApi)]
#[openapi(paths(instructions::instructions, operators::operators))]
pub struct Documented;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/info/instructions").get(instructions::instructions))
        .service(resource("/info/operators").get(operators::operators));
}
