//! The reference's script: 4.9 MB, compressed once, when it is first asked for.

use crate::http::error::ApiError;
use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::sync::OnceLock;

static PLAIN: OnceLock<Bytes> = OnceLock::new();
static COMPRESSED: OnceLock<Bytes> = OnceLock::new();

fn plain() -> Bytes {
    let read = || Bytes::from(scalar_api_reference::get_asset("scalar.js").unwrap_or_default());
    PLAIN.get_or_init(read).clone()
}

fn compressed() -> Bytes {
    let compress = || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory cannot fail; an empty script would show.
        let _ = encoder.write_all(&plain());
        Bytes::from(encoder.finish().unwrap_or_default())
    };
    COMPRESSED.get_or_init(compress).clone()
}

pub(super) async fn script(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let accepted = request.headers().get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes_gzip = accepted.is_some_and(|accepted| accepted.contains("gzip"));
    let body = web::block(move || if takes_gzip { compressed() } else { plain() });
    let body = body.await.map_err(ApiError::internal)?;
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((CONTENT_TYPE, "text/javascript; charset=utf-8"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((VARY, "Accept-Encoding"))
        // It changes with a new version of this program alone.
        .insert_header((CACHE_CONTROL, "public, max-age=86400"));
    if takes_gzip {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(answer.body(body))
}
