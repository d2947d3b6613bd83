//! A markup and rates, as commands take and print them.

use crate::cli::values;
use crate::store::catalogue::{InForce, Rate, TakenOver};
use clap::Args;
use rust_decimal::Decimal;
use serde::Serialize;

/// The terms at which plans are sold.
#[derive(Args)]
pub(super) struct TermArgs {
    /// Sells at wholesale plus this percentage, rounded half up to cents
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true,
          value_parser = values::percent)]
    pub markup: Option<Decimal>,
    /// What one unit of the wholesale currency is in a wallet's currency, such as EUR=0.90 for
    /// wallets in EUR; USD/EUR=0.90 where the catalogue has several currencies. May be repeated
    #[arg(long = "rate", value_name = "CURRENCY=RATE", value_parser = values::rate)]
    pub rates: Vec<Rate>,
}

/// What taking over a catalogue changed, and the terms in force then.
#[derive(Serialize)]
pub(super) struct TakenOverView {
    added: u64,
    changed: u64,
    unchanged: u64,
    withdrawn: u64,
    repriced: u64,
    markup_percent: Option<Decimal>,
    rates: Vec<RateView>,
}

#[derive(Serialize)]
struct RateView {
    wholesale_currency: String,
    wallet_currency: String,
    rate: Decimal,
}

impl From<TakenOver> for TakenOverView {
    fn from(TakenOver { plans, repriced, terms }: TakenOver) -> Self {
        let InForce { markup_percent, rates } = terms;
        let rate = |((wholesale, wallet), rate): (_, _)| RateView {
            wholesale_currency: ToString::to_string(&wholesale),
            wallet_currency: ToString::to_string(&wallet),
            rate,
        };
        Self {
            added: plans.added,
            changed: plans.changed,
            unchanged: plans.unchanged,
            withdrawn: plans.withdrawn,
            repriced,
            markup_percent,
            rates: rates.into_iter().map(rate).collect::<Vec<RateView>>(),
        }
    }
}

impl TakenOverView {
    /// In lines.
    pub(super) fn lines(&self) -> String {
        let Self { added, changed, unchanged, withdrawn, repriced, .. } = self;
        let mut lines = format!(
            "Plans     {added} added, {changed} changed, {unchanged} unchanged, {withdrawn} \
             withdrawn\nPrices    {repriced} changed\nMarkup    {}",
            self.markup_percent.map_or_else(|| "none".to_owned(), |percent| format!("{percent}%"))
        );
        for RateView { wholesale_currency, wallet_currency, rate } in &self.rates {
            let line = format!("\nRate      1 {wholesale_currency} = {rate} {wallet_currency}");
            lines.push_str(&line);
        }
        lines
    }
}
