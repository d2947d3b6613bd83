//! Which plans an organization may buy, and at which price. Called by `plan enable`, `disable` and
//! `price`, and by the sandbox; `reprice.rs` keeps the prices that are not set by hand up to date.
//!
//! **Invariant:** all plans of one call are enabled or none; why not is said before anything is
//! written, so an inner `Err` has changed nothing.

use super::super::{DbError, Time, Tx, text};
use super::terms::{self, InForce, decimal};
use bappy_actors::model::{Currency, Money, OrgId, PlanId, Timestamp};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Why plans cannot be enabled or priced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// There is no such organization.
    #[error("there is no such organization")]
    UnknownOrganization,
    /// No plan has this id, here or at the operator.
    #[error("there is no plan `{0}`")]
    UnknownPlan(String),
    /// The operator sells it no more.
    #[error("the plan `{0}` is not offered any more")]
    NotOffered(String),
    /// The wallet has another currency than the wholesale price, and no rate was given.
    #[error(
        "the plan `{plan}` is priced in {wholesale} and the wallet is in {wallet}: give a rate \
         from {wholesale} to {wallet}"
    )]
    NoRate {
        /// The plan's id at the operator.
        plan: String,
        /// The currency of its wholesale price.
        wholesale: Currency,
        /// The currency of the wallet.
        wallet: Currency,
    },
    /// A rate that does not say which currency it converts, where there are several, or none.
    #[error("the rate for {wallet} converts {found}: write WHOLESALE/{wallet}=RATE")]
    WhichRate {
        /// The currency of the wallet.
        wallet: Currency,
        /// Which wholesale currencies there are, in words.
        found: String,
    },
    /// The price that comes out is not one.
    #[error("the plan `{plan}` cannot be priced: {why}")]
    Price {
        /// The plan's id at the operator.
        plan: String,
        /// Why not.
        why: String,
    },
}

/// Which plans are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All that the operator offers.
    All,
    /// These, each by its id or by its id at the operator.
    These(Vec<String>),
}

/// At which price plans are enabled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Percent on the wholesale price, rounded half up to cents. None: a price set by hand stays,
    /// and any other is at the markup that was given before, here or for the catalogue.
    pub markup_percent: Option<Decimal>,
    /// What one unit of a wholesale currency is in the wallet's currency; of those that are not
    /// here, as given before.
    pub rates: BTreeMap<Currency, Decimal>,
}

/// A plan with what an organization pays for it.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) id: Uuid,
    pub(super) operator_plan_id: String,
    wholesale_price: i64,
    wholesale_currency: String,
    pub(super) offered: bool,
    pub(super) price: Option<i64>,
    by_hand: Option<bool>,
    markup: Option<String>,
    rate: Option<String>,
}

/// Columns of [`Row`] for tables `plans p` and `organization_plans op`.
macro_rules! columns {
    () => {
        "p.id, p.operator_plan_id, p.wholesale_price, p.wholesale_currency, p.offered, op.price,
         op.by_hand, op.markup, op.rate"
    };
}
pub(super) use columns;

/// What is written of a price.
struct Priced {
    price: Money,
    by_hand: bool,
    markup: Option<Decimal>,
    rate: Option<Decimal>,
}

type Outcome<T> = Result<Result<T, OfferError>, DbError>;

