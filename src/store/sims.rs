//! Cards: the pool of free eSIMs and the organizations' stock of physical cards.
//!
//! **Invariant:** a card is claimed by one operation at most; one that was ever a Link's is
//! `used` for good.

use super::{Conn, DbError, Text, Time, Tx};
use bappy_actors::model::{OperationId, OrgId, SimKind, Timestamp};
use bappy_actors::ports::{SimCard, StockClaim};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

#[derive(sqlx::FromRow)]
struct Row {
    iccid: String,
    kind: String,
    sponsor_id: String,
    smdp_address: Option<String>,
    matching_id: Option<String>,
}

/// A card with the operation that it was given to.
#[derive(sqlx::FromRow)]
struct Given {
    #[sqlx(flatten)]
    card: Row,
    operation_id: Uuid,
}

impl TryFrom<Row> for SimCard {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            kind: SimKind::from_word(&row.kind)?,
            iccid: row.iccid,
            sponsor_id: row.sponsor_id,
            smdp_address: row.smdp_address,
            matching_id: row.matching_id,
        })
    }
}

/// The first free cards, as many as there are operations, each to one of them. The limit stands in the text: for an
/// argument PostgreSQL would expect a tenth of all, and read the table to find them again.
fn claim_postgres(operations: usize) -> String {
    format!(
        "WITH free AS MATERIALIZED (
             SELECT iccid FROM sims
             WHERE sponsor_id = $1 AND kind = $2 AND state = 'free' AND org_id IS NULL
             ORDER BY iccid LIMIT {operations} FOR UPDATE SKIP LOCKED),
         given AS MATERIALIZED (
             SELECT f.iccid, CAST(o.id AS UUID) AS operation_id
             FROM (SELECT iccid, ROW_NUMBER() OVER (ORDER BY iccid) AS n FROM free) f
             JOIN jsonb_array_elements_text(CAST($3 AS JSONB)) WITH ORDINALITY AS o (id, n) ON o.n = f.n)
         UPDATE sims SET state = 'claimed', operation_id = given.operation_id, claimed_at = $4
         FROM given WHERE sims.iccid = given.iccid
         RETURNING sims.iccid, kind, sponsor_id, smdp_address, matching_id, sims.operation_id"
    )
}

/// SQLite's planner takes any index that fits, and would go through all cards that were ever used: it is
/// told the index of those that are free.
const CLAIM_SQLITE: &str = "UPDATE sims SET state = 'claimed', operation_id = $3, claimed_at = $4
    WHERE iccid = (
        SELECT iccid FROM sims INDEXED BY sims_free
        WHERE sponsor_id = $1 AND kind = $2 AND state = 'free' AND org_id IS NULL
        ORDER BY iccid LIMIT 1)
    RETURNING iccid, kind, sponsor_id, smdp_address, matching_id";

const COUNT_POSTGRES: &str = "SELECT COUNT(*) FROM (
    SELECT 1 AS one FROM sims
    WHERE sponsor_id = $1 AND kind = $2 AND state = 'free' AND org_id IS NULL LIMIT $3) AS counted";

/// See [`CLAIM_SQLITE`].
const COUNT_SQLITE: &str = "SELECT COUNT(*) FROM (
    SELECT 1 AS one FROM sims INDEXED BY sims_free
    WHERE sponsor_id = $1 AND kind = $2 AND state = 'free' AND org_id IS NULL LIMIT $3) AS counted";

/// What is claimed, and for which operation.
pub struct Claim {
    /// A sponsor whose plans run on it.
    pub sponsor_id: String,
    /// The kind of card.
    pub kind: SimKind,
    /// The operation.
    pub operation: OperationId,
    /// The time.
    pub at: Timestamp,
}

