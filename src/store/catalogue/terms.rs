//! The catalogue's own terms: a markup on wholesale prices, and rates between currencies. Set by
//! `plan sync` and `plan import`, in force until they are set again.

use super::super::{DbError, Tx, text};
use super::OfferError;
use bappy_actors::model::Currency;
use rust_decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// What one unit of a wholesale currency is in a wallet's, as a person gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The wholesale currency; none: the one there is beside the wallet's.
    pub wholesale: Option<Currency>,
    /// The wallet's currency.
    pub wallet: Currency,
    /// The rate.
    pub rate: Decimal,
}

/// Rates by wholesale currency and wallet's currency.
pub type Rates = BTreeMap<(Currency, Currency), Decimal>;

/// The terms at which plans without a price of their own are sold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// Percent on the wholesale price; none was ever set: sold at wholesale.
    pub markup_percent: Option<Decimal>,
    /// The rates.
    pub rates: Rates,
}

impl InForce {
    /// The rate from a wholesale currency to a wallet's.
    pub fn rate(&self, wholesale: Currency, wallet: Currency) -> Option<Decimal> {
        self.rates.get(&(wholesale, wallet)).copied()
    }
}

/// A decimal number as a column holds it.
pub(super) fn decimal(text: &str) -> Result<Decimal, DbError> {
    Decimal::from_str_exact(text).map_err(|_| DbError::unreadable("decimal number", text))
}

/// The catalogue's terms as they stand.
pub async fn in_force(tx: &mut Tx) -> Result<InForce, DbError> {
    let markup = opt!(tx, (String,), "SELECT percent FROM catalogue_markup WHERE one = 1")?;
    let rows = all!(
        tx,
        (String, String, String),
        "SELECT wholesale_currency, wallet_currency, rate FROM exchange_rates"
    )?;
    let mut rates = Rates::new();
    for (wholesale, wallet, rate) in rows {
        let pair = (text::currency(&wholesale)?, text::currency(&wallet)?);
        rates.insert(pair, decimal(&rate)?);
    }
    let markup_percent = markup.map(|(percent,)| decimal(&percent)).transpose()?;
    Ok(InForce { markup_percent, rates })
}

/// Says which currency each rate converts, by the plans that are offered.
pub async fn resolve(tx: &mut Tx, given: &[Rate]) -> Result<Result<Rates, OfferError>, DbError> {
    if given.is_empty() {
        return Ok(Ok(Rates::new()));
    }
    let known = all!(
        tx,
        (String,),
        "SELECT DISTINCT wholesale_currency FROM plans WHERE offered = $1",
        true
    )?;
    let known: BTreeSet<Currency> =
        known.iter().map(|(code,)| text::currency(code)).collect::<Result<_, _>>()?;
    let mut rates = Rates::new();
    for Rate { wholesale, wallet, rate } in given {
        let mut others = known.iter().filter(|currency| *currency != wallet);
        let wholesale = match (wholesale, others.next(), others.next()) {
            (Some(wholesale), _, _) | (None, Some(wholesale), None) => *wholesale,
            (None, None, _) => {
                let found = format!("nothing: no plan is priced in another currency than {wallet}");
                return Ok(Err(OfferError::WhichRate { wallet: *wallet, found }));
            }
            (None, Some(_), Some(_)) => {
                let found = "one of several currencies".to_owned();
                return Ok(Err(OfferError::WhichRate { wallet: *wallet, found }));
            }
        };
        rates.insert((wholesale, *wallet), *rate);
    }
    Ok(Ok(rates))
}

/// Sets the catalogue's markup, for all plans that are not priced by hand.
pub(super) async fn set_markup(tx: &mut Tx, percent: Decimal) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO catalogue_markup (one, percent) VALUES (1, $1)
         ON CONFLICT (one) DO UPDATE SET percent = excluded.percent",
        percent.to_string()
    )?;
    exec!(tx, "UPDATE organization_plans SET markup = NULL WHERE markup IS NOT NULL")?;
    Ok(())
}

/// Sets rates, for all plans that are not priced by hand.
pub(super) async fn set_rates(tx: &mut Tx, rates: &Rates) -> Result<(), DbError> {
    for ((wholesale, wallet), rate) in rates {
        exec!(
            tx,
            "INSERT INTO exchange_rates (wholesale_currency, wallet_currency, rate)
             VALUES ($1, $2, $3)
             ON CONFLICT (wholesale_currency, wallet_currency) DO UPDATE SET rate = excluded.rate",
            wholesale.as_str(),
            wallet.as_str(),
            rate.to_string()
        )?;
        exec!(
            tx,
            "UPDATE organization_plans SET rate = NULL
             WHERE rate IS NOT NULL
               AND org_id IN (SELECT id FROM organizations WHERE currency = $2)
               AND plan_id IN (SELECT id FROM plans WHERE wholesale_currency = $1)",
            wholesale.as_str(),
            wallet.as_str()
        )?;
    }
    Ok(())
}
