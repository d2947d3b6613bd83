//! What a seed decides before anything happens: how many instances, how fast and how faulty what is
//! around them, what partners ask for.
//!
//! Each seed leaves most kinds of trouble out and draws how much there is of the others: a storm of
//! everything at once would only ever show the same few paths.

use crate::support::draws::Draws;
use bappy_actors::gateway::{BreakerLimits, GatewayLimits};
use bappy_actors::operation::OperationLimits;
use std::time::Duration;

/// Chances in a thousand calls that the database fails so.
#[derive(Clone, Copy, Debug)]
pub struct StoreFaults {
    /// It cannot be asked.
    pub away: u64,
    /// A write's answer is lost; what it wrote is there, or not, or comes later.
    pub lost: u64,
    /// A write is delivered twice.
    pub twice: u64,
    /// The driver panics.
    pub panic: u64,
    /// The longest that a call takes on its way, and back.
    pub way_ms_max: u64,
}

/// Chances in a thousand calls that the operator fails so.
#[derive(Clone, Copy, Debug)]
pub struct OperatorFaults {
    /// A definite no.
    pub refused: u64,
    /// 500, with nothing done.
    pub error: u64,
    /// Done, and the answer cut, wrapped or unreadable.
    pub lost: u64,
    /// No answer in time; done at once, late, or never.
    pub hang: u64,
    /// Not to be reached, or too many calls.
    pub unreachable: u64,
    /// An endpoint without its plan.
    pub half: u64,
    /// The client panics.
    pub panic: u64,
    /// The longest that a call takes on its way, and back.
    pub way_ms_max: u64,
}

/// What happens to the instances and around them, while the storm lasts.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// Kills at most, and the chance of one at each step that reaches outside, in ten thousand.
    pub kills_max: u64,
    pub kill_per_myriad: u64,
    /// Times that an instance stands still, at some time; and times that it does so before a step
    /// that reaches outside, with the chance of that at each in ten thousand.
    pub freezes: u64,
    pub stalls_max: u64,
    pub stall_per_myriad: u64,
    /// Times that one is stopped as for an upgrade.
    pub stops: u64,
    /// Times that the operator is down, and that the database is.
    pub operator_outages: u64,
    pub store_outages: u64,
    /// Times that the operator ends the sessions.
    pub expiries: u64,
    /// Cards that another customer of the operator's takes.
    pub strangers: u64,
    /// Credits from a command line.
    pub credits: u64,
    /// Runs of the monthly fees.
    pub fee_runs: u64,
}

/// What partners ask for.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    pub partners: u64,
    pub organizations: u64,
    /// For how long they ask.
    pub lasts: Duration,
    /// The longest pause between two calls of one of them.
    pub pause_ms_max: u64,
    /// What is in each wallet at first.
    pub balance: u64,
    /// Calls under an idempotency key, in a thousand.
    pub keyed: u64,
    /// Callers that hang up before they are answered, in a thousand.
    pub hang_up: u64,
    /// Weights of the kinds of calls.
    pub weights: [u64; 7],
}

/// What a seed decides.
#[derive(Clone, Debug)]
pub struct Conditions {
    pub instances: u8,
    /// The wall clocks of two instances differ by twice this at most.
    pub skew: Duration,
    pub limits: OperationLimits,
    pub gateway: GatewayLimits,
    /// What was sent takes effect this late at most.
    pub late_max: Duration,
    /// In all that an instance stands still.
    pub freeze_max: Duration,
    /// When the storm ends.
    pub calm_from: Duration,
    pub store: StoreFaults,
    pub operator: OperatorFaults,
    pub events: Events,
    pub work: Work,
}

