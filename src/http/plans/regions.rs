//! `GET /plans/regions`: the regions, with how many plans an organization may buy in each.

use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::tenant::Tenant;
use crate::reference::Region;
use crate::store::catalogue;
use actix_web::web;
use serde::Serialize;
use utoipa::ToSchema;

/// A region, and how many plans you can buy for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegionPlans)]
pub struct RegionView {
    code: Region,
    name: &'static str,
    plans: i64,
}

/// List regions
///
/// All of them, with how many plans you can buy for each.
#[utoipa::path(
    get,
    path = "/plans/regions",
    operation_id = "listRegions",
    tag = "Plans",
    responses(
        (status = 200, description = "The regions.", body = Vec<RegionView>),
    ),
)]
pub(super) async fn regions(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
) -> Result<Success<Vec<RegionView>>, ApiError> {
    let mut tx = api.read(organization.id).await?;
    let counted = catalogue::regions(&mut tx, organization.id).await?;
    let view = |region: Region| RegionView {
        code: region,
        name: region.name(),
        plans: counted
            .iter()
            .find(|(code, _)| code == region.code())
            .map_or(0, |(_, count)| *count),
    };
    Ok(Success::new(Region::ALL.map(view).into()))
}
