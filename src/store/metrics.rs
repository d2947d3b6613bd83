//! What is counted of the database: its connections, the ledger's writers, the cache of plans.

use bappy_actors::labels;
use bappy_actors::metrics::{
    CacheMetrics, Family, counter_of, counters_of, gauge_of, gauges_of, histogram_of, histograms_of,
};
use bappy_actors::model::EntryKind;
use bappy_actors::ports::{Batch, CommitOutcome, StoreError};
use metrics::{Counter, Gauge, Histogram};
use std::sync::LazyLock;

pub(super) static METRICS: LazyLock<StoreMetrics> = LazyLock::new(StoreMetrics::new);

/// Makes all metrics of the database.
pub fn register() {
    LazyLock::force(&METRICS);
}

pub(super) struct StoreMetrics {
    pub acquire_seconds: Family<Pool, Histogram>,
    pub acquire_failures: Family<Pool, Counter>,
    pub connections: Family<(Pool, Use), Gauge>,
    pub connections_max: Family<Pool, Gauge>,
    pub batches: Family<Written, Counter>,
    entries: Family<Entry, Counter>,
    pub write_seconds: Histogram,
    pub write_commands: Histogram,
    pub waiting: Gauge,
    pub writers: Gauge,
    pub writer_losses: Counter,
    pub plans: CacheMetrics,
}

/// Connections that are handed out together.
#[derive(Clone, Copy)]
pub(super) enum Pool {
    /// `PostgreSQL`: reads and writes; SQLite: reads.
    Main,
    /// `PostgreSQL`: reads behind row-level security.
    Tenant,
    /// SQLite: the one that writes.
    Writer,
}
labels!(Pool as "pool" { Main = "main", Tenant = "tenant", Writer = "writer" });

/// Whether a connection does something.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Idle,
    InUse,
}
labels!(Use as "state" { Idle = "idle", InUse = "in_use" });

/// How writing a batch ended.
#[derive(Clone, Copy)]
pub(super) enum Written {
    Committed,
    Stale,
    Guarded,
    Unavailable,
    Unknown,
    Broken,
}
labels!(Written as "outcome" {
    Committed = "committed",
    Stale = "stale",
    Guarded = "guarded",
    Unavailable = "unavailable",
    Unknown = "unknown",
    Broken = "broken",
});

/// A kind of ledger entry.
#[derive(Clone, Copy)]
enum Entry {
    Credit,
    Activation,
    Topup,
    Refund,
    Sms,
    LinkFee,
    Adjustment,
}
labels!(Entry as "kind" {
    Credit = "credit",
    Activation = "activation",
    Topup = "topup",
    Refund = "refund",
    Sms = "sms",
    LinkFee = "link_fee",
    Adjustment = "adjustment",
});

impl From<EntryKind> for Entry {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Credit => Self::Credit,
            EntryKind::Activation => Self::Activation,
            EntryKind::Topup => Self::Topup,
            EntryKind::Refund => Self::Refund,
            EntryKind::Sms => Self::Sms,
            EntryKind::LinkFee => Self::LinkFee,
            EntryKind::Adjustment => Self::Adjustment,
        }
    }
}

impl From<&Result<CommitOutcome, StoreError>> for Written {
    fn from(outcome: &Result<CommitOutcome, StoreError>) -> Self {
        match outcome {
            Ok(CommitOutcome::Committed) => Self::Committed,
            Ok(CommitOutcome::Stale) => Self::Stale,
            Ok(CommitOutcome::Guarded(_)) => Self::Guarded,
            Err(StoreError::Unavailable(_)) => Self::Unavailable,
            Err(StoreError::Unknown(_)) => Self::Unknown,
            Err(StoreError::Broken(_)) => Self::Broken,
        }
    }
}

impl StoreMetrics {
    fn new() -> Self {
        Self {
            acquire_seconds: histograms_of(
                "bappy_database_acquire_duration_seconds",
                "Time until a connection to the database was handed out",
            ),
            acquire_failures: counters_of(
                "bappy_database_acquire_failures_total",
                "Connections to the database that could not be had, or not in time",
            ),
            connections: gauges_of(
                "bappy_database_connections",
                "Open connections to the database, without those of the ledger's writers on \
                 PostgreSQL",
            ),
            connections_max: gauges_of(
                "bappy_database_connections_max",
                "Connections to the database that there may be (database.max_connections)",
            ),
            batches: counters_of(
                "bappy_ledger_batches_total",
                "Batches of wallets that the ledger's writers answered",
            ),
            entries: counters_of("bappy_ledger_entries_total", "Ledger entries that were written"),
            write_seconds: histogram_of(
                "bappy_ledger_write_duration_seconds",
                "Time of one statement of a ledger writer, for all batches in it",
            ),
            write_commands: histogram_of(
                "bappy_ledger_write_commands",
                "Commands in one statement of a ledger writer",
            ),
            waiting: gauge_of(
                "bappy_ledger_queue_batches",
                "Batches at the ledger's writers that are not answered yet",
            ),
            writers: gauge_of(
                "bappy_ledger_writers_connected",
                "Writers of the ledger that have a connection",
            ),
            writer_losses: counter_of(
                "bappy_ledger_writer_losses_total",
                "Connections that the ledger's writers have lost",
            ),
            plans: CacheMetrics::of("plans"),
        }
    }

    /// Counts a batch that is answered.
    pub fn written(&self, batch: &Batch, outcome: &Result<CommitOutcome, StoreError>) {
        self.batches.of(outcome.into()).increment(1);
        if matches!(outcome, Ok(CommitOutcome::Committed)) {
            for entry in batch.items.iter().flat_map(|item| &item.entries) {
                self.entries.of(entry.kind.into()).increment(1);
            }
        }
    }
}
