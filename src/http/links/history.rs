//! `GET /links/{identifier}/history`: what a Link cost and was given back, newest first.

use super::link_id;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::Validate;
use crate::http::identifier::Identifier;
use crate::http::page::{Page, PageRequest};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::http::transactions::view::TransactionView;
use crate::store::transactions;
use actix_web::web;
use bappy_actors::model::EntryKind;
use serde::Deserialize;

/// The filter.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    r#type: Option<EntryKind>,
}

impl Validate for Filter {}

/// List a Link's transactions
///
/// What it cost and was given back, newest first.
#[utoipa::path(
    get,
    path = "/links/{identifier}/history",
    operation_id = "getLinkHistory",
    tag = "Links",
    params(Identifier, PageRequest, Filter),
    responses(
        (status = 200, description = "A page of transactions.", body = Page<TransactionView>),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
pub(super) async fn history(
    Tenant(organization): Tenant,
    identifier: Identifier,
    api: web::Data<Api>,
    page: PageRequest,
    StrictQuery(filter): StrictQuery<Filter>,
) -> Result<Success<Page<TransactionView>>, ApiError> {
    let id = link_id(&api, organization.id, identifier).await?;
    let link = api.store.link(organization.id, id).await?;
    let link = link.ok_or_else(ApiError::not_found)?;
    let window = page.window(|key| key.parse::<i64>().ok())?;
    let mut tx = api.read(organization.id).await?;
    let part =
        transactions::of_link(&mut tx, organization.id, link.id, filter.r#type, &window).await?;
    let currency = organization.currency;
    Ok(Success::new(
        Page::of(&page, part, ToString::to_string)
            .map(|transaction| TransactionView::new(transaction, currency)),
    ))
}
