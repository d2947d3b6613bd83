//! `GET /transactions/analytics`: how business went, day by day.
//!
//! `links_created` and `topups` count what came about: a creation or top-up that was refunded is
//! none, and one counts on the day on which it was done. `spend` is what was charged on a day for
//! Links, top-ups, SMS and fees, refunded or not; `refunds` is what was given back on it. A plan's
//! `count` is the Links and top-ups that came about with it, its `spend` what they cost.

use crate::http::api::Api;
use crate::http::envelope::Success;
use crate::http::error::ApiError;
use crate::http::field_errors::{FieldErrors, Validate};
use crate::http::query::StrictQuery;
use crate::http::tenant::Tenant;
use crate::store::turnover::{self, DayTurnover, PlanTurnover};
use actix_web::web;
use bappy_actors::model::{Currency, EntryKind, Money, PlanId};
use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The contract's.
const PERIOD_DAYS_DEFAULT: u16 = 30;
/// The contract's: a year of days.
const PERIOD_DAYS_MAX: u16 = 365;
/// Plans shown: a top ten.
const TOP_PLANS: i64 = 10;

/// The period.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// So many days, today being the last.
    #[param(minimum = 1, maximum = 365, default = 30)]
    period_days: Option<u16>,
}

impl Validate for Asked {
    fn validate(&self, errors: &mut FieldErrors) {
        if self.period_days.is_some_and(|days| !(1..=PERIOD_DAYS_MAX).contains(&days)) {
            errors.add("period_days", format!("period_days must be from 1 to {PERIOD_DAYS_MAX}."));
        }
    }
}

/// How business went.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Analytics)]
pub struct AnalyticsView {
    period_days: u16,
    /// The first day.
    #[schema(value_type = Date)]
    from: NaiveDate,
    /// The last day: today, in UTC.
    #[schema(value_type = Date)]
    to: NaiveDate,
    currency: Currency,
    links_created: i64,
    topups: i64,
    spend: Money,
    refunds: Money,
    average_daily_spend: Money,
    daily: Vec<DayView>,
    top_plans: Vec<PlanView>,
}

/// One day of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsDay)]
struct DayView {
    #[schema(value_type = Date)]
    date: NaiveDate,
    links_created: i64,
    topups: i64,
    spend: Money,
    refunds: Money,
}

/// One plan of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AnalyticsPlan)]
struct PlanView {
    plan_id: PlanId,
    plan_name: Option<String>,
    count: i64,
    spend: Money,
}

/// See how business went
///
/// Day by day, each day with its row, and the plans that were sold most.
#[utoipa::path(
    get,
    path = "/transactions/analytics",
    operation_id = "getAnalytics",
    tag = "Transactions",
    params(Asked),
    responses(
        (status = 200, description = "The figures.", body = AnalyticsView),
    ),
)]
pub(super) async fn analytics(
    Tenant(organization): Tenant,
    api: web::Data<Api>,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Success<AnalyticsView>, ApiError> {
    let period_days = asked.period_days.unwrap_or(PERIOD_DAYS_DEFAULT);
    let to = api.clock.now().date_naive();
    let from = to - Days::new(u64::from(period_days) - 1);
    let mut tx = api.read(organization.id).await?;
    let (booked, plans) =
        turnover::by_day_and_plan(&mut tx, organization.id, from, to, TOP_PLANS).await?;
    drop(tx);
    let view = view(period_days, (from, to), organization.currency, &booked, plans);
    view.map(Success::new).ok_or_else(|| ApiError::internal("a sum is out of range"))
}

/// None where a sum is out of range.
fn view(
    period_days: u16,
    (from, to): (NaiveDate, NaiveDate),
    currency: Currency,
    booked: &[DayTurnover],
    plans: Vec<PlanTurnover>,
) -> Option<AnalyticsView> {
    let mut daily: Vec<DayView> =
        from.iter_days().take(usize::from(period_days)).map(day).collect();
    for turnover in booked {
        let place = usize::try_from((turnover.day - from).num_days()).ok()?;
        daily.get_mut(place)?.add(turnover)?;
    }
    let spend = Money::checked_sum(daily.iter().map(|day| day.spend))?;
    Some(AnalyticsView {
        period_days,
        from,
        to,
        currency,
        links_created: daily.iter().map(|day| day.links_created).sum(),
        topups: daily.iter().map(|day| day.topups).sum(),
        spend,
        refunds: Money::checked_sum(daily.iter().map(|day| day.refunds))?,
        average_daily_spend: average(spend, period_days),
        daily,
        top_plans: plans.into_iter().map(PlanView::from).collect(),
    })
}

/// A share of a sum without sign, rounded half up to what money is kept in.
fn average(sum: Money, days: u16) -> Money {
    let days = i64::from(days);
    let (whole, rest) = (sum.micros() / days, sum.micros() % days);
    Money::from_micros(whole + i64::from(2 * rest >= days))
}

fn day(date: NaiveDate) -> DayView {
    DayView { date, links_created: 0, topups: 0, spend: Money::ZERO, refunds: Money::ZERO }
}

impl DayView {
    fn add(&mut self, booked: &DayTurnover) -> Option<()> {
        match booked.kind {
            EntryKind::Activation => self.links_created += booked.made,
            EntryKind::Topup => self.topups += booked.made,
            EntryKind::Refund => self.refunds = self.refunds.checked_add(booked.credited)?,
            EntryKind::Sms | EntryKind::LinkFee | EntryKind::Credit | EntryKind::Adjustment => {}
        }
        // A correction by hand is no spending.
        if booked.kind != EntryKind::Adjustment {
            self.spend = self.spend.checked_add(booked.debited)?;
        }
        Some(())
    }
}

impl From<PlanTurnover> for PlanView {
    fn from(plan: PlanTurnover) -> Self {
        let PlanTurnover { plan_id, name, made, spent } = plan;
        Self { plan_id, plan_name: name, count: made, spend: spent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_is_rounded_half_up() {
        for (sum, days, average_of_it) in
            [(0, 1, 0), (10, 3, 3), (11, 3, 4), (3, 2, 2), (1, 365, 0), (365, 365, 1)]
        {
            assert_eq!(average(Money::from_micros(sum), days), Money::from_micros(average_of_it));
        }
    }
}
