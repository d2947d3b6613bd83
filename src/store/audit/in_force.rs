//! What should stand at the operator: the Links and their activations in force, in bounded steps.
//! Called by `bappy audit` where the operator can be reached.

use super::super::{DbError, Text, Time, Tx};
use bappy_actors::model::{ActivationId, LinkId, LinkStatus, OperationId, OrgId, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Where a walk over all Links stands.
pub type LinkKey = (OrgId, LinkId);

/// An activation that should stand at the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivationInForce {
    /// Its id.
    pub id: ActivationId,
    /// The operator's id of it.
    pub instance_id: String,
    /// The reference that it should carry there.
    pub operation_id: OperationId,
    /// When it ends; past that the operator may have ended it already.
    pub expires_at: Option<Timestamp>,
}

/// A Link, and what should stand on its endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInForce {
    /// Whose it is, and its id.
    pub key: LinkKey,
    /// Its card.
    pub iccid: String,
    /// The operator's id of its endpoint.
    pub endpoint_id: String,
    /// Whether it serves; of one that is inactive the endpoint is terminated.
    pub status: LinkStatus,
    /// Its activations that are neither cancelled nor expired, oldest first; maybe none.
    pub activations: Vec<ActivationInForce>,
}

#[derive(sqlx::FromRow)]
struct Row {
    org_id: Uuid,
    id: Uuid,
    iccid: String,
    endpoint_id: String,
    status: String,
}

/// The next `limit` Links past `after`, of one organization or of all; empty at the end.
pub async fn links_in_force(
    tx: &mut Tx,
    org: Option<OrgId>,
    after: Option<LinkKey>,
    limit: i64,
) -> Result<Vec<LinkInForce>, DbError> {
    let one = if org.is_some() { " AND org_id = $1" } else { "" };
    let past = if after.is_some() { " AND (org_id, id) > ($2, $3)" } else { "" };
    let rows = all!(
        tx,
        Row,
        AssertSqlSafe(format!(
            "SELECT org_id, id, iccid, endpoint_id, status FROM links WHERE 1 = 1{one}{past}
             ORDER BY org_id, id LIMIT $4"
        )),
        org.map(|org| org.0),
        after.map(|(org, _)| org.0),
        after.map(|(_, link)| link.0),
        limit
    )?;
    let mut links = Vec::with_capacity(rows.len());
    for row in rows {
        links.push(with_activations(tx, row).await?);
    }
    Ok(links)
}

/// One Link as it stands now.
pub async fn link_in_force(tx: &mut Tx, key: LinkKey) -> Result<Option<LinkInForce>, DbError> {
    let row = opt!(
        tx,
        Row,
        "SELECT org_id, id, iccid, endpoint_id, status FROM links WHERE org_id = $1 AND id = $2",
        key.0.0,
        key.1.0
    )?;
    match row {
        Some(row) => with_activations(tx, row).await.map(Some),
        None => Ok(None),
    }
}

async fn with_activations(tx: &mut Tx, row: Row) -> Result<LinkInForce, DbError> {
    let activations = all!(
        tx,
        (Uuid, String, Uuid, Option<Time>),
        "SELECT id, instance_id, operation_id, expires_at FROM activations
         WHERE org_id = $1 AND link_id = $2 AND status IN ('active', 'depleted') ORDER BY id",
        row.org_id,
        row.id
    )?;
    let activation = |(id, instance_id, operation, expires_at): (_, _, _, Option<Time>)| {
        let (id, operation_id) = (ActivationId(id), OperationId(operation));
        let expires_at = expires_at.map(Into::into);
        ActivationInForce { id, instance_id, operation_id, expires_at }
    };
    Ok(LinkInForce {
        key: (OrgId(row.org_id), LinkId(row.id)),
        iccid: row.iccid,
        endpoint_id: row.endpoint_id,
        status: LinkStatus::from_word(&row.status)?,
        activations: activations.into_iter().map(activation).collect(),
    })
}