/// Gives free cards of the pool to operations, the first to the first; of each claim what it got.
pub async fn claim(tx: &mut Tx, claims: &[Claim]) -> Result<Vec<Option<SimCard>>, DbError> {
    if matches!(tx.conn(), Conn::Sqlite(_)) {
        let mut cards = Vec::with_capacity(claims.len());
        for Claim { sponsor_id, kind, operation, at } in claims {
            let (sponsor_id, at) = (sponsor_id.as_str(), Time::from(*at));
            let row = opt!(tx, Row, CLAIM_SQLITE, sponsor_id, kind.word(), operation.0, at)?;
            cards.push(row.map(TryInto::try_into).transpose()?);
        }
        return Ok(cards);
    }
    let mut alike: BTreeMap<_, Vec<&Claim>> = BTreeMap::new();
    for claim in claims {
        alike.entry((claim.sponsor_id.as_str(), claim.kind.word())).or_default().push(claim);
    }
    let mut given: HashMap<_, Vec<SimCard>> = HashMap::new();
    for ((sponsor_id, kind), claims) in alike {
        let operations: Vec<_> = claims.iter().map(|claim| claim.operation.to_string()).collect();
        let rows = all!(
            tx,
            Given,
            AssertSqlSafe(claim_postgres(claims.len())),
            sponsor_id,
            kind,
            Value::from(operations).to_string(),
            claims.first().map(|claim| Time::from(claim.at))
        )?;
        for Given { card, operation_id } in rows {
            given.entry(OperationId(operation_id)).or_default().push(card.try_into()?);
        }
    }
    Ok(claims.iter().map(|claim| given.get_mut(&claim.operation)?.pop()).collect())
}

/// Gives a physical card of an organization's stock to an operation, if plans of the sponsor run on
/// it; what an earlier claim has left behind is freed first.
pub async fn claim_stock(
    tx: &mut Tx,
    org: OrgId,
    (iccid, sponsor_id): (&str, &str),
    operation: OperationId,
    at: Timestamp,
    stale: Timestamp,
) -> Result<StockClaim, DbError> {
    free_left(tx, org, iccid, stale).await?;
    let row = opt!(
        tx,
        Row,
        "UPDATE sims SET state = 'claimed', operation_id = $3, claimed_at = $4
         WHERE org_id = $1 AND iccid = $2 AND state = 'free' AND sponsor_id = $5
         RETURNING iccid, kind, sponsor_id, smdp_address, matching_id",
        org.0,
        iccid,
        operation.0,
        Time::from(at),
        sponsor_id
    )?;
    if let Some(row) = row {
        return Ok(StockClaim::Claimed(row.try_into()?));
    }
    let known = opt!(
        tx,
        (String, String, Option<Uuid>),
        "SELECT state, sponsor_id, operation_id FROM sims WHERE org_id = $1 AND iccid = $2",
        org.0,
        iccid
    )?;
    let Some((word, its_sponsor, holder)) = known else { return Ok(StockClaim::NotInStock) };
    Ok(match word.as_str() {
        // A retired card is as good as absent.
        "retired" => StockClaim::NotInStock,
        "free" if its_sponsor != sponsor_id => StockClaim::OtherSponsor,
        _ => StockClaim::InUse(holder.map(OperationId)),
    })
}

/// Frees a card of a stock whose claim is over and whose release was lost: by an operation that was
/// never recorded, or one that was refunded with nothing of it left at the operator.
async fn free_left(tx: &mut Tx, org: OrgId, iccid: &str, stale: Timestamp) -> Result<(), DbError> {
    exec!(
        tx,
        "UPDATE sims SET state = 'free', operation_id = NULL, claimed_at = NULL
         WHERE org_id = $1 AND iccid = $2 AND state = 'claimed'
           AND (EXISTS (
                   SELECT 1 FROM operations o
                   WHERE o.org_id = $1 AND o.id = sims.operation_id AND o.state = 'refunded'
                     AND o.cleanup IN ('none', 'done'))
             OR (claimed_at < $3 AND NOT EXISTS (
                   SELECT 1 FROM operations o WHERE o.org_id = $1 AND o.id = sims.operation_id)))",
        org.0,
        iccid,
        Time::from(stale)
    )?;
    Ok(())
}

/// Gives a claimed card back.
pub async fn release(tx: &mut Tx, iccid: &str, operation: OperationId) -> Result<(), DbError> {
    exec!(
        tx,
        "UPDATE sims SET state = 'free', operation_id = NULL, claimed_at = NULL
         WHERE iccid = $1 AND operation_id = $2 AND state = 'claimed'",
        iccid,
        operation.0
    )?;
    Ok(())
}

/// Marks a card as never to be given out again. One that is a Link's stays `used`.
pub async fn retire(tx: &mut Tx, iccid: &str) -> Result<(), DbError> {
    exec!(tx, "UPDATE sims SET state = 'retired' WHERE iccid = $1 AND state <> 'used'", iccid)?;
    Ok(())
}

