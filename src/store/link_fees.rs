//! Monthly fees of Links: what became of each, and the walk of a run over the Links. Charged ones
//! are written by the ledger, with their entries.
//!
//! **Invariant:** of a Link and a month one row at most decides (`charged`, `due`, `waived`), and
//! one more at most says that what was due is `paid`.

use super::{DbError, Text, Time, Tx, operations, text};
use bappy_actors::model::{
    ChargedFee, EntryId, LinkFee, LinkId, LinkStatus, Money, Month, OrgId, Request, Timestamp,
};
use bappy_actors::ports::{Candidate, Payer, Suspending, Suspension, SuspensionOutcome};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// The state of a fee that an entry charges.
pub(super) fn state(charged: &ChargedFee) -> &'static str {
    if charged.was_due { "paid" } else { "charged" }
}

/// Whether a fee that is to be charged was decided on already, or paid.
pub(super) async fn is_taken(
    tx: &mut Tx,
    org: OrgId,
    charged: &ChargedFee,
) -> Result<bool, DbError> {
    let row = opt!(
        tx,
        (String,),
        "SELECT state FROM link_fees
         WHERE org_id = $1 AND link_id = $2 AND month = $3 AND (state = 'paid') = $4
         LIMIT 1",
        org.0,
        charged.fee.link_id.0,
        charged.fee.month.to_string(),
        charged.was_due
    )?;
    Ok(row.is_some())
}

/// Whether it is decided what becomes of a fee.
async fn is_decided(tx: &mut Tx, org: OrgId, fee: LinkFee) -> Result<bool, DbError> {
    let row = opt!(
        tx,
        (String,),
        "SELECT state FROM link_fees
         WHERE org_id = $1 AND link_id = $2 AND month = $3 AND state <> 'paid'",
        org.0,
        fee.link_id.0,
        fee.month.to_string()
    )?;
    Ok(row.is_some())
}

/// Whether a Link's fee of a month is charged by an entry.
pub async fn is_charged(
    tx: &mut Tx,
    org: OrgId,
    link: LinkId,
    month: Month,
    entry: EntryId,
) -> Result<bool, DbError> {
    let row = opt!(
        tx,
        (String,),
        "SELECT state FROM link_fees
         WHERE org_id = $1 AND link_id = $2 AND month = $3 AND entry_id = $4",
        org.0,
        link.0,
        month.to_string(),
        entry.0
    )?;
    Ok(row.is_some())
}

/// The fee that is due of a Link.
pub async fn due(tx: &mut Tx, org: OrgId, link: LinkId) -> Result<Option<LinkFee>, DbError> {
    let row = opt!(
        tx,
        (String, i64),
        "SELECT f.month, f.amount FROM link_fees f
         WHERE f.org_id = $1 AND f.link_id = $2 AND f.state = 'due'
           AND NOT EXISTS (
               SELECT 1 FROM link_fees p
               WHERE p.org_id = $1 AND p.link_id = $2 AND p.month = f.month AND p.state = 'paid')
         ORDER BY f.month LIMIT 1",
        org.0,
        link.0
    )?;
    let Some((month, amount)) = row else { return Ok(None) };
    Ok(Some(LinkFee {
        link_id: link,
        month: to_month(&month)?,
        amount: Money::from_micros(amount),
    }))
}

fn to_month(text: &str) -> Result<Month, DbError> {
    text.parse().map_err(|_| DbError::unreadable("Month", text))
}

/// Organizations with a price above zero, by id; see [`bappy_actors::ports::FeeBook::payers`].
pub async fn payers(
    tx: &mut Tx,
    unfinished: Option<Month>,
    after: Option<OrgId>,
    limit: i64,
) -> Result<Vec<Payer>, DbError> {
    let past = if after.is_some() { " AND o.id > $2" } else { "" };
    let rows = all!(
        tx,
        (Uuid, i64),
        AssertSqlSafe(format!(
            "SELECT o.id, o.price_per_link FROM organizations o
             WHERE o.price_per_link > 0{past}
               AND NOT EXISTS (
                   SELECT 1 FROM fee_runs r WHERE r.org_id = o.id AND r.month = $1)
             ORDER BY o.id LIMIT $3"
        )),
        unfinished.map(|month| month.to_string()),
        after.map(|org| org.0),
        limit
    )?;
    let payer = |(org, price)| Payer { org: OrgId(org), price_per_link: Money::from_micros(price) };
    Ok(rows.into_iter().map(payer).collect())
}

