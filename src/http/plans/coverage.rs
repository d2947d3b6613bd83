//! `GET /plans/{plan_id}/coverage`: where a plan works, network by network.

use super::find;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::tenant::Tenant;
use crate::reference::{Region, country, network};
use actix_web::web;
use bappy_actors::model::{CoverageCountry, NetworkOperator, Plan, PlanId};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where a plan works.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanCoverage {
    plan_id: PlanId,
    total_countries: usize,
    total_operators: usize,
    countries: Vec<CountryView>,
}

/// A country with the networks there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CoveredCountry)]
pub struct CountryView {
    code: String,
    /// The code, where we know no name for it.
    name: String,
    region: Option<Region>,
    operators: Vec<OperatorView>,
}

/// A network.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CoveredOperator)]
pub struct OperatorView {
    name: String,
    mcc: String,
    mnc: String,
    network_types: Vec<String>,
}

/// Where does a plan work?
///
/// Its countries, with the networks of each.
#[utoipa::path(
    get,
    path = "/plans/{plan_id}/coverage",
    operation_id = "getPlanCoverage",
    tag = "Plans",
    params(("plan_id" = Uuid, Path, description = "The plan's id.")),
    responses(
        (status = 200, description = "Where it works.", body = PlanCoverage),
        (status = 404, description = "PLAN_NOT_FOUND"),
    ),
)]
pub(super) async fn coverage(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    path: web::Path<String>,
) -> Result<Success<PlanCoverage>, ApiError> {
    let plan = find(&api, organization.id, &path).await?;
    Ok(Success::new(plan.into()))
}

impl From<Plan> for PlanCoverage {
    /// Countries by code, the networks of each by their codes, each once however often listed.
    fn from(plan: Plan) -> Self {
        let mut countries: BTreeMap<String, Vec<NetworkOperator>> = BTreeMap::new();
        for CoverageCountry { country, networks } in plan.coverage.0 {
            countries.entry(country).or_default().extend(networks);
        }
        let countries: Vec<_> = countries.into_iter().map(CountryView::new).collect();
        Self {
            plan_id: plan.id,
            total_countries: countries.len(),
            total_operators: countries.iter().map(|country| country.operators.len()).sum(),
            countries,
        }
    }
}

impl CountryView {
    fn new((code, mut networks): (String, Vec<NetworkOperator>)) -> Self {
        networks.sort_by(|a, b| (&a.mcc, &a.mnc).cmp(&(&b.mcc, &b.mnc)));
        networks.dedup_by(|a, b| (&a.mcc, &a.mnc) == (&b.mcc, &b.mnc));
        let known = country(&code);
        Self {
            name: known.map_or_else(|| code.clone(), |country| country.name.clone()),
            region: known.map(|country| country.region),
            operators: networks.into_iter().map(|n| OperatorView::new(n, &code)).collect(),
            code,
        }
    }
}

impl OperatorView {
    /// Under the name that every other answer has for it, where we know the network.
    fn new(listed: NetworkOperator, country: &str) -> Self {
        let known = network(&listed.mcc, &listed.mnc, Some(country));
        let types = match known {
            Some(known) if listed.technologies.is_empty() => known.network_types.clone(),
            _ => listed.technologies,
        };
        Self {
            name: known.map_or(listed.name, |known| known.name().to_owned()),
            mcc: listed.mcc,
            mnc: listed.mnc,
            network_types: types,
        }
    }
}
