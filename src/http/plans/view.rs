//! A Plan as partners see it.

use crate::http::show;
use crate::reference::Region;
use bappy_actors::model::{CoverageType, Currency, Money, Plan, PlanId, Sponsor, Volume};
use serde::Serialize;
use utoipa::ToSchema;

/// What can be bought: a volume of data, for so many days, in some countries.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub struct PlanView {
    id: PlanId,
    #[schema(example = "France 1 GB, 7 days")]
    name: String,
    /// What your wallet is charged.
    retail_price: Money,
    /// The same figure, under the name that earlier clients read.
    partner_cost: Money,
    /// The currency of your wallet.
    currency: Currency,
    /// Data volume in gigabytes (10^9 bytes).
    #[serde(serialize_with = "show::gigabytes")]
    data_gb: Volume,
    /// Data volume in megabytes (10^6 bytes).
    data_mb: Volume,
    /// Days from activation to expiry.
    #[schema(minimum = 1, example = 7)]
    validity_days: i32,
    coverage_type: CoverageType,
    /// Code of the region; null for a global plan.
    #[schema(value_type = Option<Region>)]
    region: Option<String>,
    coverage: CoverageView,
    /// The families of cards that the plan runs on. It can be added to a Link of one of them.
    #[schema(value_type = Vec<Sponsor>, min_items = 1)]
    sponsor_profiles: [Sponsor; 1],
}

/// Where something works, in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Coverage)]
pub struct CoverageView {
    /// ISO 3166-1 alpha-2 codes, sorted.
    #[schema(example = json!(["FR"]))]
    countries: Vec<String>,
    #[schema(example = 1)]
    total_countries: usize,
    /// Mobile networks that can be used, over all countries.
    #[schema(minimum = 0, example = 4)]
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
