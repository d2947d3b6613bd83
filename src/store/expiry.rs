//! Activations whose time is over: finds them and stores that they are expired. Called by the core's
//! [`Expiry`](bappy_actors::link::Expiry).
//!
//! **Invariants:** what this costs is in proportion to what expires. Any number of instances may do
//! it at once. As whatever changes activations it locks their Link's row first; and since it waits
//! for no such lock on PostgreSQL, it never stands in a circle of those that wait for each other.

use super::{Conn, DbError, Time, Tx, links};
use bappy_actors::model::{LinkId, OrgId, Timestamp};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A Link's row, unless someone else is just changing it. References to the row go on.
const FREE_LINK_POSTGRES: &str = "SELECT id FROM links WHERE org_id = $1 AND id = $2
     FOR NO KEY UPDATE SKIP LOCKED";
/// On SQLite there is one transaction that writes.
const FREE_LINK_SQLITE: &str = "SELECT id FROM links WHERE org_id = $1 AND id = $2";

/// The Links of the `limit` activations in force that are over for longest.
pub async fn due(
    tx: &mut Tx,
    now: Timestamp,
    limit: i64,
) -> Result<BTreeSet<(OrgId, LinkId)>, DbError> {
    let rows = all!(
        tx,
        (Uuid, Uuid),
        "SELECT org_id, link_id FROM activations
         WHERE status IN ('active', 'depleted') AND expires_at <= $1
         ORDER BY expires_at LIMIT $2",
        Time::from(now),
        limit
    )?;
    Ok(rows.into_iter().map(|(org, link)| (OrgId(org), LinkId(link))).collect())
}

/// Expires what is over on these Links; says how many activations that were.
pub async fn expire(
    tx: &mut Tx,
    due: &BTreeSet<(OrgId, LinkId)>,
    now: Timestamp,
) -> Result<u64, DbError> {
    let free_link = match tx.conn() {
        Conn::Sqlite(_) => FREE_LINK_SQLITE,
        Conn::Postgres(_) => FREE_LINK_POSTGRES,
    };
    let mut expired = 0;
    for (org, link) in due {
        if opt!(tx, (Uuid,), free_link, org.0, link.0)?.is_none() {
            continue;
        }
        expired += exec!(
            tx,
            "UPDATE activations SET status = 'expired'
             WHERE org_id = $1 AND link_id = $2 AND status IN ('active', 'depleted')
               AND expires_at <= $3",
            org.0,
            link.0,
            Time::from(now)
        )?;
        links::sum_up(tx, *org, *link).await?;
    }
    Ok(expired)
}
