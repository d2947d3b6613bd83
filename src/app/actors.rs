//! The core: its actors, and what works on them beside the requests.

use super::Parts;
use crate::config::Config;
use crate::http::tenant::Tenants;
use crate::ledger_check::{LedgerCheck, LedgerCheckLimits};
use crate::store::planner_statistics;
use crate::store::ranks::Ranks;
use crate::store::{CachedOffers, Database};
use crate::telemetry::{self, Sampler, Threads};
use actix::{Arbiter, ArbiterHandle};
use bappy_actors::Arbiters;
use bappy_actors::billing::{FeeRun, MonthlyFees};
use bappy_actors::gateway::{BreakerLimits, GatewayHandle, GatewayLimits, SimPool};
use bappy_actors::link::{Expiry, LinkHandle, LinkLimits};
use bappy_actors::operation::{
    OperationLimits, Operations, Resolver, ResolverHandle, Services, SmsHandle, SmsSender,
};
use bappy_actors::ports::{FeeBook, Offers, Operator, Store};
use bappy_actors::wallet::{WalletHandle, WalletLimits};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Actors of idle wallets and Links are looked for this often.
const SWEEP: Duration = Duration::from_secs(10);

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
    pub(super) stop: Arc<Notify>,
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

/// Starts what runs beside the requests.
pub(super) fn background(core: &Core, fees_enabled: bool) {
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
pub(super) fn watch(core: &Core, (database, tenants): (Database, Arc<Tenants>)) {
    let clock = Arc::clone(&core.services.clock);
    let check = LedgerCheck::new(database.clone(), clock, LedgerCheckLimits::default());
    tokio::spawn(check.run(Arc::clone(&core.stop)));
    let ranks = Ranks {
        database: database.clone(),
        clock: Arc::clone(&core.services.clock),
        horizon: core.services.limits.horizon,
    };
    tokio::spawn(ranks.run(Arc::clone(&core.stop)));
    tokio::spawn(planner_statistics::keep(database.clone(), Arc::clone(&core.stop)));
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
