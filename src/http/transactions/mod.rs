//! Transactions: the ledger as partners see it, as a list, as CSV and added up.

mod accept;
mod analytics;
mod export;
mod list;
mod period;
mod stats;
pub mod view;

#[cfg(fuzzing)]
pub use list::Filter;

use super::fallback::resource;
use actix_web::web;
use utoipa::OpenApi;

/// The routes in the `OpenAPI` document.
#[derive(OpenApi)]
#[openapi(paths(list::list, stats::stats, analytics::analytics))]
pub struct Documented;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/transactions").get(list::list))
        .service(resource("/transactions/stats").get(stats::stats))
        .service(resource("/transactions/analytics").get(analytics::analytics));
}