/// Ends the claims of an operation whose money is back and whose traces at the operator are undone.
/// A card of the pool is never given out again; one of an organization's stock is in somebody's
/// hands, and free to be used.
pub async fn end_claims(tx: &mut Tx, operation: OperationId) -> Result<(), DbError> {
    exec!(
        tx,
        "UPDATE sims SET state = 'retired'
         WHERE operation_id = $1 AND state = 'claimed' AND org_id IS NULL",
        operation.0
    )?;
    exec!(
        tx,
        "UPDATE sims SET state = 'free', operation_id = NULL, claimed_at = NULL
         WHERE operation_id = $1 AND state = 'claimed' AND org_id IS NOT NULL",
        operation.0
    )?;
    Ok(())
}

/// A card.
pub async fn sim(tx: &mut Tx, iccid: &str) -> Result<Option<SimCard>, DbError> {
    let row = opt!(
        tx,
        Row,
        "SELECT iccid, kind, sponsor_id, smdp_address, matching_id FROM sims WHERE iccid = $1",
        iccid
    )?;
    row.map(TryInto::try_into).transpose()
}

/// Adds the cards that are not yet known; says how many were new.
pub async fn add(tx: &mut Tx, sims: &[SimCard], at: Timestamp) -> Result<u64, DbError> {
    let cards: Vec<_> = sims
        .iter()
        .map(|sim| {
            json!({
                "iccid": sim.iccid,
                "kind": sim.kind.word(),
                "sponsor_id": sim.sponsor_id,
                "smdp_address": sim.smdp_address,
                "matching_id": sim.matching_id,
            })
        })
        .collect();
    let rows = match tx.conn() {
        Conn::Sqlite(_) => "json_each($1)",
        Conn::Postgres(_) => "jsonb_array_elements(CAST($1 AS JSONB))",
    };
    let added = exec!(
        tx,
        AssertSqlSafe(format!(
            "INSERT INTO sims
                 (iccid, kind, sponsor_id, smdp_address, matching_id, state, created_at)
             SELECT card.value ->> 'iccid', card.value ->> 'kind', card.value ->> 'sponsor_id',
                 card.value ->> 'smdp_address', card.value ->> 'matching_id', 'free', $2
             FROM {rows} AS card WHERE TRUE
             ON CONFLICT (iccid) DO NOTHING"
        )),
        Value::from(cards).to_string(),
        Time::from(at)
    )?;
    Ok(added)
}

/// The highest ICCID known of the pool's cards of a sponsor.
pub async fn last(tx: &mut Tx, sponsor_id: &str, kind: SimKind) -> Result<Option<String>, DbError> {
    let row = opt!(
        tx,
        (String,),
        "SELECT iccid FROM sims WHERE sponsor_id = $1 AND kind = $2 AND org_id IS NULL
         ORDER BY iccid DESC LIMIT 1",
        sponsor_id,
        kind.word()
    )?;
    Ok(row.map(|(iccid,)| iccid))
}

/// How many cards of the pool are free, counted up to `limit`.
pub async fn free(
    tx: &mut Tx,
    sponsor_id: &str,
    kind: SimKind,
    limit: i64,
) -> Result<i64, DbError> {
    let sql = match tx.conn() {
        Conn::Sqlite(_) => COUNT_SQLITE,
        Conn::Postgres(_) => COUNT_POSTGRES,
    };
    let (count,) = one!(tx, (i64,), sql, sponsor_id, kind.word(), limit)?;
    Ok(count)
}

/// Frees the cards claimed before `before` whose operation was never recorded, or was refunded with nothing
/// of it left at the operator and could not release its card. Asks organization by organization, because
/// operations are indexed so and are too many to scan; but only once of each card: a claim whose operation
/// has had another end loses its time, and is not asked about again.
pub async fn free_stale(tx: &mut Tx, before: Timestamp) -> Result<u64, DbError> {
    let freed = exec!(
        tx,
        "UPDATE sims SET state = 'free', operation_id = NULL, claimed_at = NULL
         WHERE state = 'claimed' AND claimed_at < $1
           AND NOT EXISTS (
               SELECT 1 FROM organizations g
               JOIN operations o ON o.org_id = g.id AND o.id = sims.operation_id
               WHERE o.state <> 'refunded' OR o.cleanup <> 'none')",
        Time::from(before)
    )?;
    exec!(
        tx,
        "UPDATE sims SET claimed_at = NULL WHERE state = 'claimed' AND claimed_at < $1
           AND NOT EXISTS (
               SELECT 1 FROM organizations g
               JOIN operations o ON o.org_id = g.id AND o.id = sims.operation_id
               WHERE o.state = 'pending')",
        Time::from(before)
    )?;
    Ok(freed)
}
