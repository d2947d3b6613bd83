//! What is counted of the monthly fees.

use super::Tally;
use crate::labels;
use crate::metrics::{Family, counter_of, counters_of};
use metrics::Counter;
use std::sync::LazyLock;

pub(crate) static METRICS: LazyLock<FeeMetrics> = LazyLock::new(FeeMetrics::new);

/// What a run did with a Link.
#[derive(Clone, Copy)]
pub(crate) enum Did {
    Charged,
    Suspended,
    Waived,
    Left,
}
labels!(Did as "outcome" {
    Charged = "charged",
    Suspended = "suspended",
    Waived = "waived",
    Left = "left",
});

pub(crate) struct FeeMetrics {
    links: Family<Did, Counter>,
    pub failures: Counter,
}

impl FeeMetrics {
    fn new() -> Self {
        Self {
            links: counters_of(
                "bappy_fee_links_total",
                "Links that runs of the monthly fees decided on; left is for the next run",
            ),
            failures: counter_of(
                "bappy_fee_run_failures_total",
                "Runs of the monthly fees that ended early",
            ),
        }
    }

    /// Counts what a run did.
    pub fn did(&self, tally: &Tally) {
        for (did, links) in [
            (Did::Charged, tally.charged),
            (Did::Suspended, tally.suspended),
            (Did::Waived, tally.waived),
            (Did::Left, tally.left),
        ] {
            self.links.of(did).increment(links);
        }
    }
}
