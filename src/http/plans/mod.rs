//! Plans: what an organization may buy.

mod coverage;
mod get;
pub(super) mod list;
mod regions;
pub mod view;

use super::api::Api;
use super::error::ApiError;
use super::error_kind::ErrorKind;
use super::fallback::resource;
use crate::store::catalogue;
use actix_web::web;
use bappy_actors::model::{OrgId, Plan, PlanId};
use utoipa::OpenApi;
use uuid::Uuid;

/// The routes in the `OpenAPI` document.
#[derive(OpenApi)]
#[openapi(paths(list::list, regions::regions, get::get, coverage::coverage))]
pub struct Documented;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/plans").get(list::list))
        .service(resource("/plans/regions").get(regions::regions))
        .service(resource("/plans/{plan_id}").get(get::get))
        .service(resource("/plans/{plan_id}/coverage").get(coverage::coverage));
}

/// The plan that a path names, if the organization may buy it, with its coverage.
async fn find(api: &Api, org: OrgId, id: &str) -> Result<Plan, ApiError> {
    let unknown = || ApiError::new(ErrorKind::PlanNotFound);
    let id = Uuid::try_parse(id).map_err(|_| unknown())?;
    let mut tx = api.read(org).await?;
    catalogue::sold_plan(&mut tx, org, PlanId(id)).await?.ok_or_else(unknown)
}
