//! The service: its threads and its listener.
//!
//! **Invariant.** A stop goes from the outside in: no new connections, what runs ends, the
//! wallets are drained, the ledger's writers end, and only then the database is closed.

use super::actors::{Core, background, core, watch};
use super::{Parts, StartError, open_database, operator};
use crate::config::Config;
use crate::environment::SystemClock;
use crate::http::api::Api;
use crate::http::edge::{Edge, EdgeSettings};
use crate::http::fallback::not_found;
use crate::http::limits::{RequestLimits, ServerLimits, apply_server_limits};
use crate::http::links::{FastPath, LinkAnswers};
use crate::http::openapi;
use crate::http::rate_limit::RateLimits;
use crate::http::service::StatusPage;
use crate::http::tenant::Tenants;
use crate::identity::{self, Identity, IdentityConfig};
use crate::store::{Database, StoredOrganizations};
use crate::telemetry::{self, Threads};
use actix::{Arbiter, ArbiterHandle, System};
use actix_web::{App, HttpServer, web};
use bappy_actors::ports::{Clock, Operator, Store};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Budgets of organizations that are whole are looked for this often.
const SWEEP: Duration = Duration::from_secs(10);
/// What runs may take so long to end when the service stops.
const STOP_MAX: Duration = Duration::from_secs(30);
/// What is being written then may take so long to be answered.
const CLOSE_MAX: Duration = Duration::from_secs(12);
/// Connections that may wait to be accepted. By the standard library it is 128, and who comes beyond is
/// only heard when it calls again, a second later.
const BACKLOG: u32 = 1_024;

/// A service that serves.
pub struct Running {
    addr: SocketAddr,
    server: actix_web::dev::ServerHandle,
    core: Core,
    parts: Parts,
    thread: JoinHandle<()>,
    system: System,
}

/// Starts a service. It runs on the current tokio runtime and on threads of its own.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let required = config.required().map_err(|error| StartError(error.to_string()))?;
    let operator = operator(&required)?;
    let database = open_database(&config).await?;
    let clock = SystemClock::default();
    let identity = Identity::new(
        IdentityConfig {
            audience: config.identity.audience.clone(),
            organization_claim: config.identity.organization_claim.clone(),
            jwks_url: config.identity.jwks_url.as_ref().map(ToString::to_string),
            ..IdentityConfig::new(required.issuer.clone())
        },
        identity::http_client()
            .map_err(|error| StartError::because("the HTTP client cannot be set up", error))?,
        Arc::new(move || clock.now()),
    );
    let identity = identity.map_err(|error| StartError(error.to_string()))?;
    let listener = listen(config.listen)
        .map_err(|error| StartError::because(&format!("listen = {}", config.listen), error))?;
    let addr = listener
        .local_addr()
        .map_err(|error| StartError::because("the listener has no address", error))?;

    let (io, fees_enabled) = (Handle::current(), config.fees.enabled);
    let (tell, started) = oneshot::channel();
    let serve = move || serve(&config, database, identity, operator, listener, io, tell);
    let thread = thread::Builder::new()
        .name("bappy-system".to_owned())
        .spawn(serve)
        .map_err(|error| StartError::because("no thread could be started", error))?;
    let Served { server, core, parts, tenants, system } = started
        .await
        .map_err(|_| StartError("the service ended while it started".to_owned()))?
        .map_err(|error| StartError::because("the listener cannot be served", error))?;
    background(&core, fees_enabled);
    watch(&core, (parts.database.clone(), tenants));
    Ok(Running { addr, server, core, parts, thread, system })
}

/// Listens, with room for connections that are not accepted yet.
fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)?.into_std()
}

/// What the thread of the actix system has made.
struct Served {
    server: actix_web::dev::ServerHandle,
    core: Core,
    parts: Parts,
    tenants: Arc<Tenants>,
    system: System,
}

