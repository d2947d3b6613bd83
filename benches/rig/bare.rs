//! The service and, beside it in the same process, a handler that answers the same bytes with no
//! work: what a read costs above what HTTP costs here anyway.

use crate::Failed;
use actix_web::{App, HttpResponse, HttpServer, web};
use bappy::app;
use bappy::config::{Config, Profile};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// Serves both until it is ended. What the bare one answers is put to `/answer` once.
pub async fn serve(listen: SocketAddr) -> Result<(), Failed> {
    let config = Config::load(&Profile::Service, None, std::env::vars())
        .map_err(|error| Failed(error.to_string()))?;
    let _log = bappy::telemetry::log(&config.log).map_err(|error| Failed(error.to_string()))?;
    let workers = config.workers;
    let _service = app::start(config).await?;
    let answer: Arc<OnceLock<Bytes>> = Arc::default();
    let server = move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&answer)))
            .route("/health", web::get().to(HttpResponse::Ok))
            .route("/answer", web::put().to(put))
            .route("/v1/links/{id}", web::get().to(get))
    };
    let run = move || {
        let server = HttpServer::new(server).workers(workers).bind(listen)?.run();
        actix_web::rt::System::new().block_on(server)
    };
    tokio::task::spawn_blocking(run).await??;
    Ok(())
}

type Bytes = web::Bytes;

async fn put(body: Bytes, answer: web::Data<OnceLock<Bytes>>) -> HttpResponse {
    let _ = answer.set(body);
    HttpResponse::Ok().finish()
}

async fn get(answer: web::Data<OnceLock<Bytes>>) -> HttpResponse {
    let body = answer.get().cloned().unwrap_or_default();
    HttpResponse::Ok().content_type("application/json").body(body)
}
