//! The sections of the batch statement: which columns of what go in as arrays.
//!
//! **Invariant:** the arrays are bound in the order of the columns that are named just above
//! them. A section without rows is left out of the statement.

use super::batch::{OF_MOVED, Statement};
use crate::store::{DbError, Text, Time, ledger, text};
use bappy_actors::ports::{Batch, Planned};

/// All of one kind in the batches, each with its batch.
fn each<'a, T>(
    batches: &[&'a Batch],
    of: impl Fn(&'a Planned) -> &'a Vec<T>,
) -> Vec<(&'a Batch, &'a T)> {
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(batch.items.iter().flat_map(&of).map(|row| (*batch, row)));
    }
    rows
}

/// Operations that end; `false` where there are none.
pub fn closings(s: &mut Statement, batches: &[&Batch]) -> Result<bool, DbError> {
    let rows: Vec<_> = each(batches, |item| &item.closed);
    if rows.is_empty() {
        return Ok(false);
    }
    s.unnest(
        "closing",
        &[
            ("org_id", "uuid"),
            ("id", "uuid"),
            ("epoch", "int8"),
            ("state", "text"),
            ("failure", "text"),
            ("cleanup", "text"),
            ("lease_until", "timestamptz"),
            ("answer", "text"),
            ("settled_at", "timestamptz"),
        ],
        "",
    );
    s.bind(rows.iter().map(|(b, _)| b.org_id.0).collect())?;
    s.bind(rows.iter().map(|(_, c)| c.operation_id.0).collect())?;
    s.bind(rows.iter().map(|(_, c)| c.epoch).collect())?;
    s.bind(rows.iter().map(|(_, c)| c.state.word()).collect())?;
    s.bind(rows.iter().map(|(_, c)| c.failure.map(|f| f.word())).collect())?;
    s.bind(rows.iter().map(|(_, c)| c.cleanup.word()).collect())?;
    s.bind(rows.iter().map(|(_, c)| c.lease_until.map(Time::from)).collect())?;
    let mut answers = Vec::with_capacity(rows.len());
    for (_, closing) in &rows {
        answers.push(closing.answer.as_ref().map(text::to_json).transpose()?);
    }
    s.bind(answers)?;
    s.bind(rows.iter().map(|(b, _)| Time::from(b.at)).collect())?;
    Ok(true)
}

/// Writes the ends of the operations that `closings` named.
pub fn endings(s: &mut Statement, batches: &[&Batch]) {
    if batches.iter().all(|b| b.items.iter().all(|item| item.closed.is_empty())) {
        return;
    }
    s.push(
        "ending AS MATERIALIZED (
             SELECT * FROM closing u WHERE (u.org_id IN (SELECT org_id FROM moved)) IS TRUE),
         ended AS (
             UPDATE operations o SET state = e.state, failure = e.failure, cleanup = e.cleanup,
                 lease_until = e.lease_until, answer = e.answer, settled_at = e.settled_at
             FROM ending e WHERE o.org_id = e.org_id AND o.id = e.id)",
    );
}

/// Operations that begin.
pub fn operations(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows: Vec<_> = each(batches, |item| &item.opened);
    if rows.is_empty() {
        return Ok(());
    }
    s.unnest(
        "opening",
        &[
            ("org_id", "uuid"),
            ("id", "uuid"),
            ("group_id", "uuid"),
            ("position", "int4"),
            ("kind", "text"),
            ("state", "text"),
            ("link_id", "uuid"),
            ("activation_id", "uuid"),
            ("plan_id", "uuid"),
            ("amount", "int8"),
            ("debit_id", "uuid"),
            ("idempotency_key", "text"),
            ("request_hash", "bytea"),
            ("request", "text"),
            ("cleanup", "text"),
            ("epoch", "int8"),
            ("attempts", "int4"),
            ("lease_until", "timestamptz"),
            ("deadline_at", "timestamptz"),
            ("horizon_at", "timestamptz"),
            ("created_at", "timestamptz"),
        ],
        OF_MOVED,
    );
    s.bind(rows.iter().map(|(_, o)| o.org_id.0).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.id.0).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.group_id.0).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.position).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.kind.word()).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.state.word()).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.link_id.0).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.activation_id.map(|a| a.0)).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.plan_id.map(|p| p.0)).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.amount.micros()).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.debit_id.map(|d| d.0)).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.key.as_ref().map(|k| k.key.as_str())).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.key.as_ref().map(|k| k.request_hash.to_vec())).collect())?;
    let requests: Result<Vec<_>, _> = rows.iter().map(|(_, o)| text::to_json(&o.request)).collect();
    s.bind(requests?)?;
    s.bind(rows.iter().map(|(_, o)| o.cleanup.word()).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.epoch).collect())?;
    s.bind(rows.iter().map(|(_, o)| o.attempts).collect())?;
    s.bind(rows.iter().map(|(_, o)| ledger::opening_lease(o).map(Time::from)).collect())?;
    s.bind(rows.iter().map(|(_, o)| Time::from(o.deadline_at)).collect())?;
    s.bind(rows.iter().map(|(_, o)| Time::from(o.horizon_at)).collect())?;
    s.bind(rows.iter().map(|(_, o)| Time::from(o.created_at)).collect())?;
    s.push(
        "opened AS (
             INSERT INTO operations (org_id, id, group_id, position, kind, state, link_id, activation_id, plan_id,
             amount, debit_id, idempotency_key, request_hash, request, cleanup, epoch, attempts,
             lease_until, deadline_at, horizon_at, created_at)
             SELECT org_id, id, group_id, position, kind, state, link_id, activation_id, plan_id,
             amount, debit_id, idempotency_key, request_hash, request, cleanup, epoch, attempts,
             lease_until, deadline_at, horizon_at, created_at
             FROM opening)",
    );
    Ok(())
}

