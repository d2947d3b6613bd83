//! What is open in the database, of all organizations: what the metrics show.
//!
//! Called by the sampler of each instance every few seconds. **Invariant:** every statement reads a
//! bounded number of rows off an index; beyond that the figures stand still.

use super::{DbError, Text, Time, Tx};
use bappy_actors::model::{OperationKind, Timestamp};
use std::time::Duration;

/// Rows looked at of a kind: a backlog of this size is beyond any doubt.
const ROWS_MAX: i64 = 10_000;

/// Sponsors looked at.
const SPONSORS_MAX: i64 = 50;

/// What is open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenWork {
    /// Operations without SMS, by kind and by whether they are pending or, refunded, watched.
    pub operations: Vec<OpenOperations>,
    /// Messages not yet handed over, and since when the oldest waits.
    pub sms_queued: (i64, Option<Timestamp>),
    /// Messages that the operator has taken and is still asked after.
    pub sms_under_way: i64,
    /// Operations that a person has to look at.
    pub manual: i64,
    /// Sponsors of cards.
    pub sponsors: Vec<String>,
}

/// Open operations of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOperations {
    /// What they do.
    pub kind: OperationKind,
    /// Whether they have not ended; else they were refunded and are watched.
    pub pending: bool,
    /// How many.
    pub count: i64,
    /// Of these, those whose horizon was over at the time asked for.
    pub overdue: i64,
    /// When the oldest was recorded.
    pub oldest: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    pending: bool,
    count: i64,
    overdue: i64,
    oldest: Time,
}

/// In the words of the index `operations_due`. What has ended well may be due as well, to be looked
/// at once more: that is over. What was refunded late is watched for as long as a horizon after it.
const OPERATIONS: &str = "SELECT kind, state = 'pending' AS pending, COUNT(*) AS count,
        CAST(SUM(CASE WHEN horizon_at < $1 AND (state = 'pending' OR settled_at < $3)
            THEN 1 ELSE 0 END) AS BIGINT) AS overdue,
        MIN(created_at) AS oldest
    FROM (SELECT kind, state, horizon_at, created_at, settled_at FROM operations
        WHERE lease_until IS NOT NULL AND kind <> 'send_sms'
            AND (state = 'pending' OR cleanup = 'watching') ORDER BY lease_until LIMIT $2) due
    GROUP BY kind, state = 'pending'";

/// In the words of the index `operations_sms_to_send`.
const SMS_QUEUED: &str = "SELECT COUNT(*), MIN(created_at)
    FROM (SELECT created_at FROM operations
        WHERE lease_until IS NOT NULL AND kind = 'send_sms' AND state = 'pending'
        ORDER BY lease_until LIMIT $1) due";

/// In the words of the index `operations_sms_under_way`.
const SMS_UNDER_WAY: &str = "SELECT COUNT(*)
    FROM (SELECT lease_until FROM operations
        WHERE lease_until IS NOT NULL AND kind = 'send_sms' AND state = 'succeeded'
        ORDER BY lease_until LIMIT $1) due";

/// In the words of the index `operations_manual`.
const MANUAL: &str = "SELECT COUNT(*)
    FROM (SELECT id FROM operations WHERE cleanup = 'manual' ORDER BY id LIMIT $1) left_to_a_person";

/// What is open; `overdue` counts what should have ended before `due`, where what may still land
/// at the operator is watched for `horizon`.
pub async fn open_work(
    tx: &mut Tx,
    due: Timestamp,
    horizon: Duration,
) -> Result<OpenWork, DbError> {
    let (due, refunded) = (Time::from(due), Time::from(due - horizon));
    let rows = all!(tx, Row, OPERATIONS, due, ROWS_MAX, refunded)?;
    let operations = rows
        .into_iter()
        .map(|row| {
            Ok(OpenOperations {
                kind: OperationKind::from_word(&row.kind)?,
                pending: row.pending,
                count: row.count,
                overdue: row.overdue,
                oldest: row.oldest.into(),
            })
        })
        .collect::<Result<_, DbError>>()?;
    let (queued, oldest) = one!(tx, (i64, Option<Time>), SMS_QUEUED, ROWS_MAX)?;
    let (sms_under_way,) = one!(tx, (i64,), SMS_UNDER_WAY, ROWS_MAX)?;
    let (manual,) = one!(tx, (i64,), MANUAL, ROWS_MAX)?;
    let sponsors = "SELECT id FROM sponsors ORDER BY id LIMIT $1";
    let sponsors = all!(tx, (String,), sponsors, SPONSORS_MAX)?;
    Ok(OpenWork {
        operations,
        sms_queued: (queued, oldest.map(Into::into)),
        sms_under_way,
        manual,
        sponsors: sponsors.into_iter().map(|(id,)| id).collect(),
    })
}
