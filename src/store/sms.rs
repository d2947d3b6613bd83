//! SMS: read for the sender and for partners, and ended once they are handed over.
//!
//! They are queued in `ledger`, with their debit, and fail there, with its refund.
//!
//! **Invariant:** a message that is `sent`, or ended after that, is one whose operation succeeded;
//! one that was refunded is `failed` and has no id at the operator.

use super::page::{Found, Ordered, Part, Window};
use super::ranks::{self, List};
use super::{Conn, DbError, Text, Time, Tx, operations};
use bappy_actors::model::{
    Cleanup, LinkId, Money, OperationId, OperationState, OrgId, Sms, SmsStatus, SmsText, Timestamp,
};
use bappy_actors::ports::{Closing, SmsReport, SmsState};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Columns of [`Row`].
macro_rules! columns {
    () => {
        "id, link_id, iccid, message, status, amount, operator_sms_id, created_at, sent_at,
         updated_at"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    link_id: Uuid,
    iccid: String,
    message: String,
    status: String,
    amount: i64,
    operator_sms_id: Option<String>,
    created_at: Time,
    sent_at: Option<Time>,
    updated_at: Time,
}

impl TryFrom<Row> for Sms {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: OperationId(row.id),
            link_id: LinkId(row.link_id),
            iccid: row.iccid,
            message: SmsText::new(row.message),
            status: SmsStatus::from_word(&row.status)?,
            amount: Money::from_micros(row.amount),
            operator_sms_id: row.operator_sms_id,
            created_at: row.created_at.into(),
            sent_at: row.sent_at.map(Into::into),
            updated_at: row.updated_at.into(),
        })
    }
}

/// An SMS.
pub async fn get(tx: &mut Tx, org: OrgId, id: OperationId) -> Result<Option<Sms>, DbError> {
    let row = opt!(
        tx,
        Row,
        concat!("SELECT ", columns!(), " FROM sms WHERE org_id = $1 AND id = $2"),
        org.0,
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// Which SMS are wanted; what is none does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmsFilter {
    /// To this Link.
    pub link: Option<LinkId>,
    /// In this state.
    pub status: Option<SmsStatus>,
}

/// An organization's SMS, newest first. The total of all is the wallet's maintained counter, that of a
/// status is kept too, and only a Link's own are counted.
pub async fn list(
    tx: &mut Tx,
    org: OrgId,
    filter: &SmsFilter,
    window: &Window<OperationId>,
) -> Result<Part<Sms, OperationId>, DbError> {
    let link = filter.link.map(|link| link.0);
    let (total, near) = match filter {
        SmsFilter { link: None, status: None } => ranks::total(tx, org, List::Sms, window).await?,
        SmsFilter { link: None, status: Some(status) } => {
            (in_status(tx, org, *status).await?, None)
        }
        _ => {
            let condition = condition(filter);
            let sql = format!("SELECT COUNT(*) FROM sms WHERE org_id = $1{condition}");
            (one!(tx, (i64,), AssertSqlSafe(sql), org.0, link)?.0, None)
        }
    };
    let Some(walk) = window.walk(total) else { return Ok(Part::empty(total)) };
    let mut condition = condition(filter);
    let (walk, from) = ranks::nearer(walk, near);
    let is_postgres = matches!(tx.conn(), Conn::Postgres(_));
    condition.push_str(ranks::begin(from, window));
    let rows = walk.rows(
        is_postgres,
        &Ordered {
            table: "sms",
            condition: &condition,
            found: match filter {
                SmsFilter { link: None, .. } => Found::InOrder,
                SmsFilter { status: None, .. } => Found::Few,
                // By the index of the one or of the other.
                SmsFilter { .. } => Found::Planned,
            },
        },
    );
    let (columns, order) = (columns!(), walk.order());
    let rows = all!(
        tx,
        Row,
        AssertSqlSafe(format!("SELECT {columns} FROM {rows} ORDER BY {order}")),
        org.0,
        link,
        from.or(window.after().map(|id| id.0)),
        walk.limit,
        walk.offset
    )?;
    let rows = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<Sms>, _>>()?;
    Ok(window.part(rows, walk, total, |sms| sms.id))
}

/// There is a column of each status, named after it.
async fn in_status(tx: &mut Tx, org: OrgId, status: SmsStatus) -> Result<i64, DbError> {
    let sql = format!("SELECT {} FROM sms_counts WHERE org_id = $1", status.word());
    Ok(opt!(tx, (i64,), AssertSqlSafe(sql), org.0)?.map_or(0, |(total,)| total))
}

/// What is asked for, in SQL: a status in words, by which PostgreSQL tells what is rare.
fn condition(filter: &SmsFilter) -> String {
    let link = filter.link.map(|_| " AND link_id = $2".to_owned());
    let status = filter.status.map(|status| format!(" AND status = '{}'", status.word()));
    [link, status].into_iter().flatten().collect()
}

/// Ends the operation of a queued SMS well: the operator has taken it, and is asked after it at
/// `due_at`; `false` where its epoch has moved on or it has ended.
pub async fn handed_over(
    tx: &mut Tx,
    org: OrgId,
    id: OperationId,
    epoch: i64,
    report: &SmsReport,
    due_at: Option<Timestamp>,
    at: Timestamp,
) -> Result<bool, DbError> {
    let closing = Closing {
        operation_id: id,
        epoch,
        state: OperationState::Succeeded,
        failure: None,
        cleanup: Cleanup::None,
        lease_until: due_at,
        answer: None,
    };
    if !operations::end(tx, org, &closing, at).await? {
        return Ok(false);
    }
    let status = match report.state {
        SmsState::Accepted => SmsStatus::Sent,
        SmsState::Delivered => SmsStatus::Delivered,
        SmsState::Failed => SmsStatus::Failed,
    };
    exec!(
        tx,
        "UPDATE sms SET status = $3, operator_sms_id = $4, sent_at = $5, updated_at = $5
         WHERE org_id = $1 AND id = $2",
        org.0,
        id.0,
        status.word(),
        report.sms_id.as_str(),
        Time::from(at)
    )?;
    Ok(true)
}

/// Ends an SMS that the operator has taken; nothing asks after it any more.
pub async fn ended(
    tx: &mut Tx,
    org: OrgId,
    id: OperationId,
    status: SmsStatus,
    at: Timestamp,
) -> Result<(), DbError> {
    // The operation first, as everywhere.
    exec!(
        tx,
        "UPDATE operations SET lease_until = NULL
         WHERE org_id = $1 AND id = $2 AND kind = 'send_sms' AND state = 'succeeded'",
        org.0,
        id.0
    )?;
    exec!(
        tx,
        "UPDATE sms SET status = $3, updated_at = $4
         WHERE org_id = $1 AND id = $2 AND status = 'sent'",
        org.0,
        id.0,
        status.word(),
        Time::from(at)
    )?;
    Ok(())
}
