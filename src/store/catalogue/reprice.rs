//! Takes over plans together with the terms they are sold at, and brings every price that was not
//! set by hand up to date. Called by `plan sync` and `plan import`.
//!
//! **Invariant:** an inner `Err` has changed nothing: plans, terms and prices go together.

use super::super::{DbError, Time, Tx, text};
use super::offers::{OfferError, Row, columns, current_price};
use super::sync::{Synced, sync};
use super::terms::{self, InForce, Rate};
use bappy_actors::model::Timestamp;
use bappy_actors::ports::{CatalogueItem, Ids};
use rust_decimal::Decimal;
use uuid::Uuid;

/// What taking over a catalogue changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// Plans.
    pub plans: Synced,
    /// Prices of organizations that are not as they were.
    pub repriced: u64,
    /// The terms that prices follow now.
    pub terms: InForce,
}

/// New terms for the catalogue; what is not given stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTerms {
    /// Percent on wholesale prices.
    pub markup_percent: Option<Decimal>,
    /// Rates between currencies.
    pub rates: Vec<Rate>,
}

type Outcome<T> = Result<Result<T, OfferError>, DbError>;

/// Takes over `items` as [`sync()`] does, sets the terms, and prices what was not priced by hand.
pub async fn take_over(
    tx: &mut Tx,
    items: &[CatalogueItem],
    complete: bool,
    new: &NewTerms,
    ids: &dyn Ids,
    at: Timestamp,
) -> Outcome<TakenOver> {
    // A price a plan and organization: there may be millions.
    tx.at_leisure().await?;
    // The plans must be written before it is known whether each can be priced.
    exec!(tx, "SAVEPOINT take_over")?;
    let plans = sync(tx, items, complete, ids, at).await?;
    let priced = apply(tx, new, at).await?;
    match &priced {
        Ok(_) => exec!(tx, "RELEASE SAVEPOINT take_over")?,
        Err(_) => exec!(tx, "ROLLBACK TO SAVEPOINT take_over")?,
    };
    Ok(priced.map(|(repriced, terms)| TakenOver { plans, repriced, terms }))
}

async fn apply(tx: &mut Tx, new: &NewTerms, at: Timestamp) -> Outcome<(u64, InForce)> {
    let rates = match terms::resolve(tx, &new.rates).await? {
        Ok(rates) => rates,
        Err(error) => return Ok(Err(error)),
    };
    terms::set_rates(tx, &rates).await?;
    if let Some(percent) = new.markup_percent {
        terms::set_markup(tx, percent).await?;
    }
    let in_force = terms::in_force(tx).await?;
    Ok(reprice(tx, &in_force, at).await?.map(|repriced| (repriced, in_force)))
}

#[derive(sqlx::FromRow)]
struct Sold {
    #[sqlx(flatten)]
    plan: Row,
    org_id: Uuid,
    wallet_currency: String,
    enabled: bool,
}

/// Prices anew what is not priced by hand; gives how many prices changed.
async fn reprice(tx: &mut Tx, in_force: &InForce, at: Timestamp) -> Outcome<u64> {
    let rows = all!(
        tx,
        Sold,
        concat!(
            "SELECT ",
            columns!(),
            ", o.id AS org_id, o.currency AS wallet_currency, op.enabled
             FROM organization_plans op JOIN plans p ON p.id = op.plan_id
             JOIN organizations o ON o.id = op.org_id
             WHERE op.by_hand = $1 ORDER BY o.id, p.operator_plan_id"
        ),
        false
    )?;
    let mut repriced = 0;
    for Sold { plan, org_id, wallet_currency, enabled } in rows {
        let price = match current_price(&plan, text::currency(&wallet_currency)?, in_force)? {
            Ok(price) => price,
            Err(error) if enabled && plan.offered => return Ok(Err(error)),
            // Not for sale: priced again when it is enabled.
            Err(_) => continue,
        };
        if plan.price == Some(price.micros()) {
            continue;
        }
        repriced += exec!(
            tx,
            "UPDATE organization_plans SET price = $3, updated_at = $4
             WHERE org_id = $1 AND plan_id = $2",
            org_id,
            plan.id,
            price.micros(),
            Time::from(at)
        )?;
    }
    Ok(Ok(repriced))
}
