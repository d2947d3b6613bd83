//! Operations that charge nothing, and what the resolver does with any.
//!
//! Charged operations begin and end in `ledger`, with the wallet.
//!
//! **Invariant:** whoever changes an operation names the epoch that it holds it under.

use super::{Conn, DbError, Text, Time, Tx, activations, links, text};
use bappy_actors::model::{
    ActivationId, Cleanup, EntryId, Failure, LinkId, Money, Operation, OperationId, OperationKind,
    OperationState, OrgId, PlanId, Request, RequestKey, Timestamp,
};
use bappy_actors::ports::{Claimed, Closing, LinkChange};
use uuid::Uuid;

/// The columns of an operation.
macro_rules! operation_columns {
    () => {
        "org_id, id, group_id, position, kind, state, link_id, activation_id, plan_id, amount,
         debit_id, idempotency_key, request_hash, request, failure, cleanup, epoch, attempts,
         lease_until, deadline_at, horizon_at, created_at, settled_at"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    org_id: Uuid,
    id: Uuid,
    group_id: Uuid,
    position: i32,
    kind: String,
    state: String,
    link_id: Uuid,
    activation_id: Option<Uuid>,
    plan_id: Option<Uuid>,
    amount: i64,
    debit_id: Option<Uuid>,
    idempotency_key: Option<String>,
    request_hash: Option<Vec<u8>>,
    request: String,
    failure: Option<String>,
    cleanup: String,
    epoch: i64,
    attempts: i32,
    lease_until: Option<Time>,
    deadline_at: Time,
    horizon_at: Time,
    created_at: Time,
    settled_at: Option<Time>,
}

impl TryFrom<Row> for Operation {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let key = match (row.idempotency_key, row.request_hash) {
            (Some(key), Some(hash)) => Some(RequestKey {
                key,
                request_hash: hash
                    .try_into()
                    .map_err(|_| DbError::Unreadable("a request hash is not 32 bytes".into()))?,
            }),
            _ => None,
        };
        Ok(Self {
            id: OperationId(row.id),
            org_id: OrgId(row.org_id),
            group_id: OperationId(row.group_id),
            position: row.position,
            kind: OperationKind::from_word(&row.kind)?,
            state: OperationState::from_word(&row.state)?,
            link_id: LinkId(row.link_id),
            activation_id: row.activation_id.map(ActivationId),
            plan_id: row.plan_id.map(PlanId),
            amount: Money::from_micros(row.amount),
            debit_id: row.debit_id.map(EntryId),
            key,
            request: text::from_json("request", &row.request)?,
            failure: row.failure.as_deref().map(Failure::from_word).transpose()?,
            cleanup: Cleanup::from_word(&row.cleanup)?,
            epoch: row.epoch,
            attempts: row.attempts,
            deadline_at: row.deadline_at.into(),
            horizon_at: row.horizon_at.into(),
            created_at: row.created_at.into(),
            settled_at: row.settled_at.map(Into::into),
        })
    }
}

