//! What a batch adds to its day's totals: added up here, so that a batch of 256 top-ups of one
//! plan writes two rows. Written by both engines' batch writers, with the entries.
//!
//! **Invariants:** no two totals of a batch have the same kind and plan; what they add up to is the
//! batch, an amount past the range of a column excepted, which stays at its end.

use bappy_actors::model::{EntryKind, LedgerEntry, PlanId};
use bappy_actors::ports::{Batch, Planned};
use chrono::NaiveDate;
use std::collections::HashMap;
use uuid::Uuid;

/// Stands in `plan_id` for all plans and none: the totals of a kind.
pub(in crate::store) const ALL_PLANS: Uuid = Uuid::nil();

/// What a batch adds to one row of `ledger_days`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Sums {
    /// Ledger entries.
    pub entries: i64,
    /// Micros of the debits among them, without sign.
    pub debited: i64,
    /// Micros of the credits among them.
    pub credited: i64,
    /// Links or top-ups that came about.
    pub made: i64,
    /// The least and the greatest sequence.
    pub sequences: Option<(i64, i64)>,
}

/// The key of a row, but for its organization and day, with what is added to it.
pub(in crate::store) type DayTotal = (EntryKind, Uuid, Sums);

/// The UTC day that a batch is counted on: that of its entries' `created_at`.
pub(in crate::store) fn day(batch: &Batch) -> NaiveDate {
    batch.at.date_naive()
}

/// What a batch adds to the totals of its day.
pub(in crate::store) fn day_totals(batch: &Batch) -> Vec<DayTotal> {
    let mut by_plan: HashMap<(EntryKind, Option<PlanId>), Sums> = HashMap::new();
    for item in &batch.items {
        for entry in &item.entries {
            by_plan.entry((entry.kind, entry.plan_id)).or_default().add_entry(entry);
        }
        for activation in &item.activations {
            let kind = made_by(item);
            by_plan.entry((kind, Some(activation.plan_id))).or_default().made += 1;
        }
    }
    let mut of_all: HashMap<EntryKind, Sums> = HashMap::new();
    for ((kind, _), sums) in &by_plan {
        of_all.entry(*kind).or_default().add(sums);
    }
    let of_plans = by_plan.into_iter().filter_map(|((kind, plan), sums)| {
        let plan = plan?;
        Some((kind, plan.0, sums))
    });
    of_plans.chain(of_all.into_iter().map(|(kind, sums)| (kind, ALL_PLANS, sums))).collect()
}

/// The kind of the debit that a settlement's activation was charged by.
fn made_by(item: &Planned) -> EntryKind {
    if item.links.is_empty() { EntryKind::Topup } else { EntryKind::Activation }
}

impl Sums {
    fn add_entry(&mut self, entry: &LedgerEntry) {
        let micros = entry.amount.micros();
        let amounts = if micros < 0 { (micros.saturating_neg(), 0) } else { (0, micros) };
        self.add(&Self {
            entries: 1,
            debited: amounts.0,
            credited: amounts.1,
            made: 0,
            sequences: Some((entry.sequence, entry.sequence)),
        });
    }

    fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.debited = self.debited.saturating_add(other.debited);
        self.credited = self.credited.saturating_add(other.credited);
        self.made += other.made;
        self.sequences = match (self.sequences, other.sequences) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
    }
}
