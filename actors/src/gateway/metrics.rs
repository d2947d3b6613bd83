//! What is counted of the way to the operator. The calls themselves are counted where they are
//! made, outside of the core.

use super::{BreakerState, NotAdmitted};
use crate::labels;
use crate::metrics::{Family, counters_of, gauge_of, gauges_of, histogram_of, size};
use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, gauge};
use std::sync::LazyLock;

pub(crate) static METRICS: LazyLock<GatewayMetrics> = LazyLock::new(GatewayMetrics::new);

labels!(BreakerState as "state" {
    Closed = "closed",
    Open = "open",
    HalfOpen = "half_open",
});

/// How asking for room at the operator ended.
#[derive(Clone, Copy)]
pub(crate) enum AdmissionOutcome {
    Granted,
    BreakerOpen,
    NoRoom,
    NoSession,
    CredentialsRefused,
}
labels!(AdmissionOutcome as "outcome" {
    Granted = "admitted",
    BreakerOpen = "breaker_open",
    NoRoom = "no_room",
    NoSession = "no_session",
    CredentialsRefused = "credentials_refused",
});

impl From<NotAdmitted> for AdmissionOutcome {
    fn from(why: NotAdmitted) -> Self {
        match why {
            NotAdmitted::BreakerOpen(_) => Self::BreakerOpen,
            NotAdmitted::NoRoom => Self::NoRoom,
            NotAdmitted::NoSession => Self::NoSession,
            NotAdmitted::CredentialsRefused => Self::CredentialsRefused,
        }
    }
}

/// How filling the pool of free cards ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refilled {
    Done,
    Empty,
    Failed,
}
labels!(Refilled as "outcome" {
    Done = "done",
    Empty = "empty",
    Failed = "failed",
});

pub(crate) struct GatewayMetrics {
    pub admissions: Family<AdmissionOutcome, Counter>,
    pub admission_seconds: Histogram,
    pub waiting: Gauge,
    pub rate_wait_seconds: Histogram,
    pub in_use: Gauge,
    pub limit: Gauge,
    pub rate_limit: Gauge,
    pub breaker: Family<BreakerState, Gauge>,
    pub breaker_changes: Family<BreakerState, Counter>,
    pub refills: Family<Refilled, Counter>,
}

impl GatewayMetrics {
    fn new() -> Self {
        let metrics = Self {
            admissions: counters_of(
                "bappy_operator_admissions_total",
                "Requests for room at the operator, by how they ended",
            ),
            admission_seconds: histogram_of(
                "bappy_operator_admission_duration_seconds",
                "Time until a request for room at the operator was answered",
            ),
            waiting: gauge_of(
                "bappy_operator_admissions_waiting",
                "Requests for room at the operator that wait",
            ),
            rate_wait_seconds: histogram_of(
                "bappy_operator_rate_limit_wait_seconds",
                "Waits for our own limit of calls a second, where there was one",
            ),
            in_use: gauge_of(
                "bappy_operator_permits_in_use",
                "Callers that have room at the operator now, on this instance",
            ),
            limit: gauge_of(
                "bappy_operator_permits_limit",
                "Callers that may have room at the operator at once (operator.concurrency_max)",
            ),
            rate_limit: gauge_of(
                "bappy_operator_rate_limit_calls_per_second",
                "Calls a second that this instance makes at most (operator.rate_per_second)",
            ),
            breaker: gauges_of(
                "bappy_operator_breaker_state",
                "1 for the state that the circuit breaker is in, 0 for the others",
            ),
            breaker_changes: counters_of(
                "bappy_operator_breaker_transitions_total",
                "Changes of the circuit breaker, by the state that it came to",
            ),
            refills: counters_of(
                "bappy_sim_pool_refills_total",
                "Refills of the pool of free cards: empty is an operator with none left",
            ),
        };
        metrics.breaker.of(BreakerState::Closed).set(1.0);
        describe_counter!(CLAIMS, "Free cards asked of the pool, by sponsor and by how that ended");
        describe_gauge!(FREE, "Free cards in the pool, counted up to 1000, by sponsor");
        metrics
    }

    /// Notes what the breaker does now.
    pub fn breaker_is(&self, before: BreakerState, after: BreakerState) {
        if before == after {
            return;
        }
        self.breaker.of(before).set(0.0);
        self.breaker.of(after).set(1.0);
        self.breaker_changes.of(after).increment(1);
    }
}

const CLAIMS: &str = "bappy_sim_pool_claims_total";
const FREE: &str = "bappy_sim_pool_free_cards";

/// Sponsors with series of their own: an operator has a handful, but the catalogue decides.
pub(super) const SPONSORS_MAX: usize = 50;

/// The sponsor of all that come after the first [`SPONSORS_MAX`].
const OTHER_SPONSORS: &str = "other";

/// What is counted of one sponsor's cards.
pub(super) struct SponsorMetrics {
    pub claimed: Counter,
    pub empty: Counter,
    pub failed: Counter,
    free: Gauge,
}

impl SponsorMetrics {
    /// Of a sponsor that came when there were so many others.
    pub fn of(sponsor_id: &str, others: usize) -> Self {
        let named = if others < SPONSORS_MAX { sponsor_id } else { OTHER_SPONSORS };
        let sponsor = named.to_owned();
        let claims = |outcome| counter!(CLAIMS, "sponsor" => sponsor.clone(), "outcome" => outcome);
        Self {
            claimed: claims("claimed"),
            empty: claims("empty"),
            failed: claims("failed"),
            free: gauge!(FREE, "sponsor" => sponsor.clone()),
        }
    }

    /// Says how many free cards there are.
    pub fn shows_free(&self, cards: i64) {
        self.free.set(size(usize::try_from(cards).unwrap_or(0)));
    }
}
