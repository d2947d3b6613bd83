//! An organization's stock of physical cards. Called by `sim import` and the sandbox.

use super::{DbError, Text, Time, Tx};
use bappy_actors::model::{OrgId, Timestamp};
use bappy_actors::ports::SimCard;

/// Adds cards to an organization's stock; those already known, to anyone, are left as they are.
/// Says how many were new.
pub async fn add(tx: &mut Tx, org: OrgId, sims: &[SimCard], at: Timestamp) -> Result<u64, DbError> {
    let mut added = 0;
    for sim in sims {
        added += exec!(
            tx,
            "INSERT INTO sims (iccid, kind, sponsor_id, org_id, smdp_address, matching_id, state,
                 created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'free', $7)
             ON CONFLICT DO NOTHING",
            sim.iccid.as_str(),
            sim.kind.word(),
            sim.sponsor_id.as_str(),
            org.0,
            sim.smdp_address.as_deref(),
            sim.matching_id.as_deref(),
            Time::from(at)
        )?;
    }
    Ok(added)
}
