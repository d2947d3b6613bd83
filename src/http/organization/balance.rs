//! `GET /organization/balance`: read from the database, never behind a change that was told.

use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::show;
use crate::http::tenant::AnyTenant;
use crate::store::balances;
use actix_web::web;
use bappy_actors::model::{Currency, Money, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// What is in your wallet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
pub struct BalanceView {
    balance: Money,
    currency: Currency,
    /// When it last changed.
    #[serde(serialize_with = "show::at")]
    updated_at: Timestamp,
}

/// Read your balance
///
/// Never behind a charge or a refund that you have been told of. Answered to a suspended
/// organization too.
#[utoipa::path(
    get,
    path = "/organization/balance",
    operation_id = "getBalance",
    tag = "Organization",
    responses(
        (status = 200, description = "The balance.", body = BalanceView),
    ),
)]
pub(super) async fn balance(
    AnyTenant(organization): AnyTenant,
    api: web::Data<Api>,
) -> Result<Success<BalanceView>, ApiError> {
    let mut tx = api.read(organization.id).await?;
    let balance = balances::balance(&mut tx, organization.id).await?;
    let balance = balance.ok_or_else(|| ApiError::internal("an organization without a wallet"))?;
    Ok(Success::new(BalanceView {
        balance: balance.amount,
        currency: balance.currency,
        updated_at: balance.updated_at,
    }))
}
