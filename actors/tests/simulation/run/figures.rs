//! What happened in a number of runs, counted.

use super::checks::Checks;
use super::faults::StoreFate;
use crate::support::operator::State;
use crate::support::store::Data;
use bappy_actors::model::{OperationKind, OperationState};
use std::collections::BTreeSet;
use std::fmt;

/// Counts of one run, or of many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub seeds: u64,
    /// Seeds of which something was broken.
    pub broken: u64,
    /// Things that happened at all: calls, effects, failures.
    pub events: u64,
    /// Virtual time, in seconds.
    pub seconds: u64,
    pub calls: u64,
    pub operations: u64,
    pub succeeded: u64,
    pub refunded: u64,
    pub rejected: u64,
    pub sms: u64,
    pub fees: u64,
    pub crashes: u64,
    pub freezes: u64,
    pub stops: u64,
    /// Commits whose answer was lost: not written, written, or written late or not at all.
    pub commits_lost_before: u64,
    pub commits_lost_after: u64,
    pub commits_lost_and_late: u64,
    /// Batches that found the wallet changed, or their operation taken over.
    pub conflicts: u64,
    /// Charged calls and SMS whose outcome at the operator was not known, by how they ended.
    pub unknown_settled: u64,
    pub unknown_refunded: u64,
    pub unknown_undone: u64,
    pub breaker_openings: u64,
    /// Callers that hung up, or whose instance died.
    pub cut: u64,
}

impl Figures {
    pub fn commit(&mut self, fate: StoreFate) {
        match fate {
            StoreFate::LostBefore => self.commits_lost_before += 1,
            StoreFate::LostAfter => self.commits_lost_after += 1,
            StoreFate::LostAndLate(_) => self.commits_lost_and_late += 1,
            _ => {}
        }
    }

    /// What a run has left behind.
    pub fn ended(&mut self, data: &Data, state: &State, checks: &Checks) {
        self.seeds += 1;
        let landed =
            state.journal.iter().filter(|(call, _)| matches!(*call, "create" | "add" | "sms"));
        let landed: BTreeSet<_> = landed.map(|(_, reference)| reference.as_str()).collect();
        for stored in data.operations.values() {
            let operation = &stored.operation;
            self.operations += 1;
            self.sms += u64::from(operation.kind == OperationKind::SendSms);
            let unknown = u64::from(checks.is_unknown(operation.id));
            match operation.state {
                OperationState::Succeeded => {
                    self.succeeded += 1;
                    self.unknown_settled += unknown;
                }
                OperationState::Refunded => {
                    self.refunded += 1;
                    let undone = landed.contains(operation.id.to_string().as_str());
                    self.unknown_undone += unknown * u64::from(undone);
                    self.unknown_refunded += unknown * u64::from(!undone);
                }
                OperationState::Rejected => self.rejected += 1,
                OperationState::Pending => {}
            }
        }
        self.conflicts += data.conflicts;
        self.fees += data.fees.iter().filter(|row| row.entry.is_some()).count() as u64;
    }

    /// Adds those of other runs.
    pub fn add(&mut self, other: &Self) {
        for ((_, mine), (_, theirs)) in self.named().into_iter().zip(other.clone().named()) {
            *mine += *theirs;
        }
    }

    fn named(&mut self) -> [(&'static str, &mut u64); 23] {
        [
            ("seeds", &mut self.seeds),
            ("  broken", &mut self.broken),
            ("events", &mut self.events),
            ("seconds of the platform's life", &mut self.seconds),
            ("calls of partners", &mut self.calls),
            ("  cut, by a crash or the partner", &mut self.cut),
            ("operations", &mut self.operations),
            ("  succeeded", &mut self.succeeded),
            ("  refunded", &mut self.refunded),
            ("  rejected", &mut self.rejected),
            ("  of them SMS", &mut self.sms),
            ("monthly fees charged", &mut self.fees),
            ("crashes", &mut self.crashes),
            ("freezes", &mut self.freezes),
            ("graceful stops", &mut self.stops),
            ("conflicts on a wallet", &mut self.conflicts),
            ("commits without an answer, not written", &mut self.commits_lost_before),
            ("commits without an answer, written", &mut self.commits_lost_after),
            ("commits without an answer, late", &mut self.commits_lost_and_late),
            ("unknown at the operator, then settled", &mut self.unknown_settled),
            ("unknown at the operator, refunded, never there", &mut self.unknown_refunded),
            ("unknown at the operator, refunded, undone", &mut self.unknown_undone),
            ("openings of the circuit breaker", &mut self.breaker_openings),
        ]
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.clone().named() {
            writeln!(f, "{name:<48}{count:>14}")?;
        }
        Ok(())
    }
}
