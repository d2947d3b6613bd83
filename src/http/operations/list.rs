//! `GET /operations`: the organization's attempts, newest first.

use super::view::OperationView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::Validate;
use crate::http::page::{Page, PageRequest};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::store::attempts::{self, AttemptFilter};
use actix_web::web;
use bappy_actors::model::{OperationId, OperationKind, OperationState};
use serde::Deserialize;

/// The filters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    state: Option<OperationState>,
    kind: Option<OperationKind>,
    /// Operations under this `Idempotency-Key`.
    #[param(pattern = r"^[^\u0000]*$", example = "order-4711")]
    idempotency_key: Option<String>,
}

impl Validate for Filter {}

/// List operations
///
/// Attempts to change something, newest first.
#[utoipa::path(
    get,
    path = "/operations",
    operation_id = "listOperations",
    tag = "Operations",
    params(PageRequest, Filter),
    responses(
        (status = 200, description = "A page of operations.", body = Page<OperationView>),
    ),
)]
pub(super) async fn list(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    page: PageRequest,
    StrictQuery(filter): StrictQuery<Filter>,
) -> Result<Success<Page<OperationView>>, ApiError> {
    let filter = AttemptFilter {
        state: filter.state,
        kind: filter.kind,
        idempotency_key: filter.idempotency_key,
    };
    let window = page.window(|key| key.parse().ok().map(OperationId))?;
    let mut tx = api.read(organization.id).await?;
    let part = attempts::list(&mut tx, organization.id, &filter, &window).await?;
    Ok(Success::new(Page::of(&page, part, ToString::to_string).map(Into::into)))
}
