//! SMS: sent to Links, and listed.

mod create;
mod list;
mod view;

#[cfg(fuzzing)]
pub use create::NewSms;

use super::fallback::resource;
use actix_web::web;
use utoipa::OpenApi;

/// The routes in the `OpenAPI` document.
#[derive(OpenApi)]
#[openapi(paths(create::create, list::list))]
pub struct Documented;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/sms").get(list::list).post(create::create));
}
