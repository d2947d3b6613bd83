//! What can stand in the way of an operation: another of the same id, key or Link,
//! another holder.

use crate::store::{DbError, Tx};
use bappy_actors::model::{LinkId, Operation, OperationId, OperationKind, OrgId};
use uuid::Uuid;

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

/// Whether an operation shuts every other change of its Link's status or plans out.
pub fn is_exclusive(operation: &Operation) -> bool {
    matches!(operation.kind, OperationKind::RemovePlan | OperationKind::UpdateLink)
}

/// Whether an operation runs on a Link that shuts every other change of it out.
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
