//! `GET /links`: the organization's Links, newest first.

use super::view::LinkSummary;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::Validate;
use crate::http::page::{Page, PageRequest};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::store::link_summaries::{self, LinkFilter};
use actix_web::web;
use bappy_actors::model::{LinkId, LinkStatus, SimKind};
use serde::Deserialize;

/// The filters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    status: Option<LinkStatus>,
    r#type: Option<SimKind>,
    /// Links whose name, ICCID, MSISDN or id contains this, whatever its case.
    #[param(pattern = r"^[^\u0000]*$", example = "Ada")]
    search: Option<String>,
}

impl Validate for Filter {}

/// List Links
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/links",
    operation_id = "listLinks",
    tag = "Links",
    params(PageRequest, Filter),
    responses(
        (status = 200, description = "A page of Links.", body = Page<LinkSummary>),
    ),
)]
pub(super) async fn list(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    page: PageRequest,
    StrictQuery(filter): StrictQuery<Filter>,
) -> Result<Success<Page<LinkSummary>>, ApiError> {
    let filter = LinkFilter { status: filter.status, kind: filter.r#type, search: filter.search };
    let window = page.window(|key| key.parse().ok().map(LinkId))?;
    let mut tx = api.read(organization.id).await?;
    let part = link_summaries::list(&mut tx, organization.id, &filter, &window).await?;
    Ok(Success::new(Page::of(&page, part, ToString::to_string).map(Into::into)))
}
