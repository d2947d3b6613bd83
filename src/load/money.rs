//! Whether the money adds up: what the wallets lost is what the answers said was charged.

use super::wallet::Wallet;
use super::{ApiClient, LoadError};
use bappy_actors::model::{Currency, Money};
use serde::Serialize;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// By then every operation is settled: longer than any answer waits for the operator.
const SETTLED_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// A wallet before and after.
#[derive(Clone, Debug, Serialize)]
pub struct WalletCheck {
    /// The organization.
    pub organization: String,
    /// What was in it.
    pub before: Money,
    /// What is in it.
    pub after: Money,
    /// What the answers said was charged.
    pub charged: Money,
    /// Charges whose answers were lost: each may or may not have been made.
    pub lost: u64,
    /// The wallet's currency.
    pub currency: Currency,
    #[serde(skip)]
    adds_up: bool,
}

/// All wallets before and after.
#[derive(Clone, Debug, Serialize)]
pub struct MoneyCheck {
    /// Whether each adds up.
    pub adds_up: bool,
    /// How many wallets there are.
    pub wallets: usize,
    /// What all of one currency had, have and were charged.
    pub totals: Vec<WalletCheck>,
    /// Wallets that do not add up.
    pub wrong: Vec<WalletCheck>,
}

/// Compares the balances, once everything is settled.
pub async fn settle(wallets: &[Rc<Wallet>]) -> Result<MoneyCheck, LoadError> {
    let mut checks = Vec::with_capacity(wallets.len());
    for wallet in wallets {
        let api = wallet.api.borrow().clone();
        if wallet.lost.get() > 0 {
            settled(&api).await?;
        }
        checks.push(wallet.check(api.balance().await?.balance));
    }
    let mut totals: Vec<WalletCheck> = Vec::new();
    for check in &checks {
        match totals.iter_mut().find(|total| total.currency == check.currency) {
            Some(total) => total.add(check),
            None => totals.push(WalletCheck { organization: "all".to_owned(), ..check.clone() }),
        }
    }
    let wrong: Vec<_> = checks.iter().filter(|check| !check.adds_up).cloned().collect();
    Ok(MoneyCheck { adds_up: wrong.is_empty(), wallets: checks.len(), totals, wrong })
}

/// Returns when nothing is under way any more, or will not be for long.
async fn settled(api: &ApiClient) -> Result<(), LoadError> {
    let begin = Instant::now();
    while api.pending().await? > 0 && begin.elapsed() < SETTLED_MAX {
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

impl Wallet {
    fn check(&self, after: Money) -> WalletCheck {
        let charged = Money::from_micros(self.charged.get());
        let lost = self.lost.get();
        let gone = self.before.micros().saturating_sub(after.micros());
        // What is gone beyond that was charged by calls whose answers were lost: so many prices.
        let beyond = gone.saturating_sub(charged.micros());
        let price = self.price.micros().max(1);
        let of_lost = beyond >= 0
            && beyond % price == 0
            && u64::try_from(beyond / price).is_ok_and(|count| count <= lost);
        WalletCheck {
            organization: self.slug.clone(),
            before: self.before,
            after,
            charged,
            lost,
            currency: self.currency,
            adds_up: of_lost,
        }
    }
}

impl WalletCheck {
    fn add(&mut self, other: &Self) {
        let sum = |a: Money, b: Money| Money::from_micros(a.micros().saturating_add(b.micros()));
        self.before = sum(self.before, other.before);
        self.after = sum(self.after, other.after);
        self.charged = sum(self.charged, other.charged);
        self.lost += other.lost;
    }
}
