//! One instance: the core put together over its wires, with the loops that a service runs beside it.

use super::history::Who;
use super::life::Life;
use super::sim::Sim;
use super::wires::Wires;
use crate::support::core::{Ports, services};
use crate::support::environment::TestClock;
use crate::support::environment::epoch;
use crate::support::world::arbiters;
use async_trait::async_trait;
use bappy_actors::billing::FeeRun;
use bappy_actors::gateway::BreakerState;
use bappy_actors::model::{OrgId, Plan, PlanId};
use bappy_actors::operation::{Operations, Resolver, Services, SmsSender};
use bappy_actors::ports::{Clock, Ids, Offers, Store, StoreError};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// The breaker is looked at this often, to count how often it opens.
const LOOK: Duration = Duration::from_secs(1);

/// A process that runs.
#[derive(Clone)]
pub struct Process {
    pub life: Arc<Life>,
    pub services: Arc<Services>,
    pub operations: Operations,
    pub fees: FeeRun,
    sender: SmsSender,
    stop: Arc<Notify>,
    /// What runs by itself.
    loops: Arc<Vec<JoinHandle<()>>>,
}

impl Process {
    /// Starts the process at a place for the `life`th time.
    pub fn start(sim: &Arc<Sim>, place: u8, life: u8) -> Self {
        let who = Who::Instance(place, life);
        let life = Arc::new(Life::new(who, sim.elapsed()));
        let wires = Wires { sim: Arc::clone(sim), life: Arc::clone(&life) };
        let skew_ms = i64::try_from(sim.conditions.skew.as_millis()).unwrap();
        let ahead_ms = sim.draw(|draws| draws.between(0, 2 * skew_ms.unsigned_abs()));
        let ahead = TimeDelta::milliseconds(i64::try_from(ahead_ms).unwrap() - skew_ms);
        let wall = epoch() + sim.elapsed() + ahead;
        sim.note(who, "started", || format!("its clock is ahead by {ahead}"));
        let clock: Arc<dyn Clock> = Arc::new(TestClock::starting_at(wall));
        let store = Arc::new(sim.store.over(Arc::new(wires.clone())));
        let ports = Ports {
            store: Arc::clone(&store) as Arc<dyn Store>,
            offers: Arc::new(Offered(Arc::clone(sim))),
            operator: Arc::new(sim.operator.over(Arc::new(wires))),
            ids: Arc::new(SeededIds { sim: Arc::clone(sim), clock: Arc::clone(&clock) }),
            clock,
        };
        let services = services(ports, sim.conditions.gateway, sim.conditions.limits);
        let operations = Operations::new(Arc::clone(&services), arbiters());
        let fees = FeeRun {
            book: store,
            store: Arc::clone(&services.store),
            wallets: Arc::clone(&services.wallets),
            clock: Arc::clone(&services.clock),
            ids: Arc::clone(&services.ids),
            resolver: services.resolver.clone(),
            horizon: services.limits.horizon,
        };
        let sender = SmsSender::new(Arc::clone(&services));
        let stop = Arc::new(Notify::new());
        let loops = Arc::new(vec![
            tokio::spawn(Resolver::new(Arc::clone(&services)).run(Arc::clone(&stop))),
            tokio::spawn(sender.clone().run(Arc::clone(&stop))),
            tokio::spawn(look_after(Arc::clone(sim), Arc::clone(&life), Arc::clone(&services))),
        ]);
        Self { life, services, operations, fees, sender, stop, loops }
    }

    /// Stops as a service does: what runs ends, and nothing is lost.
    pub async fn stop(&self) {
        self.stop.notify_waiters();
        self.operations.drain().await;
        self.sender.drain().await;
        self.services.wallets.drain().await;
        self.life.end();
    }

    /// Frees what a process that is over still holds.
    pub fn bury(&self) {
        for running in self.loops.iter() {
            running.abort();
        }
    }
}

/// Lets idle actors go, and counts how often the breaker opens.
async fn look_after(sim: Arc<Sim>, life: Arc<Life>, services: Arc<Services>) {
    let mut before = None;
    loop {
        tokio::time::sleep(LOOK).await;
        life.goes_on().await;
        let now = services.gateway.breaker().await;
        if now == Some(BreakerState::Open) && now != before {
            sim.inner().figures.breaker_openings += 1;
            sim.note(life.who, "breaker opens", String::new);
        }
        before = now;
        services.wallets.drop_idle();
        services.links.drop_idle();
    }
}

/// All plans are everybody's.
struct Offered(Arc<Sim>);

#[async_trait]
impl Offers for Offered {
    async fn plan(&self, _: OrgId, id: PlanId) -> Result<Option<Arc<Plan>>, StoreError> {
        Ok(self.0.store.data().plans.get(&id).cloned().map(Arc::new))
    }
}

/// Ids as a process makes them: later ones after earlier ones by its own clock.
struct SeededIds {
    sim: Arc<Sim>,
    clock: Arc<dyn Clock>,
}

impl Ids for SeededIds {
    fn next(&self) -> Uuid {
        let ms = u64::try_from(self.clock.now().timestamp_millis()).unwrap();
        let mut inner = self.sim.inner();
        inner.ids += 1;
        let (count, random) = (inner.ids, inner.draws.next());
        let tail = (u128::from(count) << 32) | u128::from(random & 0xFFFF_FFFF);
        let mut bytes = [0; 10];
        bytes.copy_from_slice(&tail.to_be_bytes()[6..]);
        uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid()
    }
}
