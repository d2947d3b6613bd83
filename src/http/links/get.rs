//! `GET /links/{identifier}`: a Link in full.

use super::answers::Ready;
use super::view::LinkView;
use super::{current, link_id};
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::identifier::Identifier;
use crate::http::tenant::Tenant;
use actix_web::web;

/// The route.
pub(super) const PATH: &str = "/links/{identifier}";

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
) -> Result<Success<Ready>, ApiError> {
    let org = organization.id;
    let id = link_id(&api, org, identifier).await?;
    if let Some(ready) = api.link_answers.find(&api, org, id).await {
        return Ok(Success::new(ready));
    }
    let revision = api.database.revision(id);
    let (snapshot, usage) = current(&api, org, id).await?;
    let ready = api.link_answers.make(org, snapshot, &api.base(), revision, usage).await?;
    Ok(Success::new(ready))
}
