//! What is counted of the ledger check.

use super::Mismatch;
use bappy_actors::labels;
use bappy_actors::metrics::{Family, counter_of, gauge_of, gauges_of, histogram_of, seconds, size};
use bappy_actors::model::Timestamp;
use metrics::{Counter, Gauge, Histogram};
use std::sync::LazyLock;

pub(super) static METRICS: LazyLock<LedgerCheckMetrics> = LazyLock::new(|| LedgerCheckMetrics {
    mismatches: gauges_of(
        "bappy_ledger_mismatches",
        "Places where a wallet and its ledger disagree now, as far as they were looked at",
    ),
    entries: counter_of("bappy_ledger_check_entries_total", "Ledger entries that were compared"),
    failures: counter_of(
        "bappy_ledger_check_failures_total",
        "Turns of the ledger check that could not read the database",
    ),
    round: gauge_of(
        "bappy_ledger_check_last_round_timestamp_seconds",
        "When this instance had last looked at every wallet; 0 before the first time",
    ),
    seconds: histogram_of(
        "bappy_ledger_check_duration_seconds",
        "Time that a turn of the ledger check took",
    ),
});

/// Makes all metrics of the ledger check.
pub fn register() {
    LazyLock::force(&METRICS);
}

/// What should hold.
#[derive(Clone, Copy)]
enum Rule {
    Chain,
    Wallet,
    Totals,
}
labels!(Rule as "rule" { Chain = "chain", Wallet = "wallet", Totals = "totals" });

pub(super) struct LedgerCheckMetrics {
    mismatches: Family<Rule, Gauge>,
    entries: Counter,
    pub failures: Counter,
    round: Gauge,
    pub seconds: Histogram,
}

impl LedgerCheckMetrics {
    /// Counts entries that were compared.
    pub fn looked_at(&self, entries: usize) {
        self.entries.increment(entries as u64);
    }

    /// Shows what is found now.
    pub fn show<'a>(&self, found: impl Iterator<Item = &'a Mismatch>) {
        let (mut chain, mut wallet, mut totals) = (0, 0, 0);
        for mismatch in found {
            match mismatch {
                Mismatch::Chain(_) => chain += 1,
                Mismatch::Wallet => wallet += 1,
                Mismatch::Totals => totals += 1,
            }
        }
        for (rule, count) in [(Rule::Chain, chain), (Rule::Wallet, wallet), (Rule::Totals, totals)]
        {
            self.mismatches.of(rule).set(size(count));
        }
    }

    /// Notes that every wallet was looked at.
    pub fn round_ended(&self, now: Timestamp) {
        self.round.set(seconds(now));
    }
}