/// An operation.
pub async fn operation(
    tx: &mut Tx,
    org: OrgId,
    id: OperationId,
) -> Result<Option<Operation>, DbError> {
    let row = opt!(
        tx,
        Row,
        concat!("SELECT ", operation_columns!(), " FROM operations WHERE org_id = $1 AND id = $2"),
        org.0,
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// All operations of a group, in order.
pub async fn group(tx: &mut Tx, org: OrgId, group: OperationId) -> Result<Vec<Operation>, DbError> {
    let mut operations: Vec<Operation> =
        operation(tx, org, group).await?.into_iter().filter(|o| o.group_id == group).collect();
    // The index of groups leaves their heads out.
    let rows = all!(
        tx,
        Row,
        concat!(
            "SELECT ",
            operation_columns!(),
            " FROM operations WHERE org_id = $1 AND group_id = $2 AND id <> group_id
              ORDER BY position"
        ),
        org.0,
        group.0
    )?;
    for row in rows {
        operations.push(row.try_into()?);
    }
    Ok(operations)
}

/// Inserts an operation with its lease.
pub async fn insert(
    tx: &mut Tx,
    o: &Operation,
    lease_until: Option<Timestamp>,
) -> Result<(), DbError> {
    let request = text::to_json(&o.request)?;
    let hash = o.key.as_ref().map(|k| k.request_hash.to_vec());
    exec!(
        tx,
        concat!(
            "INSERT INTO operations (",
            operation_columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                $18, $19, $20, $21, $22, $23)"
        ),
        o.org_id.0,
        o.id.0,
        o.group_id.0,
        o.position,
        o.kind.word(),
        o.state.word(),
        o.link_id.0,
        o.activation_id.map(|a| a.0),
        o.plan_id.map(|p| p.0),
        o.amount.micros(),
        o.debit_id.map(|d| d.0),
        o.key.as_ref().map(|k| k.key.as_str()),
        hash.as_deref(),
        request.as_str(),
        o.failure.map(|f| f.word()),
        o.cleanup.word(),
        o.epoch,
        o.attempts,
        lease_until.map(Time::from),
        Time::from(o.deadline_at),
        Time::from(o.horizon_at),
        Time::from(o.created_at),
        o.settled_at.map(Time::from)
    )?;
    Ok(())
}

/// Whether an operation is recorded.
pub async fn exists(tx: &mut Tx, org: OrgId, id: OperationId) -> Result<bool, DbError> {
    let row =
        opt!(tx, (Uuid,), "SELECT id FROM operations WHERE org_id = $1 AND id = $2", org.0, id.0)?;
    Ok(row.is_some())
}

/// Whether a key stands for an attempt, other than `id`, that runs or succeeded.
pub async fn key_is_taken(
    tx: &mut Tx,
    org: OrgId,
    key: &str,
    id: OperationId,
) -> Result<bool, DbError> {
    let row = opt!(
        tx,
        (Uuid,),
        "SELECT id FROM operations
         WHERE org_id = $1 AND idempotency_key = $2 AND state IN ('pending', 'succeeded')
           AND id <> $3",
        org.0,
        key,
        id.0
    )?;
    Ok(row.is_some())
}

/// Whether an operation that must be alone runs on a Link.
pub async fn link_is_busy(tx: &mut Tx, org: OrgId, link: LinkId) -> Result<bool, DbError> {
    let row = opt!(
        tx,
        (Uuid,),
        "SELECT id FROM operations
         WHERE org_id = $1 AND link_id = $2 AND state = 'pending'
           AND kind IN ('remove_plan', 'update_link')",
        org.0,
        link.0
    )?;
    Ok(row.is_some())
}

/// Whether an operation is pending under an epoch.
pub async fn is_held(
    tx: &mut Tx,
    org: OrgId,
    id: OperationId,
    epoch: i64,
) -> Result<bool, DbError> {
    let row = opt!(
        tx,
        (i64,),
        "SELECT epoch FROM operations
         WHERE org_id = $1 AND id = $2 AND epoch = $3 AND state = 'pending'",
        org.0,
        id.0,
        epoch
    )?;
    Ok(row.is_some())
}

/// Ends an operation; `false` where its epoch has moved on or it has ended.
pub async fn end(
    tx: &mut Tx,
    org: OrgId,
    closing: &Closing,
    at: Timestamp,
) -> Result<bool, DbError> {
    let answer = closing.answer.as_ref().map(text::to_json).transpose()?;
    let changed = exec!(
        tx,
        "UPDATE operations SET state = $4, failure = $5, cleanup = $6, lease_until = $7,
             answer = $8, settled_at = $9
         WHERE org_id = $1 AND id = $2 AND epoch = $3 AND state = 'pending'",
        org.0,
        closing.operation_id.0,
        closing.epoch,
        closing.state.word(),
        closing.failure.map(|f| f.word()),
        closing.cleanup.word(),
        closing.lease_until.map(Time::from),
        answer.as_deref(),
        Time::from(at)
    )?;
    Ok(changed == 1)
}

/// Ends an operation that charges nothing, with what it changes.
pub async fn close(
    tx: &mut Tx,
    org: OrgId,
    link: LinkId,
    closing: &Closing,
    change: &LinkChange,
    at: Timestamp,
) -> Result<bool, DbError> {
    if !end(tx, org, closing, at).await? {
        return Ok(false);
    }
    match change {
        LinkChange::None => {}
        LinkChange::Update { status, name } => {
            links::change(tx, org, link, *status, name.as_deref(), at).await?;
        }
        LinkChange::Cancel(activation) => {
            activations::cancel(tx, org, link, *activation, at).await?;
        }
    }
    Ok(true)
}

/// Changes what a pending operation is about to send.
pub async fn rewrite_request(
    tx: &mut Tx,
    org: OrgId,
    id: OperationId,
    epoch: i64,
    request: &Request,
) -> Result<bool, DbError> {
    let changed = exec!(
        tx,
        "UPDATE operations SET request = $4
         WHERE org_id = $1 AND id = $2 AND epoch = $3 AND state = 'pending'",
        org.0,
        id.0,
        epoch,
        text::to_json(request)?
    )?;
    Ok(changed == 1)
}

/// Puts an operation back, to be looked at again at `due_at`.
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
         WHERE org_id = $1 AND id = $2 AND epoch = $3",
        org.0,
        id.0,
        epoch,
        cleanup.word(),
        due_at.map(Time::from)
    )?;
    Ok(changed == 1)
}

/// What is due, the longest overdue first; on PostgreSQL past what others are just taking.
const DUE_SQLITE: &str = concat!(
    "SELECT ",
    operation_columns!(),
    " FROM operations WHERE lease_until <= $1 ORDER BY lease_until LIMIT $2"
);
const DUE_POSTGRES: &str = concat!(
    "SELECT ",
    operation_columns!(),
    " FROM operations WHERE lease_until <= $1 ORDER BY lease_until LIMIT $2
      FOR UPDATE SKIP LOCKED"
);

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
    now: Timestamp,
    lease_until: Timestamp,
    limit: i64,
) -> Result<Vec<Claimed>, DbError> {
    let sql = match tx.conn() {
        Conn::Sqlite(_) => DUE_SQLITE,
        Conn::Postgres(_) => DUE_POSTGRES,
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
