//! The composition root: the one file that knows every concrete type.
//!
//! [`start`] builds a service from its configuration and serves it on threads of its own;
//! [`Running`] is what the commands and the tests hold of it.
//!
//! **Invariant.** A stop goes from the outside in: no new connections, what runs ends, the
//! wallets are drained, the ledger's writers end, and only then the database is closed.

use crate::config::{Config, Required};
use crate::environment::{SystemClock, SystemIds};
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
use crate::ledger_check::{LedgerCheck, LedgerCheckLimits};
use crate::operator::{Measured, OperatorClient};
use crate::store::ranks::Ranks;
use crate::store::{CachedOffers, Database, Schema, Settings, SqlStore, StoredOrganizations, Wall};
use crate::telemetry::{self, Sampler, Threads};
use actix::{Arbiter, ArbiterHandle, System};
use actix_web::{App, HttpServer, web};
use bappy_actors::Arbiters;
use bappy_actors::billing::{FeeRun, MonthlyFees};
use bappy_actors::gateway::{BreakerLimits, GatewayHandle, GatewayLimits, SimPool};
use bappy_actors::link::{Expiry, LinkHandle, LinkLimits};
use bappy_actors::model::{Money, OrgId};
use bappy_actors::operation::{
    OperationLimits, Operations, Resolver, ResolverHandle, Services, SmsHandle, SmsSender,
};
use bappy_actors::ports::{
    Clock, CommitOutcome, FeeBook, Ids, Offers, Operator, Store, StoreError,
};
use bappy_actors::wallet::{Command, Refused, WalletHandle, WalletLimits, state};
use secrecy::ExposeSecret;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::TcpSocket;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

/// Actors of idle wallets and Links, and budgets that are whole, are looked for this often.
const SWEEP: Duration = Duration::from_secs(10);
/// What runs may take so long to end when the service stops.
const STOP_MAX: Duration = Duration::from_secs(30);

/// What is being written then may take so long to be answered.
const CLOSE_MAX: Duration = Duration::from_secs(12);
/// Connections that may wait to be accepted. By the standard library it is 128, and who comes beyond is
/// only heard when it calls again, a second later.
const BACKLOG: u32 = 1_024;

/// Why a service does not start: one sentence that names what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    fn because(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// What a service is made of, for the commands that work without listeners.
pub struct Parts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// The database.
    pub database: Database,
    /// When what was looked up in it has to be looked up again.
    pub settings: Arc<Settings>,
    /// The same as the core sees it.
    pub store: Arc<SqlStore>,
}

impl Parts {
    /// On a database, with the ledger's writers on this runtime.
    fn new(database: Database, writers: &Handle) -> Self {
        Self {
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(SystemIds::default()),
            settings: Arc::new(Settings::new(database.clone())),
            store: Arc::new(SqlStore::start_on(database.clone(), writers)),
            database,
        }
    }
}

/// Opens what a configuration speaks of, its database's schema up to date.
pub async fn open(config: &Config) -> Result<Parts, StartError> {
    Ok(Parts::new(open_database(config).await?, &Handle::current()))
}

async fn open_database(config: &Config) -> Result<Database, StartError> {
    let url = config.database.url.expose_secret();
    let connections_max = config.database.max_connections;
    let mut database = Database::open(url, connections_max, Handle::current())
        .await
        .map_err(|error| StartError::because("database.url", error))?;
    if config.database.migrate {
        database
            .migrate()
            .await
            .map_err(|error| StartError::because("the database cannot be migrated", error))?;
    }
    match database.schema().await {
        Ok(Schema::Current) => {}
        Ok(Schema::Behind) => {
            let sentence = "the database's schema is not up to date; run `bappy migrate`";
            return Err(StartError(sentence.to_owned()));
        }
        Ok(Schema::Foreign) => {
            let sentence = "the database's schema belongs to another version of this program";
            return Err(StartError(sentence.to_owned()));
        }
        Err(error) => return Err(StartError::because("the database cannot be read", error)),
    }
    if config.database.row_level_security {
        let wall = database
            .wall_tenants(config.database.migrate)
            .await
            .map_err(|error| StartError::because("row-level security cannot be set up", error))?;
        match wall {
            Wall::Up => tracing::info!("{wall}"),
            Wall::Absent(_) => tracing::warn!("{wall}"),
        }
    }
    Ok(database)
}

