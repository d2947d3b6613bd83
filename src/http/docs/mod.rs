//! `GET /docs`: the reference of the API, to be read and tried in a browser. Public.
//!
//! The page shows `openapi.json`, which lies beside it, and sends its calls to where it came from.
//! All that it needs comes from here: it works where there is no internet access.
//!
//! **Invariant:** the browser is told to load from this server, and to connect to it, alone.

mod page;
mod script;

use super::fallback::resource;
use actix_web::web;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/docs").get(page::page))
        .service(resource("/docs/start.js").get(page::start))
        .service(resource("/docs/scalar.js").get(script::script));
}
