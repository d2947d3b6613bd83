//! The ends of operations, and what changes with those that charge nothing.

use crate::store::{DbError, Text, Time, Tx, activations, links, text};
use bappy_actors::model::{LinkId, OperationId, OperationState, OrgId, Request, Timestamp};
use bappy_actors::ports::{Closing, LinkChange};

/// When an operation is settled by a closing: one that goes on after it is not.
pub fn settled_at(closing: &Closing, at: Timestamp) -> Option<Time> {
    (closing.state != OperationState::Pending).then(|| at.into())
}

/// Ends an operation, or with the state `pending` writes a part of it down; `false` where its
/// epoch has moved on or it has ended.
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
        settled_at(closing, at)
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
            links::change(tx, org, link, *status, name, at).await?;
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
