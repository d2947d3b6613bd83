//! How many operations there are, by state and kind, without counting millions: all of them are a
//! maintained counter, those that made something are in the daily totals, and what is left are the
//! rare ones, which have indexes of their own.

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

/// How many operations a filter leaves.
pub(super) async fn total(tx: &mut Tx, org: OrgId, filter: &AttemptFilter) -> Result<i64, DbError> {
    let AttemptFilter { state, kind, idempotency_key: None } = filter else {
        return count(tx, org, filter.condition(), filter).await;
    };
    match state {
        None => {
            let succeeded = succeeded(tx, org, *kind).await?;
            Ok(succeeded + unsuccessful(tx, org, *kind).await?)
        }
        Some(OperationState::Succeeded) => succeeded(tx, org, *kind).await,
        Some(_) => count(tx, org, filter.condition(), filter).await,
    }
}

async fn succeeded(tx: &mut Tx, org: OrgId, kind: Option<OperationKind>) -> Result<i64, DbError> {
    match kind {
        None => {
            let all = counter(tx, org, "operations_total").await?;
            Ok(all - unsuccessful(tx, org, kind).await?)
        }
        Some(OperationKind::SendSms) => {
            let all = counter(tx, org, "sms_total").await?;
            Ok(all - unsuccessful(tx, org, kind).await?)
        }
        Some(OperationKind::CreateLink) => made(tx, org, "activation").await,
        Some(OperationKind::Topup) => made(tx, org, "topup").await,
        Some(OperationKind::RemovePlan | OperationKind::UpdateLink) => {
            let state = Some(OperationState::Succeeded);
            let filter = AttemptFilter { state, kind, idempotency_key: None };
            count(tx, org, filter.condition(), &filter).await
        }
    }
}

/// Those that failed, and those that are pending.
async fn unsuccessful(
    tx: &mut Tx,
    org: OrgId,
    kind: Option<OperationKind>,
) -> Result<i64, DbError> {
    let filter = AttemptFilter { kind, ..AttemptFilter::default() };
    let mut sum = 0;
    for state in [FAILED, OPEN] {
        sum += count(tx, org, filter.condition() + state, &filter).await?;
    }
    Ok(sum)
}

async fn count(
    tx: &mut Tx,
    org: OrgId,
    condition: String,
    filter: &AttemptFilter,
) -> Result<i64, DbError> {
    let (total,) = one!(
        tx,
        (i64,),
        AssertSqlSafe(format!("SELECT COUNT(*) FROM operations WHERE org_id = $1{condition}")),
        org.0,
        filter.state.map(|state| state.word()),
        filter.kind.map(|kind| kind.word()),
        filter.idempotency_key.as_deref()
    )?;
    Ok(total)
}

/// A counter of the wallet's.
async fn counter(tx: &mut Tx, org: OrgId, column: &str) -> Result<i64, DbError> {
    let sql = format!("SELECT {column} FROM wallets WHERE org_id = $1");
    Ok(opt!(tx, (i64,), AssertSqlSafe(sql), org.0)?.map_or(0, |(total,)| total))
}

/// How many Links or top-ups came about: a row a day.
async fn made(tx: &mut Tx, org: OrgId, kind: &str) -> Result<i64, DbError> {
    let (made,) = one!(
        tx,
        (i64,),
        "SELECT CAST(COALESCE(SUM(made), 0) AS BIGINT) FROM ledger_days
         WHERE org_id = $1 AND plan_id = $2 AND kind = $3",
        org.0,
        ALL_PLANS,
        kind
    )?;
    Ok(made)
}
