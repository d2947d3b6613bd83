//! `GET /transactions`: what changed the balance, newest first; as CSV to who prefers it.

use super::accept::prefers_csv;
use super::export;
use super::period::{self, Bound};
use super::view::TransactionView;
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::{FieldErrors, Validate};
use crate::http::identifier::Identifier;
use crate::http::page::{Page, PageRequest};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::store::transactions::{self, TransactionFilter};
use actix_web::http::header::{self, HeaderValue};
use actix_web::{Either, HttpRequest, HttpResponse, web};
use bappy_actors::link::Identifier as Named;
use bappy_actors::model::{EntryKind, LinkId, OrgId};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

/// The filters.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Of this Link: its id or its ICCID.
    #[param(
        value_type = Option<String>,
        pattern = "^([0-9]{19,20}|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$"
    )]
    link_id: Option<LinkName>,
    r#type: Option<EntryKind>,
    /// From then on: a UTC date, or a time.
    from: Option<Bound>,
    /// Up to and with then: a UTC date, or a time.
    to: Option<Bound>,
}

impl Validate for Filter {
    fn validate(&self, errors: &mut FieldErrors) {
        period::check(self.from, self.to, errors);
    }
}

/// A Link by its id or its ICCID.
struct LinkName(Identifier);

impl<'de> Deserialize<'de> for LinkName {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let parsed = Identifier::parse(&text).map(Self);
        parsed.ok_or_else(|| serde::de::Error::custom("must be a Link's id or its ICCID"))
    }
}

/// List transactions
///
/// Newest first. With `Accept: text/csv` all that match, as a file.
#[utoipa::path(
    get,
    path = "/transactions",
    operation_id = "listTransactions",
    tag = "Transactions",
    params(PageRequest, Filter),
    responses(
        (
            status = 200,
            description = "A page of transactions, or a file of all.",
            content((Page<TransactionView> = "application/json"), (String = "text/csv")),
        ),
    ),
)]
pub(super) async fn list(
    request: HttpRequest,
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    page: PageRequest,
    StrictQuery(filter): StrictQuery<Filter>,
) -> Result<Either<Success<Page<TransactionView>>, HttpResponse>, ApiError> {
    let filter = TransactionFilter {
        link: match &filter.link_id {
            Some(LinkName(link)) => Some(link_id(&api, organization.id, link).await?),
            None => None,
        },
        kind: filter.r#type,
        period: period::between(filter.from, filter.to),
    };
    let mut tx = api.read(organization.id).await?;
    let scope = transactions::scope(&mut tx, organization.id, filter).await?;
    if prefers_csv(&request) {
        drop(tx);
        return export::csv(&api, &organization, scope).await.map(Either::Right);
    }
    let window = page.window(|key| key.parse::<i64>().ok())?;
    let part = scope.part(&mut tx, &window).await?;
    let currency = organization.currency;
    let page = Page::of(&page, part, ToString::to_string)
        .map(|transaction| TransactionView::new(transaction, currency));
    let vary = HeaderValue::from_static("accept");
    Ok(Either::Left(Success::new(page).header(header::VARY, vary)))
}

/// The id of the Link asked for. There may be transactions of one that was never made, as its
/// creation was refunded, so an id is taken as it is.
async fn link_id(api: &Api, org: OrgId, link: &Identifier) -> Result<LinkId, ApiError> {
    let named = match link {
        Identifier::Id(id) => return Ok(LinkId(*id)),
        Identifier::Iccid(iccid) => Named::Iccid(iccid.clone()),
    };
    let found = api.links.resolve(org, &named).await?;
    // No Link has this id, so the list is empty.
    Ok(found.unwrap_or(LinkId(Uuid::nil())))
}
