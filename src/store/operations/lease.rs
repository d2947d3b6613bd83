//! Leases: which instance looks after an operation, and when the resolver looks at it.
//!
//! **Invariant:** taking an operation over raises its epoch, which shuts its former holder out.

use super::Row;
use crate::store::{Conn, DbError, Text, Time, Tx, sims};
use bappy_actors::model::{Cleanup, OperationId, OrgId, Timestamp};
use bappy_actors::ports::{Claimed, Due};

/// What is due of a kind, the longest overdue first; on PostgreSQL past what others are just
/// taking. In the words of the kind's index.
macro_rules! due {
    ($which:literal, $lock:literal) => {
        concat!(
            "SELECT ",
            operation_columns!(),
            " FROM operations WHERE lease_until <= $1 AND ",
            $which,
            " ORDER BY lease_until LIMIT $2",
            $lock
        )
    };
}

/// The statements for both databases.
macro_rules! both {
    ($conn:expr, $which:literal) => {
        match $conn {
            Conn::Sqlite(_) => due!($which, ""),
            Conn::Postgres(_) => due!($which, " FOR UPDATE SKIP LOCKED"),
        }
    };
}

/// One operation that is pending or has something to clean up; locked on PostgreSQL.
const OPEN_SQLITE: &str = concat!(
    "SELECT ",
    operation_columns!(),
    " FROM operations WHERE org_id = $1 AND id = $2
      AND (state = 'pending' OR cleanup IN ('watching', 'manual'))"
);
const OPEN_POSTGRES: &str = concat!(
    "SELECT ",
    operation_columns!(),
    " FROM operations WHERE org_id = $1 AND id = $2
      AND (state = 'pending' OR cleanup IN ('watching', 'manual')) FOR UPDATE"
);

/// Takes over up to `limit` operations that are due. One that cannot be read is put off like
/// the others and left out, so that it does not keep the rest from being looked at.
pub async fn claim_due(
    tx: &mut Tx,
    which: Due,
    now: Timestamp,
    lease_until: Timestamp,
    limit: i64,
) -> Result<Vec<Claimed>, DbError> {
    let sql = match which {
        Due::Operations => both!(tx.conn(), "kind <> 'send_sms'"),
        Due::SmsToSend => both!(tx.conn(), "kind = 'send_sms' AND state = 'pending'"),
        Due::SmsUnderWay => both!(tx.conn(), "kind = 'send_sms' AND state = 'succeeded'"),
    };
    let rows = all!(tx, Row, sql, Time::from(now), limit)?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.id;
        match take_over(tx, row, lease_until).await {
            Ok(operation) => claimed.push(operation),
            Err(error @ DbError::Unreadable(_)) => {
                tracing::error!(%id, %error, "an operation that is due cannot be read");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(claimed)
}

/// Takes over one operation whether due or not, while it is pending or has something to clean
/// up. One without a lease counts as due since it was recorded.
pub async fn claim(
    tx: &mut Tx,
    org: OrgId,
    id: OperationId,
    lease_until: Timestamp,
) -> Result<Option<Claimed>, DbError> {
    let sql = match tx.conn() {
        Conn::Sqlite(_) => OPEN_SQLITE,
        Conn::Postgres(_) => OPEN_POSTGRES,
    };
    match opt!(tx, Row, sql, org.0, id.0)? {
        Some(row) => Ok(Some(take_over(tx, row, lease_until).await?)),
        None => Ok(None),
    }
}

/// Raises the epoch of a row that nobody else can change until this transaction ends.
async fn take_over(tx: &mut Tx, mut row: Row, lease_until: Timestamp) -> Result<Claimed, DbError> {
    let due_at = row.lease_until.unwrap_or(row.created_at).into();
    row.epoch += 1;
    row.attempts = row.attempts.saturating_add(1);
    exec!(
        tx,
        "UPDATE operations SET epoch = $3, attempts = $4, lease_until = $5
         WHERE org_id = $1 AND id = $2",
        row.org_id,
        row.id,
        row.epoch,
        row.attempts,
        Time::from(lease_until)
    )?;
    Ok(Claimed { operation: row.try_into()?, due_at })
}

/// Puts an operation back, to be looked at again at `due_at`, and once its cleanup is done ends
/// its claims of cards; `false` where its epoch has moved on,
/// or where `Cleanup::None` would say of one that was refunded meanwhile that nothing is left of
/// it: whoever puts a pending one off may not know yet that its refund went through.
pub async fn reschedule(
    tx: &mut Tx,
    org: OrgId,
    id: OperationId,
    epoch: i64,
    cleanup: Cleanup,
    due_at: Option<Timestamp>,
) -> Result<bool, DbError> {
    let changed = exec!(
        tx,
        "UPDATE operations SET cleanup = $4, lease_until = $5
         WHERE org_id = $1 AND id = $2 AND epoch = $3
           AND ($4 <> 'none' OR state = 'pending' OR cleanup = 'none')",
        org.0,
        id.0,
        epoch,
        cleanup.word(),
        due_at.map(Time::from)
    )?;
    if changed == 1 && cleanup == Cleanup::Done {
        sims::end_claims(tx, id).await?;
    }
    Ok(changed == 1)
}
