//! `GET /transactions/stats`: what was charged, paid in and given back in a period.
//!
//! `total_debited` and `total_credited` have no sign; refunds are no credits. `net` is what the
//! balance changed by: credited + refunded - debited. `by_type` has every type, its amount signed
//! as a Transaction's.

use super::period::{self, Bound};
use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::{FieldErrors, Validate};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::store::turnover::{self, Turnover};
use actix_web::web;
use bappy_actors::model::{Currency, EntryKind, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The period; open on a side that is not given.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// From then on: a UTC date, or a time.
    from: Option<Bound>,
    /// Up to and with then: a UTC date, or a time.
    to: Option<Bound>,
}

impl Validate for Asked {
    fn validate(&self, errors: &mut FieldErrors) {
        period::check(self.from, self.to, errors);
    }
}

/// The sums of a period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransactionStats)]
pub struct StatsView {
    /// As given; else the day on which the organization was made.
    from: Bound,
    /// As given; else today.
    to: Bound,
    currency: Currency,
    count: i64,
    total_debited: Money,
    total_credited: Money,
    total_refunded: Money,
    net: Money,
    by_type: ByType,
}

/// The transactions of each type.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatsByType)]
struct ByType {
    credit: TypeStats,
    activation: TypeStats,
    topup: TypeStats,
    refund: TypeStats,
    sms: TypeStats,
    link_fee: TypeStats,
    adjustment: TypeStats,
}

/// How many transactions of a type there were, and their sum.
#[derive(Debug, Serialize, ToSchema)]
struct TypeStats {
    count: i64,
    amount: Money,
}

/// Add transactions up
///
/// What was charged, paid in and given back in a period.
#[utoipa::path(
    get,
    path = "/transactions/stats",
    operation_id = "getTransactionStats",
    tag = "Transactions",
    params(Asked),
    responses(
        (status = 200, description = "The sums.", body = StatsView),
    ),
)]
pub(super) async fn stats(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Success<StatsView>, ApiError> {
    let period = period::between(asked.from, asked.to);
    let mut tx = api.read(organization.id).await?;
    let booked = turnover::by_kind(&mut tx, organization.id, &period).await?;
    drop(tx);
    let made = Bound::Date(organization.created_at.date_naive());
    let today = Bound::Date(api.clock.now().date_naive());
    // A bound that is not given does not cross the one that is.
    let from = asked.from.unwrap_or_else(|| earlier(made, asked.to.unwrap_or(today)));
    let to = asked.to.unwrap_or_else(|| if from.date() > today.date() { from } else { today });
    let stats = view(from, to, organization.currency, &booked);
    stats.map(Success::new).ok_or_else(|| ApiError::internal("a sum is out of range"))
}

fn earlier(one: Bound, other: Bound) -> Bound {
    if other.date() < one.date() { other } else { one }
}

/// None where a sum is out of range.
fn view(from: Bound, to: Bound, currency: Currency, booked: &[Turnover]) -> Option<StatsView> {
    let of = |kind: EntryKind| booked.iter().filter(move |turnover| turnover.kind == kind);
    let stats = |kind: EntryKind| {
        let nothing = TypeStats { count: 0, amount: Money::ZERO };
        of(kind).try_fold(nothing, |sum, turnover| {
            let amount = sum.amount.checked_add(turnover.credited)?;
            let amount = amount.checked_sub(turnover.debited)?;
            Some(TypeStats { count: sum.count + turnover.count, amount })
        })
    };
    let paid_in = booked.iter().filter(|turnover| turnover.kind != EntryKind::Refund);
    let debited = Money::checked_sum(booked.iter().map(|turnover| turnover.debited))?;
    let credited = Money::checked_sum(paid_in.map(|turnover| turnover.credited))?;
    let refunded = Money::checked_sum(of(EntryKind::Refund).map(|turnover| turnover.credited))?;
    Some(StatsView {
        from,
        to,
        currency,
        count: booked.iter().map(|turnover| turnover.count).sum(),
        total_debited: debited,
        total_credited: credited,
        total_refunded: refunded,
        net: credited.checked_add(refunded)?.checked_sub(debited)?,
        by_type: ByType {
            credit: stats(EntryKind::Credit)?,
            activation: stats(EntryKind::Activation)?,
            topup: stats(EntryKind::Topup)?,
            refund: stats(EntryKind::Refund)?,
            sms: stats(EntryKind::Sms)?,
            link_fee: stats(EntryKind::LinkFee)?,
            adjustment: stats(EntryKind::Adjustment)?,
        },
    })
}