/// Enables plans for an organization; gives how many.
pub async fn enable(
    tx: &mut Tx,
    org: OrgId,
    selection: &Selection,
    terms: &Terms,
    at: Timestamp,
) -> Outcome<u64> {
    let Some(wallet) = wallet_currency(tx, org).await? else {
        return Ok(Err(OfferError::UnknownOrganization));
    };
    let in_force = terms::in_force(tx).await?;
    let rows = match selected(tx, org, selection).await? {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    let mut prices = Vec::with_capacity(rows.len());
    for row in &rows {
        if !row.offered {
            return Ok(Err(OfferError::NotOffered(row.operator_plan_id.clone())));
        }
        match priced(row, wallet, terms, &in_force)? {
            Ok(price) => prices.push((row.id, price)),
            Err(error) => return Ok(Err(error)),
        }
    }
    for (plan, priced) in &prices {
        upsert(tx, org, *plan, priced, true, at).await?;
    }
    Ok(Ok(prices.len() as u64))
}

/// Disables plans for an organization; gives how many were enabled. Their prices stay.
pub async fn disable(
    tx: &mut Tx,
    org: OrgId,
    selection: &Selection,
    at: Timestamp,
) -> Outcome<u64> {
    if *selection == Selection::All {
        let changed = exec!(
            tx,
            "UPDATE organization_plans SET enabled = $2, updated_at = $3
             WHERE org_id = $1 AND enabled = $4",
            org.0,
            false,
            Time::from(at),
            true
        )?;
        return Ok(Ok(changed));
    }
    let rows = match selected(tx, org, selection).await? {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    let mut disabled = 0;
    for row in rows {
        disabled += exec!(
            tx,
            "UPDATE organization_plans SET enabled = $3, updated_at = $4
             WHERE org_id = $1 AND plan_id = $2 AND enabled = $5",
            org.0,
            row.id,
            false,
            Time::from(at),
            true
        )?;
    }
    Ok(Ok(disabled))
}

/// Sets the price of one plan in the wallet's currency by hand; gives whether it is enabled. One
/// that is not stays so.
pub async fn set_price(
    tx: &mut Tx,
    org: OrgId,
    plan: &str,
    price: Money,
    at: Timestamp,
) -> Outcome<bool> {
    if wallet_currency(tx, org).await?.is_none() {
        return Ok(Err(OfferError::UnknownOrganization));
    }
    let Some(row) = find(tx, org, plan).await? else {
        return Ok(Err(OfferError::UnknownPlan(plan.to_owned())));
    };
    if price.is_negative() {
        let why = "a price is not below zero".to_owned();
        return Ok(Err(OfferError::Price { plan: row.operator_plan_id, why }));
    }
    let changed = exec!(
        tx,
        "UPDATE organization_plans SET price = $3, by_hand = $4, markup = NULL, rate = NULL,
             updated_at = $5
         WHERE org_id = $1 AND plan_id = $2",
        org.0,
        row.id,
        price.micros(),
        true,
        Time::from(at)
    )?;
    if changed == 0 {
        let priced = Priced { price, by_hand: true, markup: None, rate: None };
        upsert(tx, org, row.id, &priced, false, at).await?;
    }
    let enabled = opt!(
        tx,
        (bool,),
        "SELECT enabled FROM organization_plans WHERE org_id = $1 AND plan_id = $2",
        org.0,
        row.id
    )?;
    Ok(Ok(enabled.is_some_and(|(enabled,)| enabled)))
}

/// What a plan costs the organization under these terms, and what is kept of them.
fn priced(row: &Row, wallet: Currency, terms: &Terms, in_force: &InForce) -> Outcome<Priced> {
    if let (Some(price), Some(true), None) = (row.price, row.by_hand, terms.markup_percent) {
        let price = Money::from_micros(price);
        return Ok(Ok(Priced { price, by_hand: true, markup: None, rate: None }));
    }
    let own = |text: &Option<String>| text.as_deref().map(decimal).transpose();
    let wholesale = text::currency(&row.wholesale_currency)?;
    let markup = terms.markup_percent.or(own(&row.markup)?);
    let rate = terms.rates.get(&wholesale).copied().or(own(&row.rate)?);
    let rate = rate.filter(|_| wholesale != wallet);
    let price = price(row, wallet, markup, rate, in_force)?;
    Ok(price.map(|price| Priced { price, by_hand: false, markup, rate }))
}

/// What a plan that was not priced by hand costs now.
pub(super) fn current_price(row: &Row, wallet: Currency, in_force: &InForce) -> Outcome<Money> {
    priced(row, wallet, &Terms::default(), in_force).map(|priced| priced.map(|p| p.price))
}

fn price(
    row: &Row,
    wallet: Currency,
    markup: Option<Decimal>,
    rate: Option<Decimal>,
    in_force: &InForce,
) -> Outcome<Money> {
    let wholesale = text::currency(&row.wholesale_currency)?;
    let plan = || row.operator_plan_id.clone();
    let rate = if wholesale == wallet {
        Decimal::ONE
    } else if let Some(rate) = rate.or_else(|| in_force.rate(wholesale, wallet)) {
        rate
    } else {
        return Ok(Err(OfferError::NoRate { plan: plan(), wholesale, wallet }));
    };
    let markup = markup.or(in_force.markup_percent).unwrap_or_default();
    let factor = Decimal::ONE_HUNDRED
        .checked_add(markup)
        .and_then(|percent| percent.checked_mul(rate))
        .map(|percent| percent / Decimal::ONE_HUNDRED);
    let Some(factor) = factor.filter(|factor| !factor.is_sign_negative()) else {
        let why = format!("{markup} percent at a rate of {rate} gives none");
        return Ok(Err(OfferError::Price { plan: plan(), why }));
    };
    let price = Money::from_micros(row.wholesale_price).scaled_to_cents(factor);
    Ok(price.map_err(|error| OfferError::Price { plan: plan(), why: error.to_string() }))
}

async fn wallet_currency(tx: &mut Tx, org: OrgId) -> Result<Option<Currency>, DbError> {
    let row = opt!(tx, (String,), "SELECT currency FROM organizations WHERE id = $1", org.0)?;
    row.map(|(code,)| text::currency(&code)).transpose()
}

async fn selected(tx: &mut Tx, org: OrgId, selection: &Selection) -> Outcome<Vec<Row>> {
    match selection {
        Selection::All => Ok(Ok(all!(
            tx,
            Row,
            concat!(
                "SELECT ",
                columns!(),
                " FROM plans p
                 LEFT JOIN organization_plans op ON op.plan_id = p.id AND op.org_id = $1
                 WHERE p.offered = $2 ORDER BY p.operator_plan_id"
            ),
            org.0,
            true
        )?)),
        Selection::These(plans) => {
            let mut rows = Vec::with_capacity(plans.len());
            for plan in plans {
                match find(tx, org, plan).await? {
                    Some(row) => rows.push(row),
                    None => return Ok(Err(OfferError::UnknownPlan(plan.clone()))),
                }
            }
            Ok(Ok(rows))
        }
    }
}

/// A plan by its id, or by its id at the operator.
async fn find(tx: &mut Tx, org: OrgId, plan: &str) -> Result<Option<Row>, DbError> {
    let id = Uuid::parse_str(plan).ok().map(PlanId);
    Ok(opt!(
        tx,
        Row,
        concat!(
            "SELECT ",
            columns!(),
            " FROM plans p
             LEFT JOIN organization_plans op ON op.plan_id = p.id AND op.org_id = $1
             WHERE p.operator_plan_id = $2 OR p.id = $3"
        ),
        org.0,
        plan,
        id.map(|id| id.0)
    )?)
}

async fn upsert(
    tx: &mut Tx,
    org: OrgId,
    plan: Uuid,
    priced: &Priced,
    enabled: bool,
    at: Timestamp,
) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO organization_plans (org_id, plan_id, price, by_hand, markup, rate, enabled,
             updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (org_id, plan_id) DO UPDATE
         SET price = excluded.price, by_hand = excluded.by_hand, markup = excluded.markup,
             rate = excluded.rate, enabled = excluded.enabled, updated_at = excluded.updated_at",
        org.0,
        plan,
        priced.price.micros(),
        priced.by_hand,
        priced.markup.map(|percent| percent.to_string()),
        priced.rate.map(|rate| rate.to_string()),
        enabled,
        Time::from(at)
    )?;
    Ok(())
}
