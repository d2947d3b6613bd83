//! Reads the catalogue: what an organization may buy, and for the commands all of it. Called by
//! `GET /plans…`, by the creation of Links and top-ups, and by `plan list`.
//!
//! **Invariant:** an organization sees a plan only where it is enabled for it and still offered.

use super::super::page::{Part, Window, containing};
use super::super::plans::{Row, WithCoverage, plan_columns};
use super::super::{DbError, Text, Time, Tx, text};
use bappy_actors::model::{CoverageType, Currency, Money, OrgId, Plan, PlanId, Timestamp};
use sqlx::AssertSqlSafe;

/// Which plans are wanted; what is none does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanFilter {
    /// Of this region.
    pub region: Option<String>,
    /// This wide.
    pub coverage_type: Option<CoverageType>,
    /// Of this sponsor profile.
    pub sponsor_id: Option<String>,
    /// That work on cards of this sponsor profile too; what a Link's plans are held to.
    pub card_sponsor_id: Option<String>,
    /// That work in this country (ISO 3166-1 alpha-2).
    pub country: Option<String>,
    /// With this in their names.
    pub search: Option<String>,
}

/// A plan as the operator sells it, whether offered or not.
#[derive(Clone, Debug, PartialEq)]
pub struct CataloguePlan {
    /// The plan, at no price and without its coverage's networks.
    pub plan: Plan,
    /// What the operator charges us.
    pub wholesale_price: Money,
    /// In which currency.
    pub wholesale_currency: Currency,
    /// Whether the operator still sells it.
    pub offered: bool,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A plan at one organization's price.
#[derive(Clone, Debug, PartialEq)]
pub struct PricedPlan {
    /// The plan, at the organization's price and without its coverage's networks.
    pub plan: Plan,
    /// Whether its price was set by hand.
    pub by_hand: bool,
    /// Whether the organization may buy it, as long as the operator offers it.
    pub enabled: bool,
    /// Whether the operator still sells it.
    pub offered: bool,
}

const SOLD: &str = " FROM organization_plans op JOIN plans p ON p.id = op.plan_id
     JOIN sponsors s ON s.id = p.sponsor_id
     WHERE op.org_id = $1 AND op.enabled = $2 AND p.offered = $2";

/// The plans that an organization may buy, by name and then id; `coverage` of each is empty. The
/// key is the id: a name comes from outside, is as long as it likes, and may change. Nothing
/// follows a plan that is not known.
pub async fn sold(
    tx: &mut Tx,
    org: OrgId,
    filter: &PlanFilter,
    window: &Window<PlanId>,
) -> Result<Part<Plan, PlanId>, DbError> {
    let condition = format!("{SOLD}{}", filter.condition());
    let upper = |code: &Option<String>| code.as_ref().map(|code| code.to_uppercase());
    let region = upper(&filter.region);
    let country = upper(&filter.country).map(|code| containing(&format!(",{code},")));
    let search = filter.search.as_deref().map(containing);
    let coverage_type = filter.coverage_type.map(|wide| wide.word());
    let total = one!(
        tx,
        (i64,),
        AssertSqlSafe(format!("SELECT COUNT(*){condition}")),
        org.0,
        true,
        region.as_deref(),
        coverage_type,
        filter.sponsor_id.as_deref(),
        filter.card_sponsor_id.as_deref(),
        country.as_deref(),
        search.as_deref()
    )?
    .0;
    let Some(walk) = window.walk(total) else { return Ok(Part::empty(total)) };
    let after = window.after();
    let past = match after {
        Some(_) => " AND (p.name, p.id) > (SELECT k.name, k.id FROM plans k WHERE k.id = $9)",
        None => "",
    };
    let order = if walk.backwards { "p.name DESC, p.id DESC" } else { "p.name, p.id" };
    let columns = plan_columns!();
    let rows = all!(
        tx,
        Row,
        AssertSqlSafe(format!(
            "SELECT {columns}, op.price{condition}{past} ORDER BY {order} LIMIT $10 OFFSET $11"
        )),
        org.0,
        true,
        region.as_deref(),
        coverage_type,
        filter.sponsor_id.as_deref(),
        filter.card_sponsor_id.as_deref(),
        country.as_deref(),
        search.as_deref(),
        after.map(|id| id.0),
        walk.limit,
        walk.offset
    )?;
    let plans = rows.into_iter().map(Plan::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(window.part(plans, walk, total, |plan| plan.id))
}

impl PlanFilter {
    /// What is asked for, in SQL.
    fn condition(&self) -> String {
        let parts = [
            (self.region.is_some(), " AND p.region = $3"),
            (self.coverage_type.is_some(), " AND p.coverage_type = $4"),
            (self.sponsor_id.is_some(), " AND p.sponsor_id = $5"),
            (self.card_sponsor_id.is_some(), " AND p.sponsor_id = $6"),
            (self.country.is_some(), r" AND (',' || p.countries || ',') LIKE $7 ESCAPE '\'"),
            (self.search.is_some(), r" AND LOWER(p.name) LIKE LOWER($8) ESCAPE '\'"),
        ];
        parts.into_iter().filter(|(wanted, _)| *wanted).map(|(_, sql)| sql).collect()
    }
}

/// A plan that an organization may buy, with its coverage.
pub async fn sold_plan(tx: &mut Tx, org: OrgId, id: PlanId) -> Result<Option<Plan>, DbError> {
    let columns = plan_columns!();
    let row = opt!(
        tx,
        WithCoverage,
        AssertSqlSafe(format!("SELECT {columns}, op.price, p.coverage{SOLD} AND op.plan_id = $3")),
        org.0,
        true,
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// How many plans of each region an organization may buy.
pub async fn regions(tx: &mut Tx, org: OrgId) -> Result<Vec<(String, i64)>, DbError> {
    Ok(all!(
        tx,
        (String, i64),
        AssertSqlSafe(format!(
            "SELECT p.region, COUNT(*){SOLD} AND p.region IS NOT NULL
             GROUP BY p.region ORDER BY p.region"
        )),
        org.0,
        true
    )?)
}

/// The whole catalogue, by the operator's ids; thousands of rows at most.
pub async fn all(tx: &mut Tx) -> Result<Vec<CataloguePlan>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Wholesale {
        #[sqlx(flatten)]
        plan: Row,
        currency: String,
        offered: bool,
        updated_at: Time,
    }
    let rows = all!(
        tx,
        Wholesale,
        concat!(
            "SELECT ",
            plan_columns!(),
            ", p.wholesale_price AS price, p.wholesale_currency AS currency, p.offered, p.updated_at
             FROM plans p JOIN sponsors s ON s.id = p.sponsor_id ORDER BY p.operator_plan_id"
        )
    )?;
    let plan = |row: Wholesale| {
        let mut plan = Plan::try_from(row.plan)?;
        Ok(CataloguePlan {
            wholesale_price: std::mem::take(&mut plan.price),
            plan,
            wholesale_currency: text::currency(&row.currency)?,
            offered: row.offered,
            updated_at: row.updated_at.into(),
        })
    };
    rows.into_iter().map(plan).collect()
}

/// All plans that have a price for an organization, enabled or not, by the operator's ids.
pub async fn priced(tx: &mut Tx, org: OrgId) -> Result<Vec<PricedPlan>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Priced {
        #[sqlx(flatten)]
        plan: Row,
        by_hand: bool,
        enabled: bool,
        offered: bool,
    }
    let rows = all!(
        tx,
        Priced,
        concat!(
            "SELECT ",
            plan_columns!(),
            ", op.price, op.by_hand, op.enabled, p.offered
             FROM organization_plans op JOIN plans p ON p.id = op.plan_id
             JOIN sponsors s ON s.id = p.sponsor_id
             WHERE op.org_id = $1 ORDER BY p.operator_plan_id"
        ),
        org.0
    )?;
    let plan = |row: Priced| {
        let Priced { plan, by_hand, enabled, offered } = row;
        Ok(PricedPlan { plan: plan.try_into()?, by_hand, enabled, offered })
    };
    rows.into_iter().map(plan).collect()
}
