//! An organization's stock of physical cards. Called by `sim import`, `sim list` and the sandbox.

use super::{DbError, Text, Time, Tx};
use bappy_actors::model::{OrgId, SimKind, Timestamp};
use bappy_actors::ports::SimCard;
use std::collections::BTreeSet;

/// Why cards cannot be taken into a stock: the place of the first that cannot, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StockError {
    /// No plan runs on cards of its sponsor.
    UnknownSponsor(usize),
    /// It is in this organization's stock, by slug; none: it is in the pool of eSIMs.
    Known(usize, Option<String>),
}

/// A card of a stock.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StockCard {
    /// Its ICCID.
    pub iccid: String,
    /// Its sponsor profile.
    #[sqlx(rename = "sponsor_id")]
    pub sponsor: String,
    /// `free`, `claimed` by an operation that runs, `used` by a Link, or `retired`.
    pub state: String,
}

/// Takes physical cards, each an ICCID with its sponsor's id, into an organization's stock: all,
/// or none and an inner `Err`.
pub async fn import(
    tx: &mut Tx,
    org: OrgId,
    cards: &[(String, String)],
    at: Timestamp,
) -> Result<Result<(), StockError>, DbError> {
    let sponsors = all!(tx, (String,), "SELECT id FROM sponsors")?;
    let sponsors: BTreeSet<String> = sponsors.into_iter().map(|(id,)| id).collect();
    if let Some(place) = cards.iter().position(|(_, sponsor)| !sponsors.contains(sponsor)) {
        return Ok(Err(StockError::UnknownSponsor(place)));
    }
    // Whether a card is known is certain only once it was inserted: others may insert too.
    exec!(tx, "SAVEPOINT import")?;
    for (place, (iccid, sponsor)) in cards.iter().enumerate() {
        let card = SimCard {
            iccid: iccid.clone(),
            kind: SimKind::Physical,
            sponsor_id: sponsor.clone(),
            smdp_address: None,
            matching_id: None,
        };
        if add(tx, org, &[card], at).await? == 0 {
            exec!(tx, "ROLLBACK TO SAVEPOINT import")?;
            return Ok(Err(StockError::Known(place, holder(tx, iccid).await?)));
        }
    }
    exec!(tx, "RELEASE SAVEPOINT import")?;
    Ok(Ok(()))
}

/// Whose stock a card is in.
async fn holder(tx: &mut Tx, iccid: &str) -> Result<Option<String>, DbError> {
    let row = opt!(
        tx,
        (String,),
        "SELECT o.slug FROM sims s JOIN organizations o ON o.id = s.org_id WHERE s.iccid = $1",
        iccid
    )?;
    Ok(row.map(|(slug,)| slug))
}

/// An organization's stock, by ICCID.
pub async fn list(tx: &mut Tx, org: OrgId) -> Result<Vec<StockCard>, DbError> {
    Ok(all!(
        tx,
        StockCard,
        "SELECT iccid, sponsor_id, state FROM sims WHERE org_id = $1 ORDER BY iccid",
        org.0
    )?)
}

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