/// A client of the configured operator.
pub fn operator(required: &Required) -> Result<Arc<dyn Operator>, StartError> {
    let (url, username) = (required.operator_url.as_str(), required.operator_username.clone());
    let client = OperatorClient::new(url, username, required.operator_password.clone())
        .map_err(|error| StartError::because("operator.url", error))?;
    Ok(Arc::new(Measured(client)))
}

/// A service that serves.
pub struct Running {
    addr: SocketAddr,
    server: actix_web::dev::ServerHandle,
    core: Core,
    parts: Parts,
    thread: JoinHandle<()>,
    system: System,
}

/// The actors with what works on them.
pub struct Core {
    /// What charges, and changes Links.
    pub operations: Operations,
    /// Brings to its end what was left.
    pub resolver: Resolver,
    /// Hands SMS over.
    pub sms: SmsSender,
    /// Ends activations with their time.
    pub expiry: Expiry,
    /// The wallets.
    pub wallets: Arc<WalletHandle>,
    /// The Links.
    pub links: Arc<LinkHandle>,
    /// The way to the operator.
    pub gateway: Arc<GatewayHandle>,
    /// Charges the monthly fees.
    pub fees: FeeRun,
    /// What all of these work with.
    pub services: Arc<Services>,
    offers: Arc<CachedOffers>,
    stop: Arc<Notify>,
}

/// Starts the core's actors on arbiters of the current actix system, and the wallets on this one, where
/// the writers of a store may run too.
pub fn core(
    config: &Config,
    parts: &Parts,
    operator: Arc<dyn Operator>,
    wallets: ArbiterHandle,
) -> Core {
    // One thread of the core for each two cores; the listeners' workers have as much to do.
    let others = (1..config.workers.div_ceil(2)).map(|_| Arbiter::new().handle());
    let arbiters = Arbiters::new(Arbiter::new().handle(), others);
    let wallets = Arbiters::new(wallets, []);
    for arbiter in arbiters.all().chain(wallets.all()) {
        arbiter.spawn(telemetry::watch_delay(Threads::Actors));
    }
    let store: Arc<dyn Store> = Arc::clone(&parts.store) as Arc<dyn Store>;
    let clock = Arc::clone(&parts.clock);
    let gateway = GatewayHandle::new(
        operator,
        Arc::clone(&clock),
        arbiters.shared().clone(),
        gateway_limits(config),
    );
    let wallets = Arc::new(WalletHandle::new(
        Arc::clone(&store),
        Arc::clone(&clock),
        wallets,
        WalletLimits::default(),
    ));
    let links = Arc::new(LinkHandle::new(
        Arc::clone(&store),
        Arc::clone(&gateway),
        Arc::clone(&clock),
        arbiters.clone(),
        LinkLimits {
            usage_ttl: config.cache.usage_ttl,
            status_ttl: config.cache.status_ttl,
            entries_max: config.cache.entries_max,
            ..LinkLimits::default()
        },
    ));
    let sims = SimPool::new(Arc::clone(&store), Arc::clone(&gateway), Arc::clone(&clock));
    let resolver = ResolverHandle::default();
    let fees = fee_run(config, parts, Arc::clone(&wallets), resolver.clone());
    let expiry = Expiry::new(Arc::clone(&store), Arc::clone(&clock));
    let offers = Arc::new(CachedOffers::new(parts.database.clone(), Arc::clone(&parts.settings)));
    let services = Arc::new(Services {
        store,
        offers: Arc::clone(&offers) as Arc<dyn Offers>,
        clock,
        ids: Arc::clone(&parts.ids),
        wallets: Arc::clone(&wallets),
        gateway: Arc::clone(&gateway),
        links: Arc::clone(&links),
        sims,
        resolver,
        sms: SmsHandle::default(),
        limits: OperationLimits {
            deadline: config.operator.deadline,
            horizon: config.operator.horizon,
            ..OperationLimits::default()
        },
    });
    let resolver = Resolver::new(Arc::clone(&services));
    let sender = SmsSender::new(Arc::clone(&services));
    let operations = Operations::new(Arc::clone(&services), arbiters);
    Core {
        operations,
        resolver,
        sms: sender,
        expiry,
        wallets,
        links,
        gateway,
        fees,
        services,
        offers,
        stop: Arc::default(),
    }
}

/// What charges the monthly fees through these wallets.
pub fn fee_run(
    config: &Config,
    parts: &Parts,
    wallets: Arc<WalletHandle>,
    resolver: ResolverHandle,
) -> FeeRun {
    FeeRun {
        book: Arc::clone(&parts.store) as Arc<dyn FeeBook>,
        store: Arc::clone(&parts.store) as Arc<dyn Store>,
        wallets,
        clock: Arc::clone(&parts.clock),
        ids: Arc::clone(&parts.ids),
        resolver,
        horizon: config.operator.horizon,
    }
}

