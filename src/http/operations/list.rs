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
#[derive(Deserialize)]
pub struct Filter {
    state: Option<OperationState>,
    kind: Option<OperationKind>,
    idempotency_key: Option<String>,
}

impl Validate for Filter {}

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
    let mut tx = api.read().await?;
    let part = attempts::list(&mut tx, organization.id, &filter, &window).await?;
    Ok(Success::new(Page::of(&page, part, ToString::to_string).map(Into::into)))
}
