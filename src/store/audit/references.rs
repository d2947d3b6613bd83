//! What our references at the operator stand for, and which operations must have left nothing
//! there. Called by `bappy audit` where the operator can be reached.

use super::super::{DbError, Text, Tx, text};
use super::LinkKey;
use bappy_actors::model::{Cleanup, LinkId, OperationId, OperationState, OrgId, Request};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// What an operation says of the reference that it gave the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The operation.
    pub id: OperationId,
    /// The Link it is about.
    pub link_id: LinkId,
    /// Where it is in its life.
    pub state: OperationState,
    /// Whether the operator may still hold something of it.
    pub cleanup: Cleanup,
}

/// A refunded creation of a Link, of which the operator must hold nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundedLink {
    /// Whose it was.
    pub org_id: OrgId,
    /// The operation.
    pub id: OperationId,
    /// The card that it was sent with; others may have had it since.
    pub iccid: String,
}

/// Those of `ids` that are an organization's operations.
pub async fn references(
    tx: &mut Tx,
    org: OrgId,
    ids: &[OperationId],
) -> Result<Vec<Reference>, DbError> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let row = opt!(
            tx,
            (Uuid, String, String),
            "SELECT link_id, state, cleanup FROM operations WHERE org_id = $1 AND id = $2",
            org.0,
            id.0
        )?;
        if let Some((link, state, cleanup)) = row {
            found.push(Reference {
                id: *id,
                link_id: LinkId(link),
                state: OperationState::from_word(&state)?,
                cleanup: Cleanup::from_word(&cleanup)?,
            });
        }
    }
    Ok(found)
}

/// Whether something runs on a Link, or may still appear on it. An SMS leaves nothing on it.
pub async fn is_unsettled(tx: &mut Tx, (org, link): LinkKey) -> Result<bool, DbError> {
    let (count,) = one!(
        tx,
        (i64,),
        "SELECT COUNT(*) FROM operations
         WHERE (state = 'pending' OR cleanup IN ('watching', 'manual'))
           AND (state = 'pending' OR cleanup = 'watching') AND kind <> 'send_sms'
           AND org_id = $1 AND link_id = $2",
        org.0,
        link.0
    )?;
    Ok(count > 0)
}

/// The newest `limit` refunded creations of Links whose clean-up is done, of one organization or
/// of all.
pub async fn refunded_links(
    tx: &mut Tx,
    org: Option<OrgId>,
    limit: i64,
) -> Result<Vec<RefundedLink>, DbError> {
    let one = if org.is_some() { " AND org_id = $1" } else { "" };
    let rows = all!(
        tx,
        (Uuid, Uuid, String),
        AssertSqlSafe(format!(
            "SELECT org_id, id, request FROM operations
             WHERE kind = 'create_link' AND state = 'refunded' AND cleanup = 'done'{one}
             ORDER BY id DESC LIMIT $2"
        )),
        org.map(|org| org.0),
        limit
    )?;
    let mut refunded = Vec::with_capacity(rows.len());
    for (org, id, request) in rows {
        let request: Request = text::from_json("request", &request)?;
        if let Request::CreateLink { iccid, .. } = request
            && !iccid.is_empty()
        {
            refunded.push(RefundedLink { org_id: OrgId(org), id: OperationId(id), iccid });
        }
    }
    Ok(refunded)
}
