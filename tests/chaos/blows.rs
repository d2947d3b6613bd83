//! What befalls the services, their network and the operator, and when: a seed decides, by the
//! number of calls that are answered.

use super::Parameters;
use super::random::Random;
use super::wire::{Trouble, Wire, some_trouble};
use crate::load::Load;
use crate::lossy::lossy;
use crate::process::Process;
use crate::world::{Service, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// So long after it was sent a slow call takes effect; it is answered as long after that. A call
/// that is sent at the deadline lands three seconds before the horizon.
const LANDS_AFTER: Duration = Duration::from_secs(3);

/// What has happened so far, and how often.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, usize>>);

impl Tally {
    pub fn add(&self, what: &'static str) {
        *self.0.lock().unwrap().entry(what).or_default() += 1;
    }

    pub fn all(&self) -> BTreeMap<&'static str, usize> {
        self.0.lock().unwrap().clone()
    }

    pub fn of(&self, what: &str) -> usize {
        self.0.lock().unwrap().get(what).copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy)]
enum Blow {
    Kill,
    Stop,
    Terminate,
    Network,
    Slow,
    OperatorFaults,
    OperatorKill,
}

/// So many blows of each kind at random moments of the whole, in order.
fn moments(counts: &[(Blow, usize)], calls: usize, random: &mut Random) -> Vec<(usize, Blow)> {
    let mut blows: Vec<_> =
        counts.iter().flat_map(|&(blow, count)| std::iter::repeat_n(blow, count)).collect();
    random.shuffle(&mut blows);
    // The last calls are left in peace, so that all blows fall.
    let mut at: Vec<_> = blows.iter().map(|_| random.below(calls * 49 / 50)).collect();
    at.sort_unstable();
    at.into_iter().zip(blows).collect()
}

/// Strikes a service until all its blows have fallen; it serves in the end.
pub async fn on_service(
    place: usize,
    service: &mut Service,
    world: &World,
    load: &Load<'_>,
    parameters: &Parameters,
    tally: &Tally,
) {
    let mut random = Random::stream(parameters.seed, 1 + place as u64);
    let kills = (parameters.kills + 1 - place) / 2;
    let counts = [
        (Blow::Kill, kills),
        (Blow::Stop, kills.div_ceil(8)),
        (Blow::Terminate, kills.div_ceil(16)),
    ];
    for (at, blow) in moments(&counts, parameters.operations, &mut random) {
        load.reaches(at).await;
        tokio::time::sleep(random.millis(0, 50)).await;
        match blow {
            Blow::Stop => {
                tally.add("stops");
                service.process().pause();
                // Some outlast the lease of what was running.
                let most = if random.percent(30) { 8_000 } else { 1_000 };
                tokio::time::sleep(random.millis(50, most)).await;
                service.process().go_on();
                continue;
            }
            Blow::Terminate => {
                tally.add("graceful stops");
                service.terminate().await;
            }
            _ => {
                tally.add("kills");
                service.kill9();
            }
        }
        revive(service, world, tally).await;
    }
}

/// Starts a service again and again until it serves: its network may be cut meanwhile.
async fn revive(service: &mut Service, world: &World, tally: &Tally) {
    loop {
        tally.add("restarts");
        service.start_or_end(&world.client).await;
        if service.ended().is_none() {
            return;
        }
        tally.add("starts without a database");
    }
}

/// Strikes the network and the operator until all their blows have fallen.
pub async fn on_the_rest(
    wires: &[Wire],
    mut operator: Process,
    world: &World,
    load: &Load<'_>,
    parameters: &Parameters,
    tally: &Tally,
) -> Process {
    let mut random = Random::stream(parameters.seed, 0);
    let kills = parameters.kills;
    let counts = [
        (Blow::Network, kills.div_ceil(2)),
        (Blow::Slow, kills.div_ceil(10)),
        (Blow::OperatorFaults, kills.div_ceil(10).max(2)),
        (Blow::OperatorKill, kills.div_ceil(20)),
    ];
    world.faults(lossy()).await;
    for (at, blow) in moments(&counts, parameters.operations, &mut random) {
        load.reaches(at).await;
        let wire = &wires[random.below(wires.len())];
        match blow {
            Blow::Slow => {
                tally.add("delays of the network");
                wire.delay(random.millis(5, 100));
                tokio::time::sleep(random.millis(500, 3_000)).await;
                wire.delay(Duration::ZERO);
            }
            Blow::OperatorFaults => {
                tally.add("changes of the operator's faults");
                outage(world, &mut random, tally).await;
                world.faults(faults(&mut random)).await;
            }
            Blow::OperatorKill => {
                tally.add("restarts of the operator");
                operator = world.restart_operator(operator).await;
                world.faults(faults(&mut random)).await;
            }
            _ => {
                let trouble = some_trouble(&mut random);
                tally.add(match trouble {
                    Trouble::Tear { .. } => "connections torn in a message",
                    Trouble::Swallow => "connections whose answers vanish",
                    _ => "cuts of all connections",
                });
                wire.befall(trouble);
            }
        }
    }
    operator
}

/// Now and then the operator is away for a while.
async fn outage(world: &World, random: &mut Random, tally: &Tally) {
    if random.percent(25) {
        tally.add("outages of the operator");
        world.faults(json!({ "down": true })).await;
        tokio::time::sleep(random.millis(200, 3_000)).await;
    }
}

/// What the operator does wrong for a while.
fn faults(random: &mut Random) -> Value {
    match random.below(5) {
        0 => json!({}),
        1 => json!({ "lost_response_rate": 0.3, "seed": random.next() }),
        // One call in fifty takes effect behind its time-out, and may behind its operation's
        // deadline; never past the horizon, which is by definition the operator's slowest.
        2 => json!({
            "latency_ms": { "p99": 2 * LANDS_AFTER.as_millis() }, "lost_response_rate": 0.05,
            "seed": random.next(),
        }),
        3 => json!({ "hang_rate": 0.05, "wrapped_error_rate": 0.1, "seed": random.next() }),
        _ => lossy(),
    }
}
