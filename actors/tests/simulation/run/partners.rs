//! Partners: they call one instance or another, hang up, come back with the same key, and hold the
//! platform to what it tells them.

use super::fleet::Fleet;
use super::history::Who;
use super::sim::Sim;
use super::told::{Answered, Attempt};
use super::wish::Wish;
use crate::support::fixtures::{org, usd};
use crate::support::wire::About;
use bappy_actors::model::RequestKey;
use bappy_actors::operation::Caller;
use std::sync::Arc;
use std::time::Duration;

/// How often one call is made under one key.
const TRIES_MAX: u64 = 4;

/// Calls until the time is over.
pub async fn partner(sim: Arc<Sim>, fleet: Arc<Fleet>, number: u8) {
    let work = sim.conditions.work;
    for call in 0.. {
        pause(&sim, work.pause_ms_max).await;
        if sim.elapsed() >= work.lasts {
            return;
        }
        let org = sim.draw(|draws| org(u128::from(draws.between(1, work.organizations))));
        let wish = {
            let data = sim.store.data();
            sim.draw(|draws| Wish::drawn(draws, &work.weights, org, &data))
        };
        let keyed = sim.draw(|draws| draws.chance(work.keyed));
        let key = keyed.then(|| format!("p{number}-{call}"));
        let tries = if keyed { TRIES_MAX } else { 1 };
        for _ in 0..tries {
            let attempt = Attempt::new(&sim, number, org, key.clone());
            let answered = ask(&sim, &fleet, &wish, &attempt).await;
            let is_open = matches!(answered, Answered::Cut) || answered.is_open();
            sim.answered(&attempt, answered);
            if !is_open || sim.draw(|draws| draws.chance(300)) {
                break;
            }
            pause(&sim, 3_000).await;
        }
    }
}

async fn pause(sim: &Sim, ms_max: u64) {
    let ms = sim.draw(|draws| draws.below(ms_max + 1));
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Makes a call, and waits for its end, the instance's, or until patience is over.
async fn ask(sim: &Arc<Sim>, fleet: &Fleet, wish: &Wish, attempt: &Attempt) -> Answered {
    let Some(process) = fleet.any(sim) else { return Answered::Cut };
    let who = Who::Partner(attempt.partner);
    sim.inner().figures.calls += 1;
    sim.note(who, "asks", || {
        let (number, key) = (attempt.number, attempt.key.as_deref().unwrap_or("no key"));
        let (whom, org) = (process.life.who, About::Wallet(attempt.org));
        format!("{whom} for {} (call {number}, {org}, {key})", wish.brief())
    });
    let key = attempt.key.clone();
    let key = key.map(|key| RequestKey { key, request_hash: attempt.tag() });
    let caller = Caller { org: attempt.org, currency: usd(), key };
    let hangs_up = sim.draw(|draws| {
        let hangs_up = draws.chance(sim.conditions.work.hang_up);
        hangs_up.then(|| Duration::from_millis(draws.below(5_000)))
    });
    let patience = async {
        match hangs_up {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = process.life.over() => Answered::Cut,
        ended = wish.clone().ask(sim, &process, caller) => {
            // What a process says at the moment it dies is not heard.
            if process.life.is_over() {
                return Answered::Cut;
            }
            ended.map_or(Answered::Nothing, Answered::Ended)
        }
        () = patience => Answered::Cut,
    }
}
