//! The plain handler: a top-up as it is usually written. Only for comparison.
//!
//! It does what the service does for the partner: checks the token, the plan, the Link and the
//! balance, calls the same operator by the same client, and writes the ledger entry and the
//! activation. The wallet's row is locked, the debit and the settlement are a transaction of their
//! own each, no lock is held over the operator's call. It writes less than the service: no record
//! of the operation, no totals, and it would lose money in a crash.

mod topup;

use crate::Failed;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bappy::app;
use bappy::config::{Config, Profile};
use bappy::environment::SystemIds;
use bappy::http::edge::{Edge, EdgeSettings};
use bappy::http::limits::RequestLimits;
use bappy::http::tenant::{Authenticate, Tenants};
use bappy::identity::{Identity, IdentityConfig, http_client};
use bappy::store::StoredOrganizations;
use bappy_actors::ports::{AccessToken, Clock, Operator};
use secrecy::ExposeSecret;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A usual size of a pool.
const CONNECTIONS: u32 = 20;
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the handler works with.
pub struct Plain {
    pub pool: PgPool,
    pub operator: Arc<dyn Operator>,
    pub session: AccessToken,
    pub clock: Arc<dyn Clock>,
    pub ids: SystemIds,
}

/// What the load tool asks before and after, which is not measured, the real service answers.
async fn forward(
    request: HttpRequest,
    body: web::Bytes,
    client: web::Data<reqwest::Client>,
) -> Result<HttpResponse, Box<dyn std::error::Error>> {
    let service = std::env::var("RIG_SERVICE")?;
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())?;
    let mut forwarded = client.request(method, format!("http://{service}{}", request.uri()));
    for name in ["authorization", "content-type"] {
        if let Some(value) = request.headers().get(name) {
            forwarded = forwarded.header(name, value.as_bytes());
        }
    }
    let answer = forwarded.body(body).send().await?;
    let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16())?;
    Ok(HttpResponse::build(status).content_type("application/json").body(answer.bytes().await?))
}

/// Serves until it is ended.
pub async fn serve(listen: SocketAddr) -> Result<(), Failed> {
    let config = Config::load(&Profile::Service, None, std::env::vars())
        .map_err(|error| Failed(error.to_string()))?;
    let _log = bappy::telemetry::log(&config.log).map_err(|error| Failed(error.to_string()))?;
    let required = config.required().map_err(|error| Failed(error.to_string()))?;
    let operator = app::operator(&required)?;
    let session =
        operator.login(CALL_TIMEOUT).await.map_err(|error| Failed(format!("{error:?}")))?;
    let parts = app::open(&config).await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(Duration::from_secs(30))
        .connect(config.database.url.expose_secret())
        .await?;
    let clock = parts.clock.clone();
    let now = clock.clone();
    let identity = Identity::new(
        IdentityConfig::new(required.issuer.clone()),
        http_client()?,
        Arc::new(move || now.now()),
    )
    .map_err(|error| Failed(error.to_string()))?;
    let organizations =
        Arc::new(StoredOrganizations::new(parts.database.clone(), Arc::clone(&parts.settings)));
    let tenants = Arc::new(Tenants::new(Arc::new(identity), organizations));
    let plain = web::Data::new(Plain { pool, operator, session, clock, ids: SystemIds::default() });
    let edge = Edge::new(EdgeSettings {
        new_id: Arc::new(move || parts.ids.next().to_string()),
        now: Arc::new(move || parts.clock.now()),
        limits: RequestLimits::default(),
        fast_path: None,
    });
    let http = http_client()?;
    HttpServer::new(move || {
        App::new()
            .wrap(edge.clone())
            .app_data(plain.clone())
            .route("/health", web::get().to(HttpResponse::Ok))
            .service(
                web::resource("/v1/links/{id}/plans")
                    .wrap(Authenticate::new(tenants.clone()))
                    .route(web::put().to(topup::topup)),
            )
            .app_data(web::Data::new(http.clone()))
            .default_service(web::to(forward))
    })
    .workers(config.workers)
    .bind(listen)?
    .run()
    .await?;
    Ok(())
}
