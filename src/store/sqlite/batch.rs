//! Batches on SQLite: one transaction, row by row.
//!
//! **Invariant:** a wallet whose swap or guards fail is left alone before anything of it is
//! written; any error rolls all wallets back, and the writer tries each on its own.

use crate::store::{DbError, Text, Time, Tx, ledger, link_fees, operations, sms, text};
use bappy_actors::model::{Activation, EntryKind, LedgerEntry, Link, OrgId, Timestamp};
use bappy_actors::ports::{Batch, Planned};
use sqlx::SqlitePool;
use std::collections::HashSet;
use uuid::Uuid;

/// Writes the batches; gives the wallets that have moved.
pub async fn write(pool: &SqlitePool, batches: &[&Batch]) -> Result<HashSet<Uuid>, DbError> {
    let mut tx: Tx = pool.begin_with("BEGIN IMMEDIATE").await?.into();
    let mut moved = HashSet::new();
    for batch in batches {
        match write_one(&mut tx, batch).await {
            Ok(true) => {
                moved.insert(batch.org_id.0);
            }
            Ok(false) => {}
            Err(error) => {
                // The first error is the one to tell.
                let _ = tx.rollback().await;
                return Err(error);
            }
        }
    }
    tx.commit().await?;
    Ok(moved)
}

async fn write_one(tx: &mut Tx, batch: &Batch) -> Result<bool, DbError> {
    let org = batch.org_id;
    for closing in batch.items.iter().flat_map(|item| &item.closed) {
        if !operations::is_held(tx, org, closing.operation_id, closing.epoch).await? {
            return Ok(false);
        }
    }
    let swapped = exec!(
        tx,
        "UPDATE wallets SET balance = $4, version = $5, links_total = links_total + $6,
             operations_total = operations_total + $7, updated_at = $8,
             sms_total = sms_total + $9
         WHERE org_id = $1 AND version = $2 AND fence = $3",
        org.0,
        batch.before.version,
        batch.before.fence,
        batch.balance.micros(),
        batch.version,
        ledger::links_new(batch),
        ledger::operations_new(batch),
        Time::from(batch.at),
        ledger::sms_new(batch)
    )?;
    if swapped == 0 {
        return Ok(false);
    }
    for item in &batch.items {
        insert(tx, org, item, batch.at).await?;
    }
    for (link, kb) in ledger::volumes_added(batch) {
        let found = exec!(
            tx,
            "UPDATE links SET data_total_kb = data_total_kb + $3, updated_at = $4
             WHERE org_id = $1 AND id = $2",
            org.0,
            link.0,
            kb,
            Time::from(batch.at)
        )?;
        if found == 0 {
            return Err(DbError::Unreadable("a Link is not there".to_owned()));
        }
    }
    for (kind, plan, sums) in ledger::day_totals(batch) {
        add_to_day(tx, batch, kind, plan, &sums).await?;
    }
    Ok(true)
}

async fn insert(tx: &mut Tx, org: OrgId, item: &Planned, at: Timestamp) -> Result<(), DbError> {
    for closing in &item.closed {
        operations::end(tx, org, closing, at).await?;
    }
    for operation in &item.opened {
        operations::insert(tx, operation, ledger::opening_lease(operation)).await?;
    }
    for message in &item.sms {
        sms::insert(tx, org, message).await?;
    }
    for id in &item.sms_failed {
        sms::fail(tx, org, *id, at).await?;
    }
    for link in &item.links {
        insert_link(tx, org, link).await?;
        exec!(tx, "UPDATE sims SET state = 'used' WHERE iccid = $1", link.iccid.as_str())?;
    }
    for activation in &item.activations {
        insert_activation(tx, org, activation).await?;
    }
    for entry in &item.entries {
        insert_entry(tx, org, entry, at).await?;
    }
    for (link, entry) in &item.fees_returned {
        link_fees::take_back(tx, org, *link, *entry).await?;
    }
    for fee in &item.fees {
        link_fees::charge(tx, org, fee, at).await?;
    }
    Ok(())
}