impl Conditions {
    pub fn drawn(draws: &mut Draws) -> Self {
        let horizon = Duration::from_secs(draws.pick(&[45, 45, 60, 60, 90, 150, 300]));
        let skew = Duration::from_millis(draws.pick(&[0, 0, 200, 2_000]));
        let freeze_max = Duration::from_secs(draws.pick(&[5, 15, 25]));
        let late_max = horizon.saturating_sub(freeze_max + 2 * skew + Duration::from_secs(1));
        let limits = OperationLimits {
            deadline: Duration::from_secs(draws.pick(&[18, 18, 18, 6])),
            horizon,
            ..OperationLimits::default()
        };
        let work = work(draws);
        let storm_ms = draws.below(u64::try_from(horizon.as_millis()).unwrap());
        Self {
            instances: draws.pick(&[1, 1, 2, 2, 2, 3]),
            skew,
            limits,
            gateway: gateway(draws),
            late_max,
            freeze_max,
            calm_from: work.lasts + Duration::from_millis(storm_ms),
            store: store(draws),
            operator: operator(draws),
            events: events(draws),
            work,
        }
    }
}

fn gateway(draws: &mut Draws) -> GatewayLimits {
    GatewayLimits {
        rate_per_second: draws.pick(&[3, 10, 50, 1_000]),
        concurrency_max: draws.pick(&[2, 8, 64, 64]),
        waiting_max: draws.pick(&[4, 2_048, 2_048]),
        call_timeout: Duration::from_secs(draws.pick(&[10, 10, 4])),
        breaker: BreakerLimits {
            calls_min: draws.pick(&[4, 20, 20]),
            window_calls: draws.pick(&[10, 100]),
            ..BreakerLimits::default()
        },
    }
}

fn store(draws: &mut Draws) -> StoreFaults {
    StoreFaults {
        away: draws.pick(&[0, 0, 5, 30, 100]),
        lost: draws.pick(&[0, 10, 50, 200]),
        twice: draws.pick(&[0, 0, 20]),
        panic: draws.pick(&[0, 0, 0, 3]),
        way_ms_max: draws.pick(&[1, 5, 50, 1_000]),
    }
}

fn operator(draws: &mut Draws) -> OperatorFaults {
    OperatorFaults {
        refused: draws.pick(&[0, 0, 20, 100]),
        error: draws.pick(&[0, 0, 30, 150]),
        lost: draws.pick(&[0, 30, 150, 300]),
        hang: draws.pick(&[0, 20, 100, 250]),
        unreachable: draws.pick(&[0, 0, 30, 150]),
        half: draws.pick(&[0, 0, 0, 50]),
        panic: draws.pick(&[0, 0, 0, 5]),
        way_ms_max: draws.pick(&[1, 20, 300, 3_000]),
    }
}

fn events(draws: &mut Draws) -> Events {
    Events {
        kills_max: draws.pick(&[0, 1, 3, 6]),
        kill_per_myriad: draws.pick(&[5, 20, 100]),
        freezes: draws.pick(&[0, 0, 1, 3]),
        stalls_max: draws.pick(&[0, 2, 5]),
        stall_per_myriad: draws.pick(&[100, 500, 2_000]),
        stops: draws.pick(&[0, 0, 0, 1]),
        operator_outages: draws.pick(&[0, 0, 0, 1, 2]),
        store_outages: draws.pick(&[0, 0, 0, 1]),
        expiries: draws.pick(&[0, 0, 1, 3]),
        strangers: draws.pick(&[0, 0, 3, 10]),
        credits: draws.pick(&[0, 1, 5]),
        fee_runs: draws.pick(&[0, 0, 0, 2]),
    }
}

fn work(draws: &mut Draws) -> Work {
    Work {
        partners: draws.between(1, 6),
        organizations: draws.pick(&[1, 1, 2]),
        lasts: Duration::from_secs(draws.between(5, 60)),
        pause_ms_max: draws.pick(&[200, 2_000, 10_000]),
        balance: draws.pick(&[30, 100, 300, 3_000]),
        keyed: draws.pick(&[500, 900, 1_000]),
        hang_up: draws.pick(&[0, 50, 300]),
        weights: std::array::from_fn(|_| draws.pick(&[0, 1, 1, 3])),
    }
}
