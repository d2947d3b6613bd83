//! `GET /plans/{plan_id}`: one plan.

use super::find;
use super::view::PlanView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::tenant::Tenant;
use actix_web::web;

pub(super) async fn get(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    path: web::Path<String>,
) -> Result<Success<PlanView>, ApiError> {
    let plan = find(&api, organization.id, &path).await?;
    Ok(Success::new(PlanView::new(plan, organization.currency)))
}
