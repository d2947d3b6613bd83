//! `GET /links/{identifier}`: a Link in full.

use super::view::LinkView;
use super::{current, link_id};
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::identifier::Identifier;
use crate::http::tenant::Tenant;
use actix_web::web;

/// Read a Link
///
/// With its activations, what they cover, and its use as the provider last told it.
#[utoipa::path(
    get,
    path = "/links/{identifier}",
    operation_id = "getLink",
    tag = "Links",
    params(Identifier),
    responses(
        (status = 200, description = "The Link.", body = LinkView),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
pub(super) async fn get(
    Tenant(organization): Tenant,
    identifier: Identifier,
    api: web::Data<Api>,
) -> Result<Success<LinkView>, ApiError> {
    let id = link_id(&api, organization.id, identifier).await?;
    let snapshot = current(&api, organization.id, id).await?;
    Ok(Success::new(LinkView::new(snapshot, &api.base())))
}