fn gateway_limits(config: &Config) -> GatewayLimits {
    let (operator, breaker) = (&config.operator, &config.operator.breaker);
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    GatewayLimits {
        rate_per_second: operator.rate_per_second,
        concurrency_max: operator.concurrency_max,
        call_timeout: operator.call_timeout,
        breaker: BreakerLimits {
            window_calls: count(breaker.window_calls),
            failure_rate_percent: count(breaker.failure_rate_percent),
            slow_call: breaker.slow_call,
            slow_rate_percent: count(breaker.slow_rate_percent),
            calls_min: count(breaker.calls_min),
            open: breaker.open,
            half_open_calls: count(breaker.half_open_calls),
            ..BreakerLimits::default()
        },
        ..GatewayLimits::default()
    }
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
async fn arbiter() -> std::io::Result<(ArbiterHandle, Handle)> {
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

/// Starts what runs beside the requests.
fn background(core: &Core, fees_enabled: bool) {
    if fees_enabled {
        tokio::spawn(MonthlyFees::new(core.fees.clone()).run(Arc::clone(&core.stop)));
    }
    tokio::spawn(core.resolver.clone().run(Arc::clone(&core.stop)));
    core.sms.start(Arc::clone(&core.stop));
    tokio::spawn(core.expiry.clone().run(Arc::clone(&core.stop)));
    let (wallets, links) = (Arc::clone(&core.wallets), Arc::clone(&core.links));
    let stop = Arc::clone(&core.stop);
    tokio::spawn(async move {
        let mut stopped = std::pin::pin!(stop.notified());
        loop {
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(SWEEP) => {}
            }
            wallets.drop_idle();
            links.drop_idle();
        }
    });
}

/// Starts what watches the service while it runs.
fn watch(core: &Core, (database, tenants): (Database, Arc<Tenants>)) {
    let clock = Arc::clone(&core.services.clock);
    let check = LedgerCheck::new(database.clone(), clock, LedgerCheckLimits::default());
    tokio::spawn(check.run(Arc::clone(&core.stop)));
    let ranks = Ranks {
        database: database.clone(),
        clock: Arc::clone(&core.services.clock),
        horizon: core.services.limits.horizon,
    };
    tokio::spawn(ranks.run(Arc::clone(&core.stop)));
    let sampler = Sampler {
        database,
        fees: Arc::clone(&core.fees.book),
        services: Arc::clone(&core.services),
        offers: Arc::clone(&core.offers),
        tenants,
    };
    tokio::spawn(sampler.run(Arc::clone(&core.stop)));
    tokio::spawn(telemetry::watch_delay(Threads::Runtime));
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
        self.server.stop(true).await;
        self.core.stop.notify_waiters();
        let drained = async {
            self.core.operations.drain().await;
            self.core.sms.drain().await;
            self.core.wallets.drain().await;
        };
        if tokio::time::timeout(STOP_MAX, drained).await.is_err() {
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

/// Why money was not paid in or corrected.
#[derive(Debug, thiserror::Error)]
pub enum CreditError {
    /// The wallet refuses it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The reference was used for an earlier credit.
    #[error("the reference was used for an earlier credit; nothing was changed")]
    ReferenceTaken,
    /// The database is away, or was lost in between.
    #[error("{0}")]
    Database(#[from] StoreError),
    /// The organization has no wallet.
    #[error("there is no such wallet")]
    NoWallet,
}

/// Pays money in, or corrects a balance, beside whatever holds the wallet; says what is in it then.
pub async fn credit(parts: &Parts, org: OrgId, credit: Command) -> Result<Money, CreditError> {
    loop {
        let wallet = parts.store.wallet(org).await?.ok_or(CreditError::NoWallet)?;
        let decided = state::decide(org, wallet, [&credit], parts.clock.now());
        for verdict in decided.verdicts {
            verdict?;
        }
        let balance = decided.batch.balance;
        match parts.store.commit(decided.batch).await? {
            CommitOutcome::Committed => return Ok(balance),
            // The service, or another command, was faster: decide again on what is there now.
            CommitOutcome::Stale => {}
            CommitOutcome::Guarded(_) => return Err(CreditError::ReferenceTaken),
        }
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
