//! `GET /sms`: the organization's SMS, newest first.

use super::view::SmsView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::Validate;
use crate::http::identifier::Identifier;
use crate::http::links::link_id;
use crate::http::page::{Page, PageRequest};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::store::sms::{self, SmsFilter};
use actix_web::web;
use bappy_actors::model::{OperationId, SmsStatus};
use serde::Deserialize;

/// The filters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// To this Link: its id or its ICCID.
    #[param(pattern = r"^[^\u0000]*$")]
    link_id: Option<String>,
    status: Option<SmsStatus>,
}

impl Validate for Filter {}

/// List SMS
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/sms",
    operation_id = "listSms",
    tag = "SMS",
    params(PageRequest, Filter),
    responses(
        (status = 200, description = "A page of messages.", body = Page<SmsView>),
        (status = 404, description = "NOT_FOUND"),
    ),
)]
pub(super) async fn list(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    page: PageRequest,
    StrictQuery(filter): StrictQuery<Filter>,
) -> Result<Success<Page<SmsView>>, ApiError> {
    let window = page.window(|key| key.parse().ok().map(OperationId))?;
    let link = match filter.link_id {
        Some(named) => {
            let identifier = Identifier::parse(&named).ok_or_else(ApiError::not_found)?;
            let id = link_id(&api, organization.id, identifier).await?;
            let link = api.store.link(organization.id, id).await?;
            Some(link.ok_or_else(ApiError::not_found)?.id)
        }
        None => None,
    };
    let filter = SmsFilter { link, status: filter.status };
    let mut tx = api.read(organization.id).await?;
    let part = sms::list(&mut tx, organization.id, &filter, &window).await?;
    let currency = organization.currency;
    Ok(Success::new(
        Page::of(&page, part, ToString::to_string).map(|sms| SmsView::new(sms, currency)),
    ))
}
