//! `GET /operations/{id}`: one attempt.

use super::view::OperationView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::tenant::Tenant;
use crate::store::attempts;
use actix_web::web;
use bappy_actors::model::OperationId;
use uuid::Uuid;

/// Read an operation
///
/// Its id is in the header `Operation-Id` of the call that it belongs to.
#[utoipa::path(
    get,
    path = "/operations/{id}",
    operation_id = "getOperation",
    tag = "Operations",
    params(("id" = Uuid, Path, description = "The operation's id.")),
    responses(
        (status = 200, description = "The operation.", body = OperationView),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
pub(super) async fn get(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    path: web::Path<String>,
) -> Result<Success<OperationView>, ApiError> {
    let id = Uuid::try_parse(&path).map_err(|_| ApiError::not_found())?;
    let mut tx = api.read(organization.id).await?;
    let found = attempts::get(&mut tx, organization.id, OperationId(id)).await?;
    Ok(Success::new(found.ok_or_else(ApiError::not_found)?.into()))
}
