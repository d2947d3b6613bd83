//! A plan as the catalogue shows it.

use serde::Serialize;

use super::CoveredCountry;
use crate::{reference::Region, sandbox::operator::sponsor::Sponsor};

/// How far a plan reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CoverageType {
    /// One country.
    Country,
    /// The countries of one region.
    Regional,
    /// Every country.
    Global,
}

/// A plan: a volume of data for a time on one sponsor's cards.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(in super::super) struct Plan {
    /// Such as `meridian-fr-1gb-7d`.
    #[serde(rename = "plan_id")]
    pub id: String,
    /// Such as `France 1 GB, 7 days`.
    pub name: String,
    /// Volume in MB (1 GB is 1,000).
    pub data_mb: u64,
    /// How long it lasts, from its activation.
    pub validity_days: u32,
    /// What it costs the reseller: a decimal with two digits.
    pub wholesale_price: String,
    /// ISO 4217, always USD.
    pub currency: &'static str,
    /// Whose cards it sells on.
    pub sponsor: &'static Sponsor,
    pub(super) coverage_type: CoverageType,
    /// `None` for a global plan.
    pub region: Option<Region>,
    /// Where it works and on which networks.
    pub coverage: Vec<CoveredCountry>,
}