#[derive(sqlx::FromRow)]
struct CandidateRow {
    id: Uuid,
    iccid: String,
    endpoint_id: String,
    status: String,
    created_at: Time,
    decided: Option<String>,
    owes: Option<String>,
    is_in_between: bool,
}

/// An organization's Links by id, each with what became of its fee of a month.
pub async fn candidates(
    tx: &mut Tx,
    org: OrgId,
    month: Month,
    after: Option<LinkId>,
    limit: i64,
) -> Result<Vec<Candidate>, DbError> {
    let past = if after.is_some() { " AND l.id > $3" } else { "" };
    let rows = all!(
        tx,
        CandidateRow,
        AssertSqlSafe(format!(
            "SELECT l.id, l.iccid, l.endpoint_id, l.status, l.created_at,
                 (SELECT f.state FROM link_fees f WHERE f.org_id = l.org_id AND f.link_id = l.id
                      AND f.month = $2 AND f.state <> 'paid') AS decided,
                 (SELECT MIN(f.month) FROM link_fees f
                  WHERE f.org_id = l.org_id AND f.link_id = l.id AND f.state = 'due'
                    AND NOT EXISTS (
                        SELECT 1 FROM link_fees p WHERE p.org_id = l.org_id
                          AND p.link_id = l.id AND p.month = f.month AND p.state = 'paid')) AS owes,
                 l.status = 'suspended' AND EXISTS (
                     SELECT 1 FROM operations o WHERE o.org_id = l.org_id AND o.link_id = l.id
                       AND o.state = 'pending' AND o.kind IN ('remove_plan', 'update_link'))
                     AS is_in_between
             FROM links l WHERE l.org_id = $1{past} ORDER BY l.id LIMIT $4"
        )),
        org.0,
        month.to_string(),
        after.map(|link| link.0),
        limit
    )?;
    let candidate = |row: CandidateRow| {
        Ok(Candidate {
            link_id: LinkId(row.id),
            iccid: row.iccid,
            endpoint_id: row.endpoint_id,
            status: LinkStatus::from_word(&row.status)?,
            created_at: row.created_at.into(),
            is_decided: row.decided.is_some(),
            owes: row.owes.as_deref().map(to_month).transpose()?,
            is_in_between: row.is_in_between,
        })
    };
    rows.into_iter().map(candidate).collect()
}

/// Records suspensions by the platform itself: see [`bappy_actors::ports::Store::open_suspensions`].
pub async fn suspend(
    tx: &mut Tx,
    org: OrgId,
    suspensions: &[Suspending],
) -> Result<Vec<SuspensionOutcome>, DbError> {
    // The wallet's row first, as in a batch: what another run does at the same time comes before,
    // or waits.
    let all = i64::try_from(suspensions.len()).unwrap_or(i64::MAX);
    count(tx, org, all).await?;
    let (balance,) = one!(tx, (i64,), "SELECT balance FROM wallets WHERE org_id = $1", org.0)?;
    let balance = Money::from_micros(balance);
    let mut outcomes = Vec::with_capacity(suspensions.len());
    let mut opened = 0;
    for suspending in suspensions {
        let outcome = suspend_one(tx, org, suspending, balance).await?;
        opened += i64::from(outcome == SuspensionOutcome::Opened);
        outcomes.push(outcome);
    }
    count(tx, org, opened - all).await?;
    Ok(outcomes)
}

async fn count(tx: &mut Tx, org: OrgId, operations: i64) -> Result<(), DbError> {
    if operations != 0 {
        exec!(
            tx,
            "UPDATE wallets SET operations_total = operations_total + $2 WHERE org_id = $1",
            org.0,
            operations
        )?;
    }
    Ok(())
}

