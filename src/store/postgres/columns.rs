//! The sections of the batch statement: which columns of what go in.
//!
//! A section without rows is left out of the statement.

use super::batch::{Row, Statement};
use crate::store::{DbError, Text, Time, ledger, link_fees, operations, text};
use bappy_actors::ports::{Batch, Planned};
use chrono::NaiveDate;
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::{Postgres, Type};
use uuid::Uuid;

/// Declares the rows of a section and makes one of each of `$rows`: `column: type = value`.
macro_rules! rows {
    ($rows:ident, $name:ident $(<$text:lifetime>)?,
     |$row:ident| { $first:ident: $kind:ty = $value:expr,
        $($column:ident: $kinds:ty = $values:expr,)+ }) => {{
        #[derive(sqlx::Encode)]
        struct Composite$(<$text>)? {
            $first: $kind,
            $($column: $kinds,)+
        }
        impl$(<$text>)? Type<Postgres> for Composite$(<$text>)? {
            fn type_info() -> PgTypeInfo {
                PgTypeInfo::with_name(concat!("batch_", stringify!($name)))
            }
        }
        impl$(<$text>)? PgHasArrayType for Composite$(<$text>)? {
            fn array_type_info() -> PgTypeInfo {
                PgTypeInfo::array_of(concat!("batch_", stringify!($name)))
            }
        }
        impl$(<$text>)? Row for Composite$(<$text>)? {
            const NAME: &'static str = stringify!($name);
            const COLUMNS: &'static str =
                concat!(stringify!($first), $(", ", stringify!($column)),+);
        }
        $rows.iter().map(|$row| Composite { $first: $value, $($column: $values),+ }).collect()
    }};
}

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

/// Wallets to be moved: from which version and fence, to which, and how many rows have to be found:
/// operations to be ended, and Links that plans are added to.
pub fn wallets(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let guards = |b: &Batch| {
        let closings: usize = b.items.iter().map(|item| item.closed.len()).sum();
        closings + ledger::volumes_added(b).len()
    };
    s.list(
        rows!(batches, wanted, |b| {
            org_id: Uuid = b.org_id.0,
            version: i64 = b.before.version,
            fence: i64 = b.before.fence,
            balance_to: i64 = b.balance.micros(),
            version_to: i64 = b.version,
            links_new: i64 = ledger::links_new(b),
            operations_new: i64 = ledger::operations_new(b),
            sms_new: i64 = ledger::sms_new(b),
            guards: i64 = i64::try_from(guards(b)).unwrap_or(i64::MAX),
            at: Time = Time::from(b.at),
        }),
        "",
    )?;
    Ok(())
}

/// Operations that end, in the order in which they are locked everywhere; `false` where there
/// are none.
pub fn closings(s: &mut Statement, batches: &[&Batch]) -> Result<bool, DbError> {
    let mut rows = Vec::new();
    for (batch, closing) in each(batches, |item| &item.closed) {
        rows.push((batch, closing, closing.answer.as_ref().map(text::to_json).transpose()?));
    }
    if rows.is_empty() {
        return Ok(false);
    }
    rows.sort_unstable_by_key(|(batch, closing, _)| (batch.org_id, closing.operation_id));
    s.list(
        rows!(rows, ending<'a>, |r| {
            org_id: Uuid = r.0.org_id.0,
            id: Uuid = r.1.operation_id.0,
            epoch: i64 = r.1.epoch,
            state: &'a str = r.1.state.word(),
            failure: Option<&'a str> = r.1.failure.map(|f| f.word()),
            cleanup: &'a str = r.1.cleanup.word(),
            lease_until: Option<Time> = r.1.lease_until.map(Time::from),
            answer: Option<&'a str> = r.2.as_deref(),
            settled_at: Option<Time> = operations::settled_at(r.1, r.0.at),
        }),
        s.of_moved,
    )?;
    Ok(true)
}

/// Operations that begin.
pub fn operations(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let mut rows = Vec::new();
    for (batch, operation) in each(batches, |item| &item.opened) {
        rows.push((batch, operation, text::to_json(&operation.request)?));
    }
    if rows.is_empty() {
        return Ok(());
    }
    s.insert(rows!(rows, operations<'a>, |r| {
        org_id: Uuid = r.1.org_id.0,
        id: Uuid = r.1.id.0,
        group_id: Uuid = r.1.group_id.0,
        position: i32 = r.1.position,
        kind: &'a str = r.1.kind.word(),
        state: &'a str = r.1.state.word(),
        link_id: Uuid = r.1.link_id.0,
        activation_id: Option<Uuid> = r.1.activation_id.map(|a| a.0),
        plan_id: Option<Uuid> = r.1.plan_id.map(|p| p.0),
        amount: i64 = r.1.amount.micros(),
        debit_id: Option<Uuid> = r.1.debit_id.map(|d| d.0),
        idempotency_key: Option<&'a str> = r.1.key.as_ref().map(|k| k.key.as_str()),
        request_hash: Option<&'a [u8]> = r.1.key.as_ref().map(|k| k.request_hash.as_slice()),
        request: &'a str = r.2.as_str(),
        cleanup: &'a str = r.1.cleanup.word(),
        epoch: i64 = r.1.epoch,
        attempts: i32 = r.1.attempts,
        lease_until: Option<Time> = ledger::opening_lease(r.1).map(Time::from),
        deadline_at: Time = Time::from(r.1.deadline_at),
        horizon_at: Time = Time::from(r.1.horizon_at),
        created_at: Time = Time::from(r.1.created_at),
    }))?;
    Ok(())
}