/// The thread of the actix system: actors and HTTP workers hang on it.
fn serve(
    config: &Config,
    database: Database,
    identity: Identity,
    operator: Arc<dyn Operator>,
    listener: TcpListener,
    io: Handle,
    tell: oneshot::Sender<Result<Served, std::io::Error>>,
) {
    let runner = System::new();
    runner.block_on(async {
        // The wallets and their batches' writers: from a commit's answer to the next commit no other
        // thread has to wake, on PostgreSQL.
        let (wallets, writers) = match arbiter().await {
            Ok(started) => started,
            Err(error) => {
                let _ = tell.send(Err(error));
                return System::current().stop();
            }
        };
        let parts = Parts::new(database, &writers);
        let organizations =
            StoredOrganizations::new(parts.database.clone(), Arc::clone(&parts.settings));
        let tenants = Arc::new(Tenants::new(Arc::new(identity), Arc::new(organizations)));
        let core = core(config, &parts, operator, wallets);
        let rate_limits = RateLimits::configured(&config.rate_limit, &parts.clock);
        if let Some(limits) = rate_limits.clone() {
            actix::spawn(forget_idle(limits));
        }
        let api = Arc::new(Api {
            database: parts.database.clone(),
            store: Arc::clone(&parts.store) as Arc<dyn Store>,
            operations: core.operations.clone(),
            links: Arc::clone(&core.links),
            link_answers: Arc::new(LinkAnswers::new(config.cache.entries_max)),
            clock: Arc::clone(&parts.clock),
            tenants: Arc::clone(&tenants),
            rate_limits,
            status: StatusPage::new(
                parts.database.clone(),
                Arc::clone(&core.gateway),
                Arc::clone(tenants.identity()),
                Arc::clone(&parts.clock),
                io,
            ),
            base_path: config.base_path.clone(),
            documented: openapi::Settings::of(config),
        });
        let (clock, ids) = (Arc::clone(&parts.clock), Arc::clone(&parts.ids));
        let edge = Edge::new(EdgeSettings {
            new_id: Arc::new(move || ids.next().to_string()),
            now: Arc::new(move || clock.now()),
            limits: RequestLimits::default(),
            fast_path: Some(FastPath::new(Arc::clone(&api))),
        });
        let server = HttpServer::new(move || {
            // Once on each worker's thread.
            actix::spawn(telemetry::watch_delay(Threads::Http));
            App::new()
                .wrap(edge.clone())
                .configure(|routes| api.configure(routes))
                .default_service(web::to(not_found))
        })
        .workers(config.workers)
        .shutdown_timeout(STOP_MAX.as_secs())
        .disable_signals();
        let listening = apply_server_limits!(ServerLimits::default(), server).listen(listener);
        match listening {
            Ok(server) => {
                let server = server.run();
                let handle = server.handle();
                actix::spawn(async {
                    if let Err(error) = server.await {
                        tracing::error!(%error, "the listener ended");
                    }
                });
                let system = System::current();
                let _ = tell.send(Ok(Served { server: handle, core, parts, tenants, system }));
            }
            Err(error) => {
                let _ = tell.send(Err(error));
                System::current().stop();
            }
        }
    });
    if let Err(error) = runner.run() {
        tracing::error!(%error, "the actors' system ended badly");
    }
}

/// Starts an arbiter; with the runtime that it drives.
pub async fn arbiter() -> std::io::Result<(ArbiterHandle, Handle)> {
    let arbiter = Arbiter::try_new()?.handle();
    let (tell, told) = oneshot::channel();
    arbiter.spawn(async {
        let _ = tell.send(Handle::current());
    });
    Ok((arbiter, told.await.map_err(std::io::Error::other)?))
}

/// Keeps the budgets of organizations that are quiet from piling up; ends with the system.
async fn forget_idle(limits: Arc<RateLimits>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        limits.forget_idle();
    }
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What works on the actors.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Stops: accepts nothing new, lets what runs end, drains the wallets, closes the database.
    pub async fn stop(self) {
        let until = tokio::time::Instant::now() + STOP_MAX;
        // What works by itself begins nothing more, however long answers are still being sent.
        self.core.stop.notify_waiters();
        self.server.stop(true).await;
        let drained = async {
            self.core.operations.drain().await;
            self.core.sms.drain().await;
            self.core.wallets.drain().await;
        };
        if tokio::time::timeout_at(until, drained).await.is_err() {
            tracing::warn!("operations still run; the next start brings them to their end");
        }
        // What is cut off then is looked up at the next start, as after a crash.
        if tokio::time::timeout(CLOSE_MAX, self.parts.store.close_ledger()).await.is_err() {
            tracing::warn!(
                "the database does not answer; the next start looks up what was written"
            );
        }
        self.system.stop();
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        self.parts.database.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::try_join_all;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn hundreds_of_connections_may_wait_to_be_accepted() {
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let at = listener.local_addr().unwrap();
        let connected = try_join_all((0..300).map(|_| TcpStream::connect(at)));
        let connected = tokio::time::timeout(Duration::from_mins(1), connected).await;
        assert_eq!(connected.unwrap().unwrap().len(), 300);
    }
}