async fn insert_link(tx: &mut Tx, org: OrgId, l: &Link) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO links (org_id, id, name, iccid, msisdn, kind, status, sponsor_id, endpoint_id,
             smdp_address, matching_id, data_total_kb, data_used_kb, profile_state, profile_at,
             usage_at, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
        org.0,
        l.id.0,
        l.name.as_deref(),
        l.iccid.as_str(),
        l.msisdn.as_deref(),
        l.kind.word(),
        l.status.word(),
        l.sponsor.id.as_str(),
        l.endpoint_id.as_str(),
        l.smdp_address.as_deref(),
        l.matching_id.as_deref(),
        l.data_total.kb(),
        l.data_used.kb(),
        l.profile.as_ref().map(|p| p.state.word()),
        l.profile.as_ref().and_then(|p| p.updated_at).map(Time::from),
        l.usage_at.map(Time::from),
        Time::from(l.created_at),
        Time::from(l.updated_at)
    )?;
    Ok(())
}

async fn insert_activation(tx: &mut Tx, org: OrgId, a: &Activation) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO activations (org_id, id, link_id, operation_id, plan_id, plan_name, status,
             instance_id, activated_at, first_used_at, expires_at, data_total_kb, data_used_kb,
             countries, amount, currency)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        org.0,
        a.id.0,
        a.link_id.0,
        a.operation_id.0,
        a.plan_id.0,
        a.plan_name.as_str(),
        a.status.word(),
        a.instance_id.as_str(),
        Time::from(a.activated_at),
        a.first_used_at.map(Time::from),
        a.expires_at.map(Time::from),
        a.data_total.kb(),
        a.data_used.kb(),
        text::codes_to_text(&a.countries),
        a.amount.micros(),
        a.currency.as_str()
    )?;
    Ok(())
}

async fn insert_entry(
    tx: &mut Tx,
    org: OrgId,
    e: &LedgerEntry,
    at: Timestamp,
) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO ledger_entries (org_id, sequence, id, kind, amount, balance_after, link_id,
             iccid, activation_id, plan_id, plan_name, refund_of, operation_id, reference,
             description, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        org.0,
        e.sequence,
        e.id.0,
        e.kind.word(),
        e.amount.micros(),
        e.balance_after.micros(),
        e.link_id.map(|l| l.0),
        e.iccid.as_deref(),
        e.activation_id.map(|a| a.0),
        e.plan_id.map(|p| p.0),
        e.plan_name.as_deref(),
        e.refund_of.map(|r| r.0),
        e.operation_id.map(|o| o.0),
        e.reference.as_deref(),
        e.description.as_str(),
        Time::from(at)
    )?;
    Ok(())
}

/// An amount past the range of its column stays at the range's end: no statistic keeps money from
/// being booked.
async fn add_to_day(
    tx: &mut Tx,
    batch: &Batch,
    kind: EntryKind,
    plan: Uuid,
    sums: &ledger::Sums,
) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO ledger_days AS d (org_id, plan_id, kind, day, entries, debited, credited,
             made, first_sequence, last_sequence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (org_id, plan_id, kind, day) DO UPDATE SET
             entries = d.entries + excluded.entries,
             debited = MIN(d.debited, 9223372036854775807 - excluded.debited) + excluded.debited,
             credited = MIN(d.credited, 9223372036854775807 - excluded.credited)
                 + excluded.credited,
             made = d.made + excluded.made,
             first_sequence = COALESCE(MIN(d.first_sequence, excluded.first_sequence),
                 d.first_sequence, excluded.first_sequence),
             last_sequence = COALESCE(MAX(d.last_sequence, excluded.last_sequence),
                 d.last_sequence, excluded.last_sequence)",
        batch.org_id.0,
        plan,
        kind.word(),
        ledger::day(batch),
        sums.entries,
        sums.debited,
        sums.credited,
        sums.made,
        sums.sequences.map(|(first, _)| first),
        sums.sequences.map(|(_, last)| last)
    )?;
    Ok(())
}
