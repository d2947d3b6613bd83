//! Plans: what can be sold, and where it works.

use super::{Money, PlanId, Volume};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A sponsor profile: the family of cards a plan runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sponsor {
    /// Its id.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// A colour for user interfaces, such as `#0a7`.
    pub color: String,
}

/// How wide a plan's coverage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CoverageType {
    /// One country.
    Country,
    /// A region.
    Regional,
    /// The world.
    Global,
}

/// A network in a plan's coverage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkOperator {
    /// Its name as listed in the catalogue.
    pub name: String,
    /// Mobile country code, three digits.
    pub mcc: String,
    /// Mobile network code, two or three digits.
    pub mnc: String,
    /// Network types, such as `4G`.
    #[serde(default)]
    pub technologies: Vec<String>,
}

/// A country in a plan's coverage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageCountry {
    /// ISO 3166-1 alpha-2 code.
    pub country: String,
    /// Networks usable there.
    #[serde(default)]
    pub networks: Vec<NetworkOperator>,
}

/// Where a plan works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coverage(pub Vec<CoverageCountry>);

impl Coverage {
    /// ISO codes of its countries, sorted, each once.
    pub fn countries(&self) -> BTreeSet<&str> {
        self.0.iter().map(|c| c.country.as_str()).collect()
    }

    /// Its networks by country, MCC and MNC, each once.
    pub fn operators(&self) -> BTreeSet<(&str, &str, &str)> {
        self.0
            .iter()
            .flat_map(|c| {
                c.networks.iter().map(|n| (c.country.as_str(), n.mcc.as_str(), n.mnc.as_str()))
            })
            .collect()
    }
}

/// A plan of the catalogue, as one organization may buy it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Its id in this platform.
    pub id: PlanId,
    /// Its id at the operator.
    pub operator_plan_id: String,
    /// Its display name.
    pub name: String,
    /// What the organization's wallet is charged.
    pub price: Money,
    /// Data volume.
    pub data: Volume,
    /// Days from activation to expiry.
    pub validity_days: i32,
    /// How wide its coverage is.
    pub coverage_type: CoverageType,
    /// Region code (EU, AF, AS, LA, NA, OC); none for global.
    pub region: Option<String>,
    /// The cards it runs on.
    pub sponsor: Sponsor,
    /// Where it works.
    pub coverage: Coverage,
    /// ISO codes of its countries, sorted.
    pub countries: Vec<String>,
    /// How many networks it covers.
    pub operators_total: i64,
}
