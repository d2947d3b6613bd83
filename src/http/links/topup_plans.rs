//! `GET /links/{identifier}/topup-plans`: the plans that run on a Link's card.

use super::link_id;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::identifier::Identifier;
use crate::http::page::{Page, PageRequest};
use crate::http::plans::list::{Filter, plans};
use crate::http::plans::view::PlanView;
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use actix_web::web;

/// List the plans that fit a Link
///
/// Those that run on its card and are enabled for you.
#[utoipa::path(
    get,
    path = "/links/{identifier}/topup-plans",
    operation_id = "listTopUpPlans",
    tag = "Links",
    params(Identifier, PageRequest, Filter),
    responses(
        (status = 200, description = "A page of plans.", body = Page<PlanView>),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
pub(super) async fn topup_plans(
    Tenant(organization): Tenant,
    identifier: Identifier,
    api: web::Data<Api>,
    page: PageRequest,
    StrictQuery(filter): StrictQuery<Filter>,
) -> Result<Success<Page<PlanView>>, ApiError> {
    let id = link_id(&api, organization.id, identifier).await?;
    let link = api.store.link(organization.id, id).await?;
    let link = link.ok_or_else(ApiError::not_found)?;
    plans(&api, &organization, page, filter, Some(link.sponsor.id)).await
}
