//! A Plan as partners see it.

use crate::http::show;
use bappy_actors::model::{CoverageType, Currency, Money, Plan, PlanId, Sponsor, Volume};
use serde::Serialize;

/// A Plan.
#[derive(Debug, Serialize)]
pub struct PlanView {
    id: PlanId,
    name: String,
    retail_price: Money,
    partner_cost: Money,
    currency: Currency,
    #[serde(serialize_with = "show::gigabytes")]
    data_gb: Volume,
    data_mb: Volume,
    validity_days: i32,
    coverage_type: CoverageType,
    region: Option<String>,
    coverage: CoverageView,
    sponsor_profiles: [Sponsor; 1],
}

/// Where something works, in short.
#[derive(Debug, Serialize)]
pub struct CoverageView {
    countries: Vec<String>,
    total_countries: usize,
    total_operators: i64,
}

impl CoverageView {
    /// Of these countries (ISO codes, sorted) with so many networks.
    pub fn new(countries: Vec<String>, total_operators: i64) -> Self {
        Self { total_countries: countries.len(), countries, total_operators }
    }
}

impl PlanView {
    /// A plan at an organization's price, in its wallet's currency.
    pub fn new(plan: Plan, currency: Currency) -> Self {
        Self {
            id: plan.id,
            name: plan.name,
            retail_price: plan.price,
            partner_cost: plan.price,
            currency,
            data_gb: plan.data,
            data_mb: plan.data,
            validity_days: plan.validity_days,
            coverage_type: plan.coverage_type,
            region: plan.region,
            coverage: CoverageView::new(plan.countries, plan.operators_total),
            sponsor_profiles: [plan.sponsor],
        }
    }
}
