//! `GET /openapi.json`: the document, public.

use super::{Settings, document};
use crate::http::fallback::resource;
use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{self, Bytes};
use std::sync::OnceLock;

/// The document as it is sent, made when it is first asked for.
pub struct Served {
    settings: Settings,
    text: OnceLock<Bytes>,
}

impl Served {
    /// The document of a service with these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings, text: OnceLock::new() }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Bytes {
        let make = || Bytes::from(document(&self.settings).to_string());
        self.text.get_or_init(make).clone()
    }
}

async fn openapi(served: web::Data<Served>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        // It changes with a new version alone, and then should be seen soon.
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(served.bytes())
}

/// Declares the route.
pub fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/openapi.json").get(openapi));
}
