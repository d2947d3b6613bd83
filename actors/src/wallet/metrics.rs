//! What is counted of the wallets.

use super::{Command, CommandError, Receipt};
use crate::labels;
use crate::metrics::{Family, counter_of, counters_of, gauge_of, histogram_of};
use metrics::{Counter, Gauge, Histogram};
use std::sync::LazyLock;

pub(crate) static METRICS: LazyLock<WalletMetrics> = LazyLock::new(WalletMetrics::new);

/// A kind of command.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Debit,
    Settle,
    Refund,
    Credit,
    LinkFee,
}
labels!(Kind as "command" {
    Debit = "debit",
    Settle = "settle",
    Refund = "refund",
    Credit = "credit",
    LinkFee = "link_fee",
});

/// How a command ended.
#[derive(Clone, Copy)]
pub(crate) enum Outcome {
    Done,
    Refused,
    Guarded,
    Failed,
}
labels!(Outcome as "outcome" {
    Done = "done",
    Refused = "refused",
    Guarded = "guarded",
    Failed = "failed",
});

pub(crate) struct WalletMetrics {
    pub commands: Family<(Kind, Outcome), Counter>,
    pub queue: Gauge,
    pub batch: Histogram,
    pub commit_seconds: Histogram,
    pub conflicts: Counter,
    pub rejections: Counter,
    pub respawns: Counter,
    pub actors: Gauge,
}

impl WalletMetrics {
    fn new() -> Self {
        Self {
            commands: counters_of(
                "bappy_wallet_commands_total",
                "Commands that wallets answered: refused is too little money, guarded is what the \
                 database keeps out (a key or an operation that is taken), failed is a database \
                 that is away",
            ),
            queue: gauge_of(
                "bappy_wallet_queue_commands",
                "Commands at the wallets that are not answered yet",
            ),
            batch: histogram_of("bappy_wallet_batch_commands", "Commands in one commit"),
            commit_seconds: histogram_of(
                "bappy_wallet_commit_duration_seconds",
                "Time from the decision on a batch until the database has told its end",
            ),
            conflicts: counter_of(
                "bappy_wallet_conflicts_total",
                "Commits that came to nothing because the wallet was changed elsewhere meanwhile",
            ),
            rejections: counter_of(
                "bappy_wallet_rejections_total",
                "Debits refused because too many waited at their wallet",
            ),
            respawns: counter_of(
                "bappy_wallet_respawns_total",
                "Wallet actors started again after a panic",
            ),
            actors: gauge_of("bappy_wallet_actors", "Wallets that have an actor now"),
        }
    }

    /// Counts a command that is answered, and the operations that end with it.
    pub fn answered(&self, command: &Command, answer: &Result<Receipt, CommandError>) {
        let kind = match command {
            Command::Debit(_) => Kind::Debit,
            Command::Settle(_) => Kind::Settle,
            Command::Refund(_) => Kind::Refund,
            Command::Credit(_) => Kind::Credit,
            Command::LinkFee(_) => Kind::LinkFee,
        };
        let outcome = match answer {
            Ok(_) => Outcome::Done,
            Err(CommandError::Refused(_)) => Outcome::Refused,
            Err(CommandError::Guarded(_)) => Outcome::Guarded,
            Err(_) => Outcome::Failed,
        };
        self.commands.of((kind, outcome)).increment(1);
        if answer.is_ok() {
            crate::operation::METRICS.ended_with(command);
        }
    }
}
