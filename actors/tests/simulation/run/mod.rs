//! One run: partners, instances and a storm, by a seed, until everything has come to rest.
//!
//! All of it runs on one thread, in tokio's paused time: what happens next depends on the seed and
//! on nothing else. What is real is the core; what is around it is modelled.

macro_rules! ensure {
    ($holds:expr, $($sentence:tt)+) => {
        if !$holds {
            return Err(format!($($sentence)+));
        }
    };
}

mod checks;
mod conditions;
mod faults;
mod figures;
mod fleet;
mod history;
mod life;
mod partners;
mod process;
mod sim;
mod told;
mod weather;
mod wires;
mod wish;

pub use figures::Figures;

use crate::support::draws::Draws;
use crate::support::fixtures::{money, org, plan};
use crate::support::invariant;
use crate::support::operator::{MemoryOperator, physical};
use crate::support::script::Script;
use crate::support::store::MemoryStore;
use crate::support::world;
use bappy_actors::model::{Cleanup, OperationKind, OperationState};
use figures::Figures as Counted;
use fleet::Fleet;
use futures_util::future::join_all;
use sim::Sim;
use std::sync::Arc;
use std::time::Duration;

/// So long after the storm what is late because of it may still be late.
const AFTERMATH: Duration = Duration::from_secs(45);

/// What was sent to the database takes effect this late at most.
const STORE_LATE_MAX: Duration = Duration::from_secs(35);

/// How a run ended.
pub struct Ended {
    pub seed: u64,
    /// What was found to be broken.
    pub broken: Option<String>,
    pub figures: Figures,
    /// A hash over all that happened, and how much that was.
    pub digest: (u64, u64),
    /// All that happened, where it was asked for.
    pub history: String,
}

/// Runs a seed; with `text`, so that its history can be read.
pub fn run(seed: u64, text: bool) -> Ended {
    world::run(async {
        let sim = prepare(seed, text);
        let body = async {
            if let Err(broken) = play(&sim).await {
                sim.fail(broken);
            }
        };
        tokio::select! {
            biased;
            () = sim.until_broken() => {}
            () = body => {}
        }
        finish(seed, &sim)
    })
}

fn prepare(seed: u64, text: bool) -> Arc<Sim> {
    let script = Script::default();
    let (store, operator) = (MemoryStore::new(script.clone()), MemoryOperator::new(script));
    let sim = Sim::new(Draws::new(seed), text, store, operator);
    let mut data = sim.store.data();
    let balance = money(&sim.conditions.work.balance.to_string());
    for n in 1..=2 {
        data.add_wallet(org(n), balance);
    }
    for (number, price) in wish::PLANS {
        let plan = plan(number, price);
        data.plans.insert(plan.id, plan);
    }
    for n in 0..3 {
        data.add_stock(org(1), physical(n));
    }
    drop(data);
    sim.check(|checks, data, _| checks.entries(Duration::ZERO, data));
    sim
}

/// From the first call until everything is at rest.
async fn play(sim: &Arc<Sim>) -> Result<(), String> {
    let fleet = Fleet::start(sim);
    tokio::spawn(weather::deliver(Arc::clone(sim)));
    let weather = tokio::spawn(weather::weather(Arc::clone(sim), Arc::clone(&fleet)));
    let partners = (0..sim.conditions.work.partners).map(|number| {
        let number = u8::try_from(number).unwrap();
        tokio::spawn(partners::partner(Arc::clone(sim), Arc::clone(&fleet), number))
    });
    let partners = join_all(partners.collect::<Vec<_>>());
    for partner in partners.await {
        partner.map_err(|error| format!("a partner failed: {error}"))?;
    }
    weather.await.map_err(|error| format!("the weather failed: {error}"))?;
    sim.note(history::Who::World, "partners are done", String::new);
    come_to_rest(sim).await?;
    let (data, state) = (sim.store.data(), sim.operator.state());
    invariant::at_rest(&data, &state)?;
    sim.inner().told.at_rest(&data)
}

/// Waits until nothing is open and nothing is under way that could change it.
async fn come_to_rest(sim: &Sim) -> Result<(), String> {
    let conditions = &sim.conditions;
    // Who stands still when the storm ends notices that later.
    let calm_from = conditions.calm_from + conditions.freeze_max;
    let landed = calm_from + conditions.late_max.max(STORE_LATE_MAX);
    let horizon = conditions.limits.horizon;
    let drained_by = sim.elapsed().max(calm_from) + AFTERMATH + 5 * horizon;
    while !is_at_rest(sim, landed, drained_by)? {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Whether nothing is open, and what was under way has landed; an error where that is overdue.
fn is_at_rest(sim: &Sim, landed: Duration, drained_by: Duration) -> Result<bool, String> {
    let now = sim.elapsed();
    let calm_from = sim.conditions.calm_from + sim.conditions.freeze_max;
    let data = sim.store.data();
    if now >= calm_from + AFTERMATH
        && let Some(late) = sim.inner().checks.late(now, &data)
    {
        return Err(format!("not final past its horizon: {late:?}"));
    }
    let open = data.operations.values().find(|stored| {
        let operation = &stored.operation;
        let to_be_looked_at =
            stored.lease_until.is_some() && operation.kind != OperationKind::SendSms;
        operation.state == OperationState::Pending
            || operation.cleanup == Cleanup::Watching
            || to_be_looked_at
    });
    match open {
        Some(open) if now >= drained_by => Err(format!("not drained: {:?}", open.operation)),
        open => Ok(open.is_none() && now >= landed),
    }
}

fn finish(seed: u64, sim: &Sim) -> Ended {
    let (data, state) = (sim.store.data(), sim.operator.state());
    let mut inner = sim.inner();
    let inner = &mut *inner;
    let mut figures = Counted::default();
    std::mem::swap(&mut figures, &mut inner.figures);
    figures.ended(&data, &state, &inner.checks);
    let history = std::mem::replace(&mut inner.history, history::History::new(false));
    let digest = history.digest();
    figures.events = digest.1;
    figures.seconds = sim.elapsed().as_secs();
    let broken = inner.broken.clone();
    figures.broken = u64::from(broken.is_some());
    Ended { seed, broken, figures, digest, history: history.text() }
}