/// New Links; their cards are used from now on.
pub fn links(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows: Vec<_> = each(batches, |item| &item.links);
    if rows.is_empty() {
        return Ok(());
    }
    s.unnest(
        "linking",
        &[
            ("org_id", "uuid"),
            ("id", "uuid"),
            ("name", "text"),
            ("iccid", "text"),
            ("msisdn", "text"),
            ("kind", "text"),
            ("status", "text"),
            ("sponsor_id", "text"),
            ("endpoint_id", "text"),
            ("smdp_address", "text"),
            ("matching_id", "text"),
            ("data_total_kb", "int8"),
            ("data_used_kb", "int8"),
            ("profile_state", "text"),
            ("profile_at", "timestamptz"),
            ("usage_at", "timestamptz"),
            ("created_at", "timestamptz"),
            ("updated_at", "timestamptz"),
        ],
        OF_MOVED,
    );
    s.bind(rows.iter().map(|(b, _)| b.org_id.0).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.id.0).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.name.as_deref()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.iccid.as_str()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.msisdn.as_deref()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.kind.word()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.status.word()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.sponsor.id.as_str()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.endpoint_id.as_str()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.smdp_address.as_deref()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.matching_id.as_deref()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.data_total.kb()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.data_used.kb()).collect())?;
    s.bind(rows.iter().map(|(_, l)| l.profile.as_ref().map(|p| p.state.word())).collect())?;
    s.bind(
        rows.iter()
            .map(|(_, l)| l.profile.as_ref().and_then(|p| p.updated_at).map(Time::from))
            .collect(),
    )?;
    s.bind(rows.iter().map(|(_, l)| l.usage_at.map(Time::from)).collect())?;
    s.bind(rows.iter().map(|(_, l)| Time::from(l.created_at)).collect())?;
    s.bind(rows.iter().map(|(_, l)| Time::from(l.updated_at)).collect())?;
    s.push(
        "linked AS (
             INSERT INTO links (org_id, id, name, iccid, msisdn, kind, status, sponsor_id, endpoint_id,
             smdp_address, matching_id, data_total_kb, data_used_kb, profile_state, profile_at,
             usage_at, created_at, updated_at)
             SELECT org_id, id, name, iccid, msisdn, kind, status, sponsor_id, endpoint_id,
             smdp_address, matching_id, data_total_kb, data_used_kb, profile_state, profile_at,
             usage_at, created_at, updated_at
             FROM linking),
         used AS (
             UPDATE sims SET state = 'used' FROM linking l WHERE sims.iccid = l.iccid)",
    );
    Ok(())
}

