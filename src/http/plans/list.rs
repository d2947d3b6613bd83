//! `GET /plans`: the plans that an organization may buy.

use super::view::PlanView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::{FieldErrors, Validate};
use crate::http::page::{Page, PageRequest};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::reference::Region;
use crate::store::catalogue::{self, PlanFilter};
use actix_web::web;
use bappy_actors::model::{CoverageType, Organization, PlanId};
use serde::Deserialize;

/// The filters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Plans of this region.
    region: Option<Region>,
    coverage_type: Option<CoverageType>,
    /// Plans for the cards of this sponsor profile (its `id`).
    sponsor_profile: Option<String>,
    /// Plans that work in this country (ISO 3166-1 alpha-2).
    #[param(pattern = "^[A-Za-z]{2}$", example = "FR")]
    country: Option<String>,
    /// Plans whose name contains this, whatever its case.
    #[param(pattern = r"^[^\u0000]*$", example = "France")]
    search: Option<String>,
}

impl Validate for Filter {
    fn validate(&self, errors: &mut FieldErrors) {
        let is_code =
            |code: &String| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
        if self.country.as_ref().is_some_and(|code| !is_code(code)) {
            errors.add("country", "country must be an ISO 3166-1 code of two letters.");
        }
    }
}

/// List plans
///
/// Those that are enabled for you, at your price, in the currency of your wallet.
#[utoipa::path(
    get,
    path = "/plans",
    operation_id = "listPlans",
    tag = "Plans",
    params(PageRequest, Filter),
    responses(
        (status = 200, description = "A page of plans.", body = Page<PlanView>),
    ),
)]
pub(super) async fn list(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    page: PageRequest,
    StrictQuery(filter): StrictQuery<Filter>,
) -> Result<Success<Page<PlanView>>, ApiError> {
    plans(&api, &organization, page, filter, None).await
}

/// A page of plans, if need be only those that run on a sponsor's cards.
pub(in crate::http) async fn plans(
    api: &Api,
    organization: &Organization,
    page: PageRequest,
    filter: Filter,
    card_sponsor_id: Option<String>,
) -> Result<Success<Page<PlanView>>, ApiError> {
    let filter = PlanFilter {
        region: filter.region.map(|region| region.code().to_owned()),
        coverage_type: filter.coverage_type,
        sponsor_id: filter.sponsor_profile,
        card_sponsor_id,
        country: filter.country.map(|code| code.to_ascii_uppercase()),
        search: filter.search,
    };
    let window = page.window(|key| key.parse().ok().map(PlanId))?;
    let mut tx = api.read(organization.id).await?;
    let part = catalogue::sold(&mut tx, organization.id, &filter, &window).await?;
    let currency = organization.currency;
    Ok(Success::new(
        Page::of(&page, part, ToString::to_string).map(|plan| PlanView::new(plan, currency)),
    ))
}
