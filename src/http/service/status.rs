//! `GET /status`: how the service and what it depends on do. Names no vendor.
//!
//! **Invariants.** It answers within two seconds whatever hangs. What it found answers for a
//! second, so that a public page cannot load what it looks at.

use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::show;
use crate::identity::Identity;
use crate::store::{Database, DbError};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web;
use bappy_actors::gateway::GatewayHandle;
use bappy_actors::model::Timestamp;
use bappy_actors::ports::Clock;
use moka::future::Cache;
use serde::Serialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use utoipa::ToSchema;

/// One look at a dependency takes at most this.
const LOOK: Duration = Duration::from_millis(1500);
/// What was found answers again for this long.
const FOUND_TTL: Duration = Duration::from_secs(1);

/// How the service does.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the contract's name of the field")]
pub struct Status {
    status: Overall,
    version: &'static str,
    uptime_seconds: u64,
    dependencies: Dependencies,
}

/// How something does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ServiceStatus)]
enum Overall {
    Operational,
    Degraded,
    Down,
}

/// What the service depends on.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Dependencies {
    database: Dependency,
    provider: Dependency,
    identity: Dependency,
}

/// Something the service depends on.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Dependency {
    status: Overall,
    /// How long it took to answer; null where it did not.
    latency_ms: Option<u64>,
    /// Null where it was never asked.
    #[serde(serialize_with = "show::at_or_null")]
    checked_at: Option<Timestamp>,
}

/// Looks at the dependencies.
pub struct StatusPage {
    database: Database,
    gateway: Arc<GatewayHandle>,
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    found: Cache<(), Arc<Status>>,
}

impl StatusPage {
    /// Looks run on `runtime`, so that who goes away never cuts one.
    pub fn new(
        database: Database,
        gateway: Arc<GatewayHandle>,
        identity: Arc<Identity>,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Arc<Self> {
        let found = Cache::builder().max_capacity(1).time_to_live(FOUND_TTL).build();
        Arc::new(Self { database, gateway, identity, clock, runtime, found })
    }

    async fn look(&self) -> Arc<Status> {
        let database = self.database.clone();
        let database = self.timed(async move {
            let mut tx = database.read().await?;
            crate::store::balances::ping(&mut tx).await?;
            Ok::<_, DbError>(())
        });
        let gateway = Arc::clone(&self.gateway);
        let provider = self.timed(async move {
            let mut permit =
                gateway.admit(NonZeroU32::MIN, LOOK).await.map_err(|error| error.to_string())?;
            let ping = permit.call(LOOK, |operator, token, timeout| async move {
                operator.ping(&token, timeout).await
            });
            ping.await.map_err(|error| format!("{error:?}"))
        });
        let (database, provider, identity) =
            tokio::join!(database, provider, self.identity.probe());
        let identity = Dependency {
            status: overall(identity.reachable == Some(true)),
            latency_ms: identity.latency_ms.filter(|_| identity.reachable == Some(true)),
            checked_at: identity.checked_at,
        };
        let is_up = |dependency: &Dependency| dependency.status == Overall::Operational;
        let status = match (is_up(&database), is_up(&provider) && is_up(&identity)) {
            (false, _) => Overall::Down,
            (true, false) => Overall::Degraded,
            (true, true) => Overall::Operational,
        };
        Arc::new(Status {
            status,
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: self.clock.elapsed().as_secs(),
            dependencies: Dependencies { database, provider, identity },
        })
    }

    async fn timed<E: std::fmt::Display + Send + 'static>(
        &self,
        look: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Dependency {
        let (started, checked_at) = (self.clock.elapsed(), self.clock.now());
        let looked = tokio::time::timeout(LOOK, self.runtime.spawn(look)).await;
        let is_up = match looked {
            Ok(Ok(Ok(()))) => true,
            Ok(Ok(Err(error))) => {
                tracing::debug!(%error, "a dependency does not answer well");
                false
            }
            Ok(Err(_)) | Err(_) => false,
        };
        let latency = self.clock.elapsed().saturating_sub(started).as_millis();
        Dependency {
            status: overall(is_up),
            latency_ms: is_up.then(|| u64::try_from(latency).unwrap_or(u64::MAX)),
            checked_at: Some(checked_at),
        }
    }
}

fn overall(is_up: bool) -> Overall {
    if is_up { Overall::Operational } else { Overall::Down }
}

/// How does the service do?
///
/// Needs no token. Looks at what the service depends on, at most once a second.
#[utoipa::path(
    get,
    path = "/status",
    operation_id = "getStatus",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "It works, perhaps not all of it.", body = Status),
        (status = 503, description = "It is down.", body = Status),
    ),
)]
pub(super) async fn status(api: web::Data<Api>) -> Result<Success<Status>, ApiError> {
    let page = Arc::clone(&api.status);
    // Who goes away leaves the look to those who wait for it too.
    let found = api.status.runtime.spawn(async move { page.found.get_with((), page.look()).await });
    let found = Status::clone(&*found.await.map_err(ApiError::internal)?);
    Ok(match found.status {
        Overall::Operational | Overall::Degraded => Success::new(found),
        Overall::Down => Success::with_status(StatusCode::SERVICE_UNAVAILABLE, found)
            // By then it has been looked at again.
            .header(header::RETRY_AFTER, HeaderValue::from_static("1")),
    })
}
