//! What should stand at the operator: the Links and their activations in force, in bounded steps.
//! Called by `bappy audit` where the operator can be reached.

use super::super::{DbError, Text, Tx};
use bappy_actors::model::{ActivationId, LinkId, LinkStatus, OperationId, OrgId};
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
        (Uuid, Uuid, String, String, String),
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
    for (org, id, iccid, endpoint_id, status) in rows {
        let activations = all!(
            tx,
            (Uuid, String, Uuid),
            "SELECT id, instance_id, operation_id FROM activations
             WHERE org_id = $1 AND link_id = $2 AND status IN ('active', 'depleted') ORDER BY id",
            org,
            id
        )?;
        let activation = |(id, instance_id, operation)| ActivationInForce {
            id: ActivationId(id),
            instance_id,
            operation_id: OperationId(operation),
        };
        links.push(LinkInForce {
            key: (OrgId(org), LinkId(id)),
            iccid,
            endpoint_id,
            status: LinkStatus::from_word(&status)?,
            activations: activations.into_iter().map(activation).collect(),
        });
    }
    Ok(links)
}
