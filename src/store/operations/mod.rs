//! Operations: reading and recording them.
//!
//! Charged operations begin and end in `ledger`, with the wallet; those that charge nothing end
//! in `ending`. The resolver takes either over in `lease`; `conflicts` says what stands in the
//! way of one.
//!
//! **Invariant:** whoever changes an operation names the epoch that it holds it under.

/// The columns of an operation.
macro_rules! operation_columns {
    () => {
        "org_id, id, group_id, position, kind, state, link_id, activation_id, plan_id, amount,
         debit_id, idempotency_key, request_hash, request, failure, cleanup, epoch, attempts,
         lease_until, deadline_at, horizon_at, created_at, settled_at"
    };
}

mod conflicts;
mod ending;
mod lease;

pub use conflicts::{exists, is_exclusive, is_held, key_is_taken, link_is_busy};
pub use ending::{close, end, rewrite_request, settled_at};
pub use lease::{claim, claim_due, reschedule};

use super::{DbError, Text, Time, Tx, link_fees, text};
use bappy_actors::model::{
    ActivationId, Cleanup, EntryId, Failure, LinkId, LinkStatus, Money, Operation, OperationId,
    OperationKind, OperationState, OrgId, PlanId, Request, RequestKey, Timestamp,
};
use uuid::Uuid;

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

/// How far an operation is, whatever else is recorded of it.
pub async fn state(
    tx: &mut Tx,
    org: OrgId,
    id: OperationId,
) -> Result<Option<OperationState>, DbError> {
    let row = opt!(
        tx,
        (String,),
        "SELECT state FROM operations WHERE org_id = $1 AND id = $2",
        org.0,
        id.0
    )?;
    row.map(|(state,)| OperationState::from_word(&state)).transpose()
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

/// Records an operation that charges nothing, with its lease. Its wallet, which counts it, is
/// locked first, as in a batch. `false`, and then it is to be rolled back, where it reactivates a
/// Link of which a fee is due: looked up once its row keeps every other change of the Link out.
pub async fn open(tx: &mut Tx, o: &Operation, lease_until: Timestamp) -> Result<bool, DbError> {
    exec!(
        tx,
        "UPDATE wallets SET operations_total = operations_total + 1 WHERE org_id = $1",
        o.org_id.0
    )?;
    insert(tx, o, Some(lease_until)).await?;
    let reactivates =
        matches!(o.request, Request::UpdateLink { status: Some(LinkStatus::Active), .. });
    Ok(!reactivates || link_fees::due(tx, o.org_id, o.link_id).await?.is_none())
}

const INSERT: &str = concat!(
    "INSERT INTO operations (",
    operation_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
        $18, $19, $20, $21, $22, $23)"
);
const INSERT_IF_FREE: &str = concat!(
    "INSERT INTO operations (",
    operation_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
        $18, $19, $20, $21, $22, $23) ON CONFLICT DO NOTHING"
);

/// Inserts an operation with its lease; its wallet counts it.
async fn insert(tx: &mut Tx, o: &Operation, lease_until: Option<Timestamp>) -> Result<(), DbError> {
    insert_by(tx, INSERT, o, lease_until).await.map(drop)
}

/// As [`insert`]; `false` where another operation stands in its way.
pub async fn insert_if_free(
    tx: &mut Tx,
    o: &Operation,
    lease_until: Timestamp,
) -> Result<bool, DbError> {
    Ok(insert_by(tx, INSERT_IF_FREE, o, Some(lease_until)).await? == 1)
}

async fn insert_by(
    tx: &mut Tx,
    sql: &'static str,
    o: &Operation,
    lease_until: Option<Timestamp>,
) -> Result<u64, DbError> {
    let request = text::to_json(&o.request)?;
    let hash = o.key.as_ref().map(|k| k.request_hash.to_vec());
    let inserted = exec!(
        tx,
        sql,
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
    Ok(inserted)
}
