//! The whole core over the in-memory database and operator, on one thread in paused time.

use super::core::{Ports, services};
use super::environment::{SequentialIds, TestClock, epoch};
use super::fixtures::{Offered, caller, money, offer, org, plan};
use super::invariant::{assert_drained, assert_invariant};
use super::operator::{MemoryOperator, physical};
use super::script::Script;
use super::store::MemoryStore;
use actix::{Arbiter, ArbiterHandle, System};
use bappy_actors::Arbiters;
use bappy_actors::gateway::GatewayLimits;
use bappy_actors::model::{Answer, Cleanup, LinkId, OperationState, Timestamp};
use bappy_actors::operation::{
    AddPlans, CreateLink, OperationLimits, Operations, Resolver, Services, SmsSender,
};
use bappy_actors::ports::{Clock, Ids, Operator, Store};
use std::sync::Arc;
use std::time::Duration;

/// Runs a test on one thread, in paused time; whatever it started dies with it, as in a crash.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let system = System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
    });
    system.block_on(test)
}

pub fn arbiter() -> ArbiterHandle {
    Arbiter::current()
}

pub fn arbiters() -> Arbiters {
    Arbiters::new(arbiter(), [])
}

/// What outlives a process: the database and the operator.
#[derive(Clone)]
pub struct Outside {
    pub script: Script,
    pub store: MemoryStore,
    pub operator: MemoryOperator,
    pub ids: Arc<SequentialIds>,
}

impl Outside {
    /// An organization with 100 in its wallet and a physical card in its stock, three plans, and
    /// free cards at the operator.
    pub fn new() -> Self {
        let script = Script::default();
        let store = MemoryStore::new(script.clone());
        let operator = MemoryOperator::new(script.clone());
        {
            let mut data = store.data();
            data.add_wallet(org(1), money("100"));
            data.add_wallet(org(2), money("100"));
            for plan in [plan(1, "10"), plan(2, "20"), plan(3, "30")] {
                data.plans.insert(plan.id, plan);
            }
            data.add_sims(operator.state().sims[..200].to_vec());
            data.add_stock(org(1), physical(0));
        }
        Self { script, store, operator, ids: Arc::default() }
    }

    pub fn balance(&self) -> String {
        self.store.data().balance(org(1)).to_string()
    }

    #[track_caller]
    pub fn assert_invariant(&self) {
        assert_invariant(&self.store, &self.operator);
    }

    #[track_caller]
    pub fn assert_drained(&self) {
        assert_drained(&self.store, &self.operator);
    }

    /// Whether something is left for the resolver.
    pub fn has_open(&self) -> bool {
        self.store.data().operations.values().any(|stored| {
            stored.operation.state == OperationState::Pending
                || stored.operation.cleanup == Cleanup::Watching
        })
    }
}

/// A gateway whose rate is in nobody's way.
fn wide() -> GatewayLimits {
    GatewayLimits { rate_per_second: 10_000, ..GatewayLimits::default() }
}

/// One process over what is outside.
pub struct World {
    pub outside: Outside,
    pub clock: Arc<TestClock>,
    pub services: Arc<Services>,
    pub operations: Operations,
    pub resolver: Resolver,
    pub sender: SmsSender,
}

impl World {
    pub fn new() -> Self {
        Self::over(&Outside::new(), epoch())
    }

    pub fn with_gateway(limits: GatewayLimits) -> Self {
        Self::built(&Outside::new(), epoch(), limits, OperationLimits::default())
    }

    pub fn with_limits(limits: OperationLimits) -> Self {
        Self::built(&Outside::new(), epoch(), wide(), limits)
    }

    /// A process that starts at `wall`.
    pub fn over(outside: &Outside, wall: Timestamp) -> Self {
        Self::built(outside, wall, wide(), OperationLimits::default())
    }

    pub fn built(
        outside: &Outside,
        wall: Timestamp,
        gateway: GatewayLimits,
        limits: OperationLimits,
    ) -> Self {
        let outside = outside.clone();
        let clock = Arc::new(TestClock::starting_at(wall));
        let store: Arc<dyn Store> = Arc::new(outside.store.clone());
        let operator: Arc<dyn Operator> = Arc::new(outside.operator.clone());
        let time: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let ids = Arc::clone(&outside.ids) as Arc<dyn Ids>;
        let ports = Ports { store, offers: Arc::new(Offered), operator, clock: time, ids };
        let services = services(ports, gateway, limits);
        let operations = Operations::new(Arc::clone(&services), arbiters());
        let resolver = Resolver::new(Arc::clone(&services));
        let sender = SmsSender::new(Arc::clone(&services));
        Self { outside, clock, services, operations, resolver, sender }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs the resolver until nothing is left to do, at most `secs` of the clock's seconds.
    pub async fn resolve(&self, secs: u64) {
        let until = self.clock.elapsed() + Duration::from_secs(secs);
        while self.outside.has_open() && self.clock.elapsed() < until {
            let resolver = self.resolver.clone();
            // A round may die, as a process does.
            let _ = tokio::spawn(async move { resolver.round().await }).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Works through the queue of SMS until none is queued, at most `secs` of the clock's seconds.
    pub async fn send(&self, secs: u64) {
        let until = self.clock.elapsed() + Duration::from_secs(secs);
        while self.outside.has_open() && self.clock.elapsed() < until {
            let sender = self.sender.clone();
            // A round may die, as a process does.
            let _ = tokio::spawn(async move { sender.round().await }).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// A Link with its first plan.
    pub async fn link(&self) -> LinkId {
        let create = CreateLink { plan: offer(plan(1, "10")), name: None, iccid: None };
        match self.operations.create_link(caller(org(1)), create).await.result.unwrap() {
            Answer::LinkCreated { snapshot, .. } => snapshot.link.id,
            other => panic!("{other:?}"),
        }
    }

    pub fn add(link: LinkId, plans: usize) -> AddPlans {
        let all = [plan(1, "10"), plan(2, "20"), plan(3, "30")].map(offer);
        AddPlans { link, plans: all[..plans].to_vec() }
    }
}
