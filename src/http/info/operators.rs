//! `GET /info/operators`: the mobile networks of a country.

use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::{FieldErrors, Validate};
use crate::http::page::{Page, PageRequest};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::reference::{Country, Network, networks_found};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The parameters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// A country's name, a part of it, or its ISO code.
    #[param(pattern = r"^[^\u0000]*\S[^\u0000]*$", example = "France")]
    search: String,
}

impl Validate for Parameters {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.search.trim().is_empty() {
            errors.add("search", "search must be a country's name, a part of it, or its ISO code.");
        }
    }
}

/// A mobile network.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MobileOperator)]
pub struct OperatorView {
    name: &'static str,
    country: CountryView,
    mcc: &'static str,
    mnc: &'static str,
    network_types: &'static [String],
}

/// A country.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Country)]
pub struct CountryView {
    code: &'static str,
    name: &'static str,
}

impl From<(&'static Network, &'static Country)> for OperatorView {
    fn from((network, country): (&'static Network, &'static Country)) -> Self {
        Self {
            name: network.name(),
            country: CountryView { code: &country.code, name: &country.name },
            mcc: &network.mcc,
            mnc: &network.mnc,
            network_types: &network.network_types,
        }
    }
}

/// List mobile operators
///
/// The networks of the countries that are found.
#[utoipa::path(
    get,
    path = "/info/operators",
    operation_id = "listOperators",
    tag = "Info",
    params(PageRequest, Parameters),
    responses(
        (status = 200, description = "A page of networks.", body = Page<OperatorView>),
    ),
)]
pub(super) async fn operators(
    Tenant(_): Tenant,
    page: PageRequest,
    StrictQuery(parameters): StrictQuery<Parameters>,
) -> Result<Success<Page<OperatorView>>, ApiError> {
    let window = page.window(|key| key.parse::<usize>().ok())?;
    let part = window.of(networks_found(parameters.search.trim()));
    Ok(Success::new(Page::of(&page, part, ToString::to_string).map(Into::into)))
}
