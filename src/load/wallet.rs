//! A wallet under load: whose it is, what it can still pay, and what it was charged.
//!
//! **Invariant:** no more charges are handed out than the balance covers, so that a run that is
//! long enough ends for want of money and not in refusals.

use super::{ApiClient, scenario::Prepared};
use bappy_actors::model::{Currency, Money};
use hyper::header::HeaderValue;
use std::cell::{Cell, RefCell};

/// An organization's wallet and Links.
pub struct Wallet {
    /// The organization's slug.
    pub slug: String,
    /// The wallet's currency.
    pub currency: Currency,
    /// What one charge costs.
    pub price: Money,
    /// What was in it before the first request.
    pub before: Money,
    /// The plan that is bought.
    pub plan: String,
    pub(super) api: RefCell<ApiClient>,
    pub(super) authorization: RefCell<HeaderValue>,
    pub(super) prepared: Prepared,
    pub(super) links: Vec<String>,
    /// Charges that may still be handed out.
    pub(super) charges_left: Cell<u64>,
    pub(super) next_link: Cell<usize>,
    /// What the answers said was charged, in micros.
    pub(super) charged: Cell<i64>,
    /// Charges whose answers were lost.
    pub(super) lost: Cell<u64>,
}

impl Wallet {
    /// Takes one charge of those that are left.
    pub(super) fn take_charge(&self) -> bool {
        match self.charges_left.get().checked_sub(1) {
            Some(left) => {
                self.charges_left.set(left);
                true
            }
            None => false,
        }
    }

    /// The next Link in turn.
    pub(super) fn turn(&self) -> usize {
        let place = self.next_link.get();
        self.next_link.set((place + 1) % self.links.len().max(1));
        place
    }

    /// Counts what an answer said was charged.
    pub(super) fn add_charge(&self, amount: Money) {
        self.charged.set(self.charged.get().saturating_add(amount.micros()));
    }
}