/// New activations.
pub fn activations(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows: Vec<_> = each(batches, |item| &item.activations);
    if rows.is_empty() {
        return Ok(());
    }
    s.unnest(
        "activating",
        &[
            ("org_id", "uuid"),
            ("id", "uuid"),
            ("link_id", "uuid"),
            ("operation_id", "uuid"),
            ("plan_id", "uuid"),
            ("plan_name", "text"),
            ("status", "text"),
            ("instance_id", "text"),
            ("activated_at", "timestamptz"),
            ("first_used_at", "timestamptz"),
            ("expires_at", "timestamptz"),
            ("data_total_kb", "int8"),
            ("data_used_kb", "int8"),
            ("countries", "text"),
            ("amount", "int8"),
            ("currency", "text"),
        ],
        OF_MOVED,
    );
    s.bind(rows.iter().map(|(b, _)| b.org_id.0).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.id.0).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.link_id.0).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.operation_id.0).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.plan_id.0).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.plan_name.as_str()).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.status.word()).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.instance_id.as_str()).collect())?;
    s.bind(rows.iter().map(|(_, a)| Time::from(a.activated_at)).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.first_used_at.map(Time::from)).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.expires_at.map(Time::from)).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.data_total.kb()).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.data_used.kb()).collect())?;
    s.bind(rows.iter().map(|(_, a)| text::codes_to_text(&a.countries)).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.amount.micros()).collect())?;
    s.bind(rows.iter().map(|(_, a)| a.currency.as_str()).collect())?;
    s.push(
        "activated AS (
             INSERT INTO activations (org_id, id, link_id, operation_id, plan_id, plan_name, status, instance_id,
             activated_at, first_used_at, expires_at, data_total_kb, data_used_kb, countries,
             amount, currency)
             SELECT org_id, id, link_id, operation_id, plan_id, plan_name, status, instance_id,
             activated_at, first_used_at, expires_at, data_total_kb, data_used_kb, countries,
             amount, currency
             FROM activating)",
    );
    Ok(())
}

/// The volume that activations add to Links that are there already.
pub fn volumes(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows: Vec<_> = batches
        .iter()
        .flat_map(|b| ledger::volumes_added(b).into_iter().map(move |(link, kb)| (*b, link, kb)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    s.unnest(
        "adding",
        &[("org_id", "uuid"), ("link_id", "uuid"), ("kb", "int8"), ("at", "timestamptz")],
        OF_MOVED,
    );
    s.bind(rows.iter().map(|(b, _, _)| b.org_id.0).collect())?;
    s.bind(rows.iter().map(|(_, link, _)| link.0).collect())?;
    s.bind(rows.iter().map(|(_, _, kb)| *kb).collect())?;
    s.bind(rows.iter().map(|(b, _, _)| Time::from(b.at)).collect())?;
    s.push(
        "added AS (
             UPDATE links l SET data_total_kb = l.data_total_kb + a.kb, updated_at = a.at
             FROM adding a WHERE l.org_id = a.org_id AND l.id = a.link_id)",
    );
    Ok(())
}

/// Ledger entries.
pub fn entries(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows: Vec<_> = each(batches, |item| &item.entries);
    if rows.is_empty() {
        return Ok(());
    }
    s.unnest(
        "entering",
        &[
            ("org_id", "uuid"),
            ("sequence", "int8"),
            ("id", "uuid"),
            ("kind", "text"),
            ("amount", "int8"),
            ("balance_after", "int8"),
            ("link_id", "uuid"),
            ("iccid", "text"),
            ("activation_id", "uuid"),
            ("plan_id", "uuid"),
            ("plan_name", "text"),
            ("refund_of", "uuid"),
            ("operation_id", "uuid"),
            ("reference", "text"),
            ("description", "text"),
            ("created_at", "timestamptz"),
        ],
        OF_MOVED,
    );
    s.bind(rows.iter().map(|(b, _)| b.org_id.0).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.sequence).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.id.0).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.kind.word()).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.amount.micros()).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.balance_after.micros()).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.link_id.map(|l| l.0)).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.iccid.as_deref()).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.activation_id.map(|a| a.0)).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.plan_id.map(|p| p.0)).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.plan_name.as_deref()).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.refund_of.map(|r| r.0)).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.operation_id.map(|o| o.0)).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.reference.as_deref()).collect())?;
    s.bind(rows.iter().map(|(_, e)| e.description.as_str()).collect())?;
    s.bind(rows.iter().map(|(b, _)| Time::from(b.at)).collect())?;
    s.push(
        "entered AS (
             INSERT INTO ledger_entries (org_id, sequence, id, kind, amount, balance_after, link_id, iccid, activation_id,
             plan_id, plan_name, refund_of, operation_id, reference, description, created_at)
             SELECT org_id, sequence, id, kind, amount, balance_after, link_id, iccid, activation_id,
             plan_id, plan_name, refund_of, operation_id, reference, description, created_at
             FROM entering)",
    );
    Ok(())
}
