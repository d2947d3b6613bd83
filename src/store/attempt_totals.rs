//! How many operations there are, by state and kind, without counting millions: all of them are a
//! maintained counter, those that were charged, refunded or made something are in the daily totals,
//! and what is left are the rare ones, which have indexes of their own.

use super::attempts::AttemptFilter;
use super::ledger::ALL_PLANS;
use super::{DbError, Text, Tx};
use bappy_actors::model::{OperationKind, OperationState, OrgId};
use sqlx::AssertSqlSafe;

/// The condition of those that failed, in the words of their index.
pub(super) const FAILED: &str = " AND state IN ('refunded', 'rejected')";
/// That of those that are pending, in the words of theirs.
pub(super) const OPEN: &str =
    " AND state = 'pending' AND (state = 'pending' OR cleanup IN ('watching', 'manual'))";

/// That of those that were rejected, likewise.
const REJECTED: &str = " AND state = 'rejected' AND state IN ('refunded', 'rejected')";

/// How many operations a filter leaves.
pub(super) async fn total(tx: &mut Tx, org: OrgId, filter: &AttemptFilter) -> Result<i64, DbError> {
    // In one statement, and so of one moment.
    let (total,) = one!(
        tx,
        (i64,),
        AssertSqlSafe(format!("SELECT CAST({} AS BIGINT)", sum(filter))),
        org.0,
        filter.state.map(|state| state.word()),
        filter.kind.map(|kind| kind.word()),
        filter.idempotency_key.as_deref(),
        ALL_PLANS
    )?;
    Ok(total)
}

/// What the total is put together from. Each top-up and each new Link is charged, whatever it costs, by
/// one entry of its kind; each refunded operation has one refund, and no other has any.
fn sum(filter: &AttemptFilter) -> String {
    use OperationKind::{CreateLink, SendSms, Topup};
    use OperationState::{Refunded, Succeeded};
    let AttemptFilter { state, kind, idempotency_key: None } = filter else {
        return counted(&filter.condition());
    };
    let charged_as = match kind {
        Some(Topup) => Some("topup"),
        Some(CreateLink) => Some("activation"),
        _ => None,
    };
    let of_kind = AttemptFilter { kind: *kind, ..AttemptFilter::default() }.condition();
    let open = counted(&format!("{of_kind}{OPEN}"));
    match (state, kind, charged_as) {
        (None, None, _) => counter("operations_total"),
        (None, Some(SendSms), _) => counter("sms_total"),
        (None, _, Some(entry)) => entries(entry),
        (Some(Succeeded), _, Some(entry)) => made(entry),
        (Some(Succeeded), Some(SendSms), _) => {
            let failed = counted(&format!("{of_kind}{FAILED}"));
            format!("{} - {failed} - {open}", counter("sms_total"))
        }
        (Some(Succeeded), None, _) => {
            let (refunded, rejected) = (entries("refund"), counted(REJECTED));
            format!("{} - {refunded} - {rejected} - {open}", counter("operations_total"))
        }
        (Some(Refunded), None, _) => entries("refund"),
        (Some(Refunded), _, Some(entry)) => {
            format!("{} - {} - {open}", entries(entry), made(entry))
        }
        _ => counted(&filter.condition()),
    }
}

fn counted(condition: &str) -> String {
    format!("(SELECT COUNT(*) FROM operations WHERE org_id = $1{condition})")
}

/// A counter of the wallet's.
fn counter(column: &str) -> String {
    format!("COALESCE((SELECT {column} FROM wallets WHERE org_id = $1), 0)")
}

/// How many ledger entries of a kind there are: a row a day.
fn entries(kind: &str) -> String {
    of_days("entries", kind)
}

/// How many Links or top-ups came about, likewise.
fn made(kind: &str) -> String {
    of_days("made", kind)
}

fn of_days(column: &str, kind: &str) -> String {
    format!(
        "(SELECT COALESCE(SUM({column}), 0) FROM ledger_days
          WHERE org_id = $1 AND plan_id = $5 AND kind = '{kind}')"
    )
}