/// SMS that are queued.
pub fn sms(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows = each(batches, |item| &item.sms);
    if rows.is_empty() {
        return Ok(());
    }
    s.insert(rows!(rows, sms<'a>, |r| {
        org_id: Uuid = r.0.org_id.0,
        id: Uuid = r.1.id.0,
        link_id: Uuid = r.1.link_id.0,
        iccid: &'a str = r.1.iccid.as_str(),
        message: &'a str = r.1.message.as_str(),
        status: &'a str = r.1.status.word(),
        amount: i64 = r.1.amount.micros(),
        created_at: Time = Time::from(r.1.created_at),
        updated_at: Time = Time::from(r.1.updated_at),
    }))?;
    Ok(())
}

/// SMS that were never handed over and have failed.
pub fn sms_failed(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows = each(batches, |item| &item.sms_failed);
    if rows.is_empty() {
        return Ok(());
    }
    s.list(
        rows!(rows, failing, |r| {
            org_id: Uuid = r.0.org_id.0,
            id: Uuid = r.1.0,
            at: Time = Time::from(r.0.at),
        }),
        s.of_moved,
    )?;
    s.push(
        "failed AS (
             UPDATE sms SET status = 'failed', updated_at = f.at
             FROM failing f WHERE sms.org_id = f.org_id AND sms.id = f.id)",
    );
    Ok(())
}

/// New Links; their cards are used from now on.
pub fn links(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows = each(batches, |item| &item.links);
    if rows.is_empty() {
        return Ok(());
    }
    s.insert(rows!(rows, links<'a>, |r| {
        org_id: Uuid = r.0.org_id.0,
        id: Uuid = r.1.id.0,
        name: Option<&'a str> = r.1.name.as_deref(),
        iccid: &'a str = r.1.iccid.as_str(),
        msisdn: Option<&'a str> = r.1.msisdn.as_deref(),
        kind: &'a str = r.1.kind.word(),
        status: &'a str = r.1.status.word(),
        sponsor_id: &'a str = r.1.sponsor.id.as_str(),
        endpoint_id: &'a str = r.1.endpoint_id.as_str(),
        smdp_address: Option<&'a str> = r.1.smdp_address.as_deref(),
        matching_id: Option<&'a str> = r.1.matching_id.as_deref(),
        data_total_kb: i64 = r.1.data_total.kb(),
        data_used_kb: i64 = r.1.data_used.kb(),
        profile_state: Option<&'a str> = r.1.profile.as_ref().map(|p| p.state.word()),
        profile_at: Option<Time> = r.1.profile.as_ref().and_then(|p| p.updated_at).map(Time::from),
        usage_at: Option<Time> = r.1.usage_at.map(Time::from),
        created_at: Time = Time::from(r.1.created_at),
        updated_at: Time = Time::from(r.1.updated_at),
    }))?;
    s.list(
        rows!(rows, linking<'a>, |r| {
            org_id: Uuid = r.0.org_id.0,
            iccid: &'a str = r.1.iccid.as_str(),
        }),
        s.of_moved,
    )?;
    s.push(
        "used AS (
             UPDATE sims SET state = 'used' FROM linking l WHERE sims.iccid = l.iccid)",
    );
    Ok(())
}

/// New activations.
pub fn activations(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows = each(batches, |item| &item.activations);
    if rows.is_empty() {
        return Ok(());
    }
    s.insert(rows!(rows, activations<'a>, |r| {
        org_id: Uuid = r.0.org_id.0,
        id: Uuid = r.1.id.0,
        link_id: Uuid = r.1.link_id.0,
        operation_id: Uuid = r.1.operation_id.0,
        plan_id: Uuid = r.1.plan_id.0,
        plan_name: &'a str = r.1.plan_name.as_str(),
        status: &'a str = r.1.status.word(),
        instance_id: &'a str = r.1.instance_id.as_str(),
        activated_at: Time = Time::from(r.1.activated_at),
        first_used_at: Option<Time> = r.1.first_used_at.map(Time::from),
        expires_at: Option<Time> = r.1.expires_at.map(Time::from),
        data_total_kb: i64 = r.1.data_total.kb(),
        data_used_kb: i64 = r.1.data_used.kb(),
        countries: String = text::codes_to_text(&r.1.countries),
        amount: i64 = r.1.amount.micros(),
        currency: &'a str = r.1.currency.as_str(),
    }))?;
    Ok(())
}