/// The operation's row comes first: it keeps every other change of the Link out, so that what is
/// read after it holds until the end.
async fn suspend_one(
    tx: &mut Tx,
    org: OrgId,
    suspending: &Suspending,
    balance: Money,
) -> Result<SuspensionOutcome, DbError> {
    let operation = &suspending.operation;
    let link = operation.link_id;
    // What was paid in since the wallet refused it covers the fee now.
    if let Suspension::FallsDue(fee) = suspending.because
        && fee.amount <= balance
    {
        return Ok(SuspensionOutcome::Covered);
    }
    if !operations::insert_if_free(tx, operation, suspending.lease_until).await? {
        // Perhaps another run was first: what that one decided stands.
        return Ok(match suspending.because {
            Suspension::FallsDue(fee) if is_decided(tx, org, fee).await? => {
                SuspensionOutcome::Unfounded
            }
            Suspension::Owing if is_being_suspended(tx, org, link).await? => {
                SuspensionOutcome::Unfounded
            }
            _ => SuspensionOutcome::LinkBusy,
        });
    }
    let row = opt!(
        tx,
        (String,),
        "SELECT status FROM links WHERE org_id = $1 AND id = $2",
        org.0,
        link.0
    )?;
    let status = row.map(|(status,)| LinkStatus::from_word(&status)).transpose()?;
    let is_due = due(tx, org, link).await?.is_some();
    let is_founded = match suspending.because {
        _ if status.is_none_or(|status| status == LinkStatus::Inactive) => false,
        Suspension::Off => status == Some(LinkStatus::Suspended),
        Suspension::Undone => !is_due && status == Some(LinkStatus::Active),
        Suspension::Owing => is_due && status == Some(LinkStatus::Active),
        Suspension::FallsDue(_) if is_due => false,
        Suspension::FallsDue(fee) => {
            decide(tx, (org, link), fee.month, ("due", fee.amount), operation.created_at).await?
        }
    };
    if is_founded {
        return Ok(SuspensionOutcome::Opened);
    }
    exec!(tx, "DELETE FROM operations WHERE org_id = $1 AND id = $2", org.0, operation.id.0)?;
    Ok(SuspensionOutcome::Unfounded)
}

/// Whether the change of a Link that is under way suspends it.
async fn is_being_suspended(tx: &mut Tx, org: OrgId, link: LinkId) -> Result<bool, DbError> {
    let row = opt!(
        tx,
        (String,),
        "SELECT request FROM operations WHERE org_id = $1 AND link_id = $2
             AND state = 'pending' AND kind IN ('remove_plan', 'update_link')",
        org.0,
        link.0
    )?;
    let request =
        row.map(|(request,)| text::from_json("operations.request", &request)).transpose()?;
    Ok(matches!(request, Some(Request::UpdateLink { status: Some(LinkStatus::Suspended), .. })))
}

/// Writes that no fee of a month falls due of Links.
pub async fn waive(
    tx: &mut Tx,
    org: OrgId,
    month: Month,
    links: &[LinkId],
    at: Timestamp,
) -> Result<(), DbError> {
    for link in links {
        decide(tx, (org, *link), month, ("waived", Money::ZERO), at).await?;
    }
    Ok(())
}

/// Writes what became of a fee that nothing charges; `false` where its month is decided on.
async fn decide(
    tx: &mut Tx,
    (org, link): (OrgId, LinkId),
    month: Month,
    (state, amount): (&str, Money),
    at: Timestamp,
) -> Result<bool, DbError> {
    let written = exec!(
        tx,
        "INSERT INTO link_fees (org_id, link_id, month, state, amount, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        org.0,
        link.0,
        month.to_string(),
        state,
        amount.micros(),
        Time::from(at)
    )?;
    Ok(written == 1)
}

/// Writes that a run for a month has looked at all Links of an organization.
pub async fn complete(tx: &mut Tx, org: OrgId, month: Month, at: Timestamp) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO fee_runs (org_id, month, completed_at) VALUES ($1, $2, $3)
         ON CONFLICT DO NOTHING",
        org.0,
        month.to_string(),
        Time::from(at)
    )?;
    Ok(())
}
