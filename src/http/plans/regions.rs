//! `GET /plans/regions`: the regions, with how many plans an organization may buy in each.

use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::tenant::Tenant;
use crate::reference::Region;
use crate::store::catalogue;
use actix_web::web;
use serde::Serialize;

/// A region.
#[derive(Debug, Serialize)]
pub struct RegionView {
    code: Region,
    name: &'static str,
    plans: i64,
}

pub(super) async fn regions(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
) -> Result<Success<Vec<RegionView>>, ApiError> {
    let mut tx = api.read().await?;
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
