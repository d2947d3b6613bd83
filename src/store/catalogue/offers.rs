//! Which plans an organization may buy, and at which price. Called by `plan enable`, `disable` and
//! `price`, and by the sandbox.
//!
//! **Invariant:** all plans of one call are enabled or none; why not is said before anything is
//! written, so an inner `Err` has changed nothing.

use super::super::{DbError, Time, Tx, text};
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
    /// Percent on the wholesale price, rounded half up to cents. None: a price already set stays,
    /// a plan without one is sold at wholesale.
    pub markup_percent: Option<Decimal>,
    /// What one unit of a wholesale currency is in the wallet's currency.
    pub rates: BTreeMap<Currency, Decimal>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    operator_plan_id: String,
    wholesale_price: i64,
    wholesale_currency: String,
    offered: bool,
    price: Option<i64>,
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
    let rows = match selected(tx, org, selection).await? {
        Ok(rows) => rows,
        Err(error) => return Ok(Err(error)),
    };
    let mut prices = Vec::with_capacity(rows.len());
    for row in &rows {
        if !row.offered {
            return Ok(Err(OfferError::NotOffered(row.operator_plan_id.clone())));
        }
        match price(row, wallet, terms)? {
            Ok(price) => prices.push((row.id, price)),
            Err(error) => return Ok(Err(error)),
        }
    }
    for (plan, price) in &prices {
        upsert(tx, org, *plan, *price, true, at).await?;
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

/// Sets the price of one plan in the wallet's currency; gives whether it is enabled. One that is
/// not stays so.
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
        "UPDATE organization_plans SET price = $3, updated_at = $4
         WHERE org_id = $1 AND plan_id = $2",
        org.0,
        row.id,
        price.micros(),
        Time::from(at)
    )?;
    if changed == 0 {
        upsert(tx, org, row.id, price, false, at).await?;
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

/// What a plan costs the organization under these terms.
fn price(row: &Row, wallet: Currency, terms: &Terms) -> Outcome<Money> {
    if let (Some(price), None) = (row.price, terms.markup_percent) {
        return Ok(Ok(Money::from_micros(price)));
    }
    let wholesale = text::currency(&row.wholesale_currency)?;
    let plan = || row.operator_plan_id.clone();
    let rate = match terms.rates.get(&wholesale) {
        _ if wholesale == wallet => Decimal::ONE,
        Some(rate) => *rate,
        None => return Ok(Err(OfferError::NoRate { plan: plan(), wholesale, wallet })),
    };
    let markup = terms.markup_percent.unwrap_or_default();
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
            "SELECT p.id, p.operator_plan_id, p.wholesale_price, p.wholesale_currency, p.offered,
                 op.price
             FROM plans p LEFT JOIN organization_plans op ON op.plan_id = p.id AND op.org_id = $1
             WHERE p.offered = $2 ORDER BY p.operator_plan_id",
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
        "SELECT p.id, p.operator_plan_id, p.wholesale_price, p.wholesale_currency, p.offered,
             op.price
         FROM plans p LEFT JOIN organization_plans op ON op.plan_id = p.id AND op.org_id = $1
         WHERE p.operator_plan_id = $2 OR p.id = $3",
        org.0,
        plan,
        id.map(|id| id.0)
    )?)
}

async fn upsert(
    tx: &mut Tx,
    org: OrgId,
    plan: Uuid,
    price: Money,
    enabled: bool,
    at: Timestamp,
) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO organization_plans (org_id, plan_id, price, enabled, updated_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (org_id, plan_id) DO UPDATE
         SET price = excluded.price, enabled = excluded.enabled, updated_at = excluded.updated_at",
        org.0,
        plan,
        price.micros(),
        enabled,
        Time::from(at)
    )?;
    Ok(())
}
