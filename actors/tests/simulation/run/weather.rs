//! What happens around the instances while the storm lasts: they are frozen and stopped, operator and
//! database are away, cards and money come and go.

use super::fleet::Fleet;
use super::history::Who;
use super::life::Life;
use super::sim::Sim;
use crate::support::fixtures::{PRICE_PER_LINK, money, org};
use bappy_actors::ports::{Payer, SmsState};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Duration;

/// The months that fees are charged for: later ones than that in which the Links are made.
const MONTHS: [&str; 2] = ["2025-07", "2025-08"];

/// What is away as a whole, and how often over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outages {
    pub operator: u32,
    pub store: u32,
}

/// The longest that the operator or the database is away.
const OUTAGE_MAX: Duration = Duration::from_secs(20);

/// What runs may take so long to end when a service stops.
const STOP_MAX: Duration = Duration::from_secs(30);

/// Runs until the storm is over.
pub async fn weather(sim: Arc<Sim>, fleet: Arc<Fleet>) {
    let events = sim.conditions.events;
    let mut all: Vec<tokio::task::JoinHandle<()>> = Vec::new();
    for _ in 0..events.freezes {
        all.push(tokio::spawn(stand_still(Arc::clone(&sim), Arc::clone(&fleet))));
    }
    for _ in 0..events.stops {
        all.push(tokio::spawn(stop(Arc::clone(&sim), Arc::clone(&fleet))));
    }
    for _ in 0..events.operator_outages {
        all.push(tokio::spawn(outage(Arc::clone(&sim), "operator", |o| &mut o.operator)));
    }
    for _ in 0..events.store_outages {
        all.push(tokio::spawn(outage(Arc::clone(&sim), "database", |o| &mut o.store)));
    }
    for _ in 0..events.expiries {
        all.push(tokio::spawn(expire(Arc::clone(&sim))));
    }
    for number in 0..events.strangers {
        all.push(tokio::spawn(stranger(Arc::clone(&sim), number)));
    }
    for _ in 0..events.credits {
        all.push(tokio::spawn(credit(Arc::clone(&sim))));
    }
    for _ in 0..events.fee_runs {
        all.push(tokio::spawn(charge_fees(Arc::clone(&sim), Arc::clone(&fleet))));
    }
    join_all(all).await;
}

/// Some time while the storm lasts.
async fn some_time(sim: &Sim) {
    let ms_max = u64::try_from(sim.conditions.calm_from.as_millis()).unwrap();
    let ms = sim.draw(|draws| draws.below(ms_max));
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn up_to(sim: &Sim, most: Duration) -> Duration {
    let ms_max = u64::try_from(most.as_millis()).unwrap();
    Duration::from_millis(sim.draw(|draws| draws.between(1, ms_max)))
}

async fn stand_still(sim: Arc<Sim>, fleet: Arc<Fleet>) {
    some_time(&sim).await;
    let Some(process) = fleet.any(&sim).filter(|process| process.life.is_running()) else { return };
    freeze(&sim, &process.life);
}

/// Has a process stand still from now on, for a while.
pub fn freeze(sim: &Arc<Sim>, life: &Arc<Life>) {
    let (sim, life) = (Arc::clone(sim), Arc::clone(life));
    let most = sim.conditions.freeze_max;
    let time = sim.draw(|draws| draws.pick(&[most, most, most / 5]));
    let time = life.freeze(up_to(&sim, time).max(time / 2), most);
    sim.note(life.who, "stands still", || format!("for {time:?}"));
    sim.inner().figures.freezes += 1;
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        life.thaw();
        sim.note(life.who, "goes on", String::new);
    });
}

async fn stop(sim: Arc<Sim>, fleet: Arc<Fleet>) {
    some_time(&sim).await;
    let Some(process) = fleet.any(&sim) else { return };
    sim.note(process.life.who, "is stopped", String::new);
    sim.inner().figures.stops += 1;
    let stopped = tokio::time::timeout(STOP_MAX, process.stop()).await;
    sim.note(process.life.who, "has stopped", || format!("in time: {}", stopped.is_ok()));
    process.life.end();
}

async fn outage(sim: Arc<Sim>, of: &'static str, which: fn(&mut Outages) -> &mut u32) {
    some_time(&sim).await;
    sim.note(Who::World, "away", || of.to_owned());
    *which(&mut sim.inner().outages) += 1;
    let time = up_to(&sim, OUTAGE_MAX);
    tokio::time::sleep(time).await;
    *which(&mut sim.inner().outages) -= 1;
    sim.note(Who::World, "back", || of.to_owned());
}

async fn expire(sim: Arc<Sim>) {
    some_time(&sim).await;
    sim.note(Who::World, "sessions end", String::new);
    sim.operator.expire_session();
}

/// Another customer of the operator's takes one of the next cards.
async fn stranger(sim: Arc<Sim>, number: u64) {
    some_time(&sim).await;
    let card = sim.draw(|draws| draws.below(30));
    let mut state = sim.operator.state();
    let iccid = state.sims[usize::try_from(card).unwrap()].iccid.clone();
    let taken = state.create(&iccid, "another plan", &format!("stranger-{number}")).is_ok();
    drop(state);
    sim.note(Who::World, "a stranger takes", || format!("{iccid}: {taken}"));
}

async fn credit(sim: Arc<Sim>) {
    some_time(&sim).await;
    let (whose, amount) = sim.draw(|draws| (draws.between(1, 2), draws.pick(&["5", "20", "100"])));
    let whose = org(u128::from(whose));
    sim.store.data().credit_elsewhere(whose, money(amount));
    sim.note(Who::World, "credit", || format!("{amount} for {whose}"));
    let now = sim.elapsed();
    sim.check(|checks, data, _| checks.entries(now, data));
}

/// Charges the monthly fees of an organization's Links, as the first of a month does, or a command.
async fn charge_fees(sim: Arc<Sim>, fleet: Arc<Fleet>) {
    some_time(&sim).await;
    let Some(process) = fleet.any(&sim) else { return };
    let (whose, month) = sim.draw(|draws| (draws.between(1, 2), draws.pick(&MONTHS)));
    let payer = Payer { org: org(u128::from(whose)), price_per_link: PRICE_PER_LINK };
    let fees = process.fees.clone();
    let run = async move { fees.charge(payer, month.parse().unwrap(), |_| {}).await };
    let tally = tokio::select! {
        biased;
        () = process.life.over() => return,
        // What panics in it ends one run.
        tally = tokio::spawn(run) => tally,
    };
    sim.note(process.life.who, "charged fees", || format!("{month}: {tally:?}"));
}

/// Messages arrive, or cannot be delivered, for as long as anybody wants to know.
pub async fn deliver(sim: Arc<Sim>) {
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut state = sim.operator.state();
        let under_way = state.messages.iter_mut().filter(|m| m.report.state == SmsState::Accepted);
        for message in under_way {
            message.report.state = sim.draw(|draws| {
                draws.pick(&[SmsState::Accepted, SmsState::Delivered, SmsState::Failed])
            });
        }
    }
}
