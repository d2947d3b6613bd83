//! Takes over plans as the operator sells them. Called by `plan sync`, `plan import` and the
//! sandbox.

use super::super::{DbError, Text, Time, Tx, text};
use bappy_actors::model::{Sponsor, Timestamp};
use bappy_actors::ports::{CatalogueItem, Ids};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What a synchronization changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Synced {
    /// Plans that are new.
    pub added: u64,
    /// Plans that are not as they were, or are offered again.
    pub changed: u64,
    /// Plans that are as they were.
    pub unchanged: u64,
    /// Plans that the operator sells no more.
    pub withdrawn: u64,
}

/// Takes over `items`. Where they are the `complete` catalogue, plans that are not among them are
/// offered no more; an empty one withdraws nothing: an operator that sells nothing is rarer than
/// one that answers wrongly. Of an item given twice the last counts.
pub async fn sync(
    tx: &mut Tx,
    items: &[CatalogueItem],
    complete: bool,
    ids: &dyn Ids,
    at: Timestamp,
) -> Result<Synced, DbError> {
    // In one order everywhere: two synchronizations at a time wait for each other and never
    // for one another.
    let plans: BTreeMap<&str, &CatalogueItem> =
        items.iter().map(|item| (item.operator_plan_id.as_str(), item)).collect();
    let sponsors: BTreeMap<&str, &Sponsor> =
        items.iter().map(|item| (item.sponsor.id.as_str(), &item.sponsor)).collect();
    for sponsor in sponsors.values() {
        upsert_sponsor(tx, sponsor).await?;
    }
    let mut synced = Synced::default();
    for item in plans.values() {
        let id = ids.next();
        match upsert_plan(tx, item, id, at).await? {
            Some(kept) if kept == id => synced.added += 1,
            Some(_) => synced.changed += 1,
            None => synced.unchanged += 1,
        }
    }
    if complete && !plans.is_empty() {
        let known: BTreeSet<&str> = plans.into_keys().collect();
        synced.withdrawn = withdraw_others(tx, &known, at).await?;
    }
    Ok(synced)
}

async fn upsert_sponsor(tx: &mut Tx, sponsor: &Sponsor) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO sponsors (id, name, color) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, color = excluded.color
         WHERE sponsors.name <> excluded.name OR sponsors.color <> excluded.color",
        sponsor.id.as_str(),
        sponsor.name.as_str(),
        sponsor.color.as_str()
    )?;
    Ok(())
}

/// Inserts a plan under `id`, or changes the one that is there; gives the id under which it was
/// written, none if nothing had to be.
async fn upsert_plan(
    tx: &mut Tx,
    item: &CatalogueItem,
    id: Uuid,
    at: Timestamp,
) -> Result<Option<Uuid>, DbError> {
    let countries: Vec<&str> = item.coverage.countries().into_iter().collect();
    let operators_total = i64::try_from(item.coverage.operators().len()).unwrap_or(i64::MAX);
    let row = opt!(
        tx,
        (Uuid,),
        "INSERT INTO plans (id, operator_plan_id, name, data_kb, validity_days, wholesale_price,
             wholesale_currency, sponsor_id, coverage_type, region, coverage, countries,
             operators_total, offered, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15)
         ON CONFLICT (operator_plan_id) DO UPDATE SET name = excluded.name,
             data_kb = excluded.data_kb, validity_days = excluded.validity_days,
             wholesale_price = excluded.wholesale_price,
             wholesale_currency = excluded.wholesale_currency, sponsor_id = excluded.sponsor_id,
             coverage_type = excluded.coverage_type, region = excluded.region,
             coverage = excluded.coverage, countries = excluded.countries,
             operators_total = excluded.operators_total, offered = excluded.offered,
             updated_at = excluded.updated_at
         WHERE plans.name <> excluded.name OR plans.data_kb <> excluded.data_kb
             OR plans.validity_days <> excluded.validity_days
             OR plans.wholesale_price <> excluded.wholesale_price
             OR plans.wholesale_currency <> excluded.wholesale_currency
             OR plans.sponsor_id <> excluded.sponsor_id
             OR plans.coverage_type <> excluded.coverage_type
             OR COALESCE(plans.region, '') <> COALESCE(excluded.region, '')
             OR plans.coverage <> excluded.coverage OR plans.offered <> excluded.offered
         RETURNING id",
        id,
        item.operator_plan_id.as_str(),
        item.name.as_str(),
        item.data.kb(),
        item.validity_days,
        item.wholesale_price.micros(),
        item.currency.as_str(),
        item.sponsor.id.as_str(),
        item.coverage_type.word(),
        item.region.as_deref(),
        text::to_json(&item.coverage)?,
        countries.join(","),
        operators_total,
        true,
        Time::from(at)
    )?;
    Ok(row.map(|(id,)| id))
}

async fn withdraw_others(
    tx: &mut Tx,
    known: &BTreeSet<&str>,
    at: Timestamp,
) -> Result<u64, DbError> {
    let offered = all!(
        tx,
        (Uuid, String),
        "SELECT id, operator_plan_id FROM plans WHERE offered = $1 ORDER BY operator_plan_id",
        true
    )?;
    let mut withdrawn = 0;
    for (id, operator_plan_id) in offered {
        if !known.contains(operator_plan_id.as_str()) {
            withdrawn += exec!(
                tx,
                "UPDATE plans SET offered = $2, updated_at = $3 WHERE id = $1",
                id,
                false,
                Time::from(at)
            )?;
        }
    }
    Ok(withdrawn)
}
