//! How many operations there are, by state and kind, without counting millions: all of them are a
//! maintained counter, those that were charged, refunded or made something are in the daily totals,
//! and what is left are the rare ones, which have indexes of their own.

use super::attempts::AttemptFilter;
use super::ledger::ALL_PLANS;
use super::{DbError, Tx};
use bappy_actors::model::{OperationKind, OperationState, OrgId};
use sqlx::AssertSqlSafe;

/// The condition of those that failed, in the words of their index.
pub(super) const FAILED: &str = " AND state IN ('refunded', 'rejected')";
/// That of those that are pending, in the words of theirs.
pub(super) const OPEN: &str =
    " AND state = 'pending' AND (state = 'pending' OR cleanup IN ('watching', 'manual'))";

/// That of those that were rejected, likewise: SQLite looks for those very words.
const REJECTED: &str = " AND state = 'rejected' AND state IN ('refunded', 'rejected')";

/// How many operations a filter leaves.
pub(super) async fn total(tx: &mut Tx, org: OrgId, filter: &AttemptFilter) -> Result<i64, DbError> {
    // In one statement, and so of one moment.
    let (total,) = one!(
        tx,
        (i64,),
        AssertSqlSafe(format!("SELECT CAST({} AS BIGINT)", sum(filter))),
        org.0,
        filter.idempotency_key.as_deref(),
        ALL_PLANS
    )?;
    Ok(total)
}

/// What the total is put together from. Each top-up and each new Link is charged, whatever it costs, by
/// one entry of its kind, which nothing else has; each refunded operation has one refund, and no other
/// has any. Counted are those that are open, those that were rejected, and of other kinds those that
/// failed: what an index of few holds.
fn sum(filter: &AttemptFilter) -> String {
    use OperationKind::{CreateLink, SendSms, Topup};
    use OperationState::{Refunded, Succeeded};
    let (state, kind) = (filter.state, filter.kind);
    let of_kind = AttemptFilter { kind, ..AttemptFilter::default() }.condition();
    let open = counted(&format!("{of_kind}{OPEN}"));
    let charged_as = match kind {
        Some(Topup) => "topup",
        Some(CreateLink) => "activation",
        _ => "",
    };
    match (state, kind) {
        _ if filter.idempotency_key.is_some() => counted(&filter.condition()),
        (None, None) => counter("operations_total"),
        (None, Some(SendSms)) => counter("sms_total"),
        (None, Some(Topup | CreateLink)) => entries(charged_as),
        (Some(Succeeded), Some(Topup | CreateLink)) => made(charged_as),
        (Some(Succeeded), None) => {
            let (refunded, rejected) = (entries("refund"), counted(REJECTED));
            format!("{} - {refunded} - {rejected} - {open}", counter("operations_total"))
        }
        (Some(Succeeded), Some(SendSms)) => {
            let failed = counted(&format!("{of_kind}{FAILED}"));
            format!("{} - {failed} - {open}", counter("sms_total"))
        }
        (Some(Refunded), None) => entries("refund"),
        (Some(Refunded), Some(Topup | CreateLink)) => {
            format!("{} - {} - {open}", entries(charged_as), made(charged_as))
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
          WHERE org_id = $1 AND plan_id = $3 AND kind = '{kind}')"
    )
}
