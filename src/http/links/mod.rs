//! Links: one file an endpoint, named by what it does.

mod answers;
mod change_plans;
mod create;
mod fast_path;
mod get;
mod history;
mod list;
mod network_status;
mod qr_code;
mod qr_image;
mod topup_plans;
mod update;
pub mod view;

#[cfg(fuzzing)]
pub use {change_plans::ChangePlans, create::NewLink, update::LinkChanges};

pub use answers::LinkAnswers;
pub(super) use create::told_success;
pub use fast_path::FastPath;

use super::api::Api;
use super::error::ApiError;
use super::fallback::resource;
use super::identifier::Identifier;
use crate::store::plans_coverage;
use actix_web::web;
use bappy_actors::link::{Identifier as Named, Usage};
use bappy_actors::model::{LinkId, LinkSnapshot, OrgId};
use std::sync::Arc;
use utoipa::OpenApi;

/// The routes in the `OpenAPI` document.
#[derive(OpenApi)]
#[openapi(paths(
    list::list,
    create::create,
    get::get,
    update::update,
    change_plans::change_plans,
    topup_plans::topup_plans,
    history::history,
    network_status::network_status,
    qr_code::qr_code,
))]
pub struct Documented;

/// Declares the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/links").get(list::list).post(create::create))
        .service(resource(get::PATH).get(get::get).put(update::update))
        .service(resource("/links/{identifier}/plans").put(change_plans::change_plans))
        .service(resource("/links/{identifier}/topup-plans").get(topup_plans::topup_plans))
        .service(resource("/links/{identifier}/history").get(history::history))
        .service(resource("/links/{identifier}/network-status").get(network_status::network_status))
        .service(resource("/links/{identifier}/qr-code").get(qr_code::qr_code));
}

/// The id of the Link that a path names.
pub(super) async fn link_id(
    api: &Api,
    org: OrgId,
    identifier: Identifier,
) -> Result<LinkId, ApiError> {
    let named = match identifier {
        Identifier::Id(id) => Named::Id(LinkId(id)),
        Identifier::Iccid(iccid) => Named::Iccid(iccid),
    };
    let found = api.links.resolve(org, &named).await?;
    found.ok_or_else(ApiError::not_found)
}

/// A Link as it stands, with what the operator says of its use, which is in it.
async fn current(
    api: &Api,
    org: OrgId,
    id: LinkId,
) -> Result<(LinkSnapshot, Option<Arc<Usage>>), ApiError> {
    let snapshot = api.snapshot(org, id).await?.ok_or_else(ApiError::not_found)?;
    let usage = api.links.usage(org, &snapshot.link, &snapshot.activations).await;
    let covered = view::plans_in_force(&snapshot);
    let mut snapshot = view::refreshed(snapshot, usage.as_deref(), api.clock.now());
    let in_force = view::plans_in_force(&snapshot);
    // Something has ended since it was stored: what it covered is covered no more.
    if in_force != covered {
        let mut tx = api.read(org).await?;
        (snapshot.countries, snapshot.operators_total) = plans_coverage(&mut tx, in_force).await?;
    }
    Ok((snapshot, usage))
}