/// The volume that activations add to Links that are there already; `false` where there is none.
pub fn volumes(s: &mut Statement, batches: &[&Batch]) -> Result<bool, DbError> {
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(ledger::volumes_added(batch).into_iter().map(|(link, kb)| (batch, link, kb)));
    }
    if rows.is_empty() {
        return Ok(false);
    }
    s.list(
        rows!(rows, adding, |r| {
            org_id: Uuid = r.0.org_id.0,
            link_id: Uuid = r.1.0,
            kb: i64 = r.2,
            at: Time = Time::from(r.0.at),
        }),
        s.of_moved,
    )?;
    Ok(true)
}

/// Ledger entries.
pub fn entries(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows = each(batches, |item| &item.entries);
    if rows.is_empty() {
        return Ok(());
    }
    s.insert(rows!(rows, ledger_entries<'a>, |r| {
        org_id: Uuid = r.0.org_id.0,
        sequence: i64 = r.1.sequence,
        id: Uuid = r.1.id.0,
        kind: &'a str = r.1.kind.word(),
        amount: i64 = r.1.amount.micros(),
        balance_after: i64 = r.1.balance_after.micros(),
        link_id: Option<Uuid> = r.1.link_id.map(|l| l.0),
        iccid: Option<&'a str> = r.1.iccid.as_deref(),
        activation_id: Option<Uuid> = r.1.activation_id.map(|a| a.0),
        plan_id: Option<Uuid> = r.1.plan_id.map(|p| p.0),
        plan_name: Option<&'a str> = r.1.plan_name.as_deref(),
        refund_of: Option<Uuid> = r.1.refund_of.map(|r| r.0),
        operation_id: Option<Uuid> = r.1.operation_id.map(|o| o.0),
        reference: Option<&'a str> = r.1.reference.as_deref(),
        description: &'a str = r.1.description.as_str(),
        created_at: Time = Time::from(r.0.at),
    }))?;
    Ok(())
}

/// Link fees that entries charge.
pub fn fees(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows = each(batches, |item| &item.fees);
    if rows.is_empty() {
        return Ok(());
    }
    s.insert(rows!(rows, link_fees<'a>, |r| {
        org_id: Uuid = r.0.org_id.0,
        link_id: Uuid = r.1.fee.link_id.0,
        month: String = r.1.fee.month.to_string(),
        state: &'a str = link_fees::state(r.1),
        amount: i64 = r.1.fee.amount.micros(),
        entry_id: Uuid = r.1.entry_id.0,
        created_at: Time = Time::from(r.0.at),
    }))?;
    Ok(())
}

/// Link fees whose payment is refunded: they are due again.
pub fn fees_returned(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let rows = each(batches, |item| &item.fees_returned);
    if rows.is_empty() {
        return Ok(());
    }
    s.list(
        rows!(rows, returning_fee, |r| {
            org_id: Uuid = r.0.org_id.0,
            link_id: Uuid = r.1.0.0,
            entry_id: Uuid = r.1.1.0,
        }),
        s.of_moved,
    )?;
    s.push(
        "returned AS (
             DELETE FROM link_fees f USING returning_fee r
             WHERE f.org_id = r.org_id AND f.link_id = r.link_id AND f.entry_id = r.entry_id)",
    );
    Ok(())
}

/// What the entries add to their day's totals. An amount past the range of its column stays at the
/// range's end: no statistic keeps money from being booked.
pub fn days(s: &mut Statement, batches: &[&Batch]) -> Result<(), DbError> {
    let mut rows = Vec::new();
    for batch in batches {
        rows.extend(ledger::day_totals(batch).into_iter().map(|total| (batch, total)));
    }
    if rows.is_empty() {
        return Ok(());
    }
    s.list(
        rows!(rows, totalling<'a>, |r| {
            org_id: Uuid = r.0.org_id.0,
            plan_id: Uuid = r.1.1,
            kind: &'a str = r.1.0.word(),
            day: NaiveDate = ledger::day(r.0),
            entries: i64 = r.1.2.entries,
            debited: i64 = r.1.2.debited,
            credited: i64 = r.1.2.credited,
            made: i64 = r.1.2.made,
            first_sequence: Option<i64> = r.1.2.sequences.map(|(first, _)| first),
            last_sequence: Option<i64> = r.1.2.sequences.map(|(_, last)| last),
        }),
        s.of_moved,
    )?;
    s.push(
        "into_ledger_days AS (
             INSERT INTO ledger_days AS d (org_id, plan_id, kind, day, entries, debited, credited,
                 made, first_sequence, last_sequence)
             SELECT org_id, plan_id, kind, day, entries, debited, credited, made, first_sequence,
                 last_sequence FROM totalling
             ON CONFLICT (org_id, plan_id, kind, day) DO UPDATE SET
                 entries = d.entries + excluded.entries,
                 debited = LEAST(d.debited, 9223372036854775807 - excluded.debited)
                     + excluded.debited,
                 credited = LEAST(d.credited, 9223372036854775807 - excluded.credited)
                     + excluded.credited,
                 made = d.made + excluded.made,
                 first_sequence = LEAST(d.first_sequence, excluded.first_sequence),
                 last_sequence = GREATEST(d.last_sequence, excluded.last_sequence))",
    );
    Ok(())
}
