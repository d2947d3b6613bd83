//! `GET /plans/{plan_id}`: one plan.

use super::view::PlanView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::error_kind::ErrorKind;
use crate::http::tenant::Tenant;
use crate::store::catalogue;
use actix_web::web;
use bappy_actors::model::PlanId;
use uuid::Uuid;

/// Read a plan
#[utoipa::path(
    get,
    path = "/plans/{plan_id}",
    operation_id = "getPlan",
    tag = "Plans",
    params(("plan_id" = Uuid, Path, description = "The plan's id.")),
    responses(
        (status = 200, description = "The plan.", body = PlanView),
        (status = 404, description = "PLAN_NOT_FOUND"),
    ),
)]
pub(super) async fn get(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    path: web::Path<String>,
) -> Result<Success<PlanView>, ApiError> {
    let unknown = || ApiError::new(ErrorKind::PlanNotFound);
    let id = Uuid::try_parse(&path).map_err(|_| unknown())?;
    let mut tx = api.read().await?;
    let plan = catalogue::sold_plan(&mut tx, organization.id, PlanId(id)).await?;
    let plan = plan.ok_or_else(unknown)?;
    Ok(Success::new(PlanView::new(plan, organization.currency)))
}
