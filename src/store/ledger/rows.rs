//! What a batch writes, as rows of tables, section by section: the same for both databases.
//!
//! Called by both engines' batch writers. **Invariant:** the columns of a section are those of the
//! PostgreSQL type `batch_NAME`, in its order (`migrations/postgres`).

use super::super::{DbError, Text, Time, link_fees, operations, text};
use super::{day, day_totals, links_new, opening_lease, operations_new, sms_new, volumes_added};
use bappy_actors::ports::{Batch, Planned};
use chrono::NaiveDate;
use sqlx::encode::Encode;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Postgres, Type};
use uuid::Uuid;

/// A row of one section. On PostgreSQL it is of the composite type `batch_NAME`.
pub(in crate::store) trait Row:
    for<'q> Encode<'q, Postgres> + Type<Postgres> + PgHasArrayType + Send + Sync
{
    /// The section, which for rows to be inserted is the table.
    const NAME: &'static str;
    /// The columns.
    const COLUMNS: &'static [&'static str];

    /// Binds all columns, on SQLite.
    fn bind(self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError>;
}

/// Declares the rows of a section and makes one of each that is iterated over:
/// `column: type = value`.
macro_rules! rows {
    ($name:ident $(<$text:lifetime>)?, $pattern:pat in $source:expr,
     { $($column:ident: $kind:ty = $value:expr,)+ }) => {{
        #[derive(sqlx::Encode)]
        struct Section$(<$text>)? {
            $($column: $kind,)+
        }
        impl$(<$text>)? Type<Postgres> for Section$(<$text>)? {
            fn type_info() -> PgTypeInfo {
                PgTypeInfo::with_name(concat!("batch_", stringify!($name)))
            }
        }
        impl$(<$text>)? PgHasArrayType for Section$(<$text>)? {
            fn array_type_info() -> PgTypeInfo {
                PgTypeInfo::array_of(concat!("batch_", stringify!($name)))
            }
        }
        impl$(<$text>)? Row for Section$(<$text>)? {
            const NAME: &'static str = stringify!($name);
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];

            fn bind(self, arguments: &mut SqliteArguments) -> Result<(), BoxDynError> {
                $(arguments.add(self.$column)?;)+
                Ok(())
            }
        }
        let mut rows = Vec::new();
        for $pattern in $source {
            rows.push(Section { $($column: $value),+ });
        }
        rows
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

/// How many rows a batch has to find: operations to be ended, and Links that plans are added to.
fn guards(batch: &Batch) -> i64 {
    let closings: usize = batch.items.iter().map(|item| item.closed.len()).sum();
    i64::try_from(closings + volumes_added(batch).len()).unwrap_or(i64::MAX)
}

/// Wallets to be moved: from which version and fence, to which, and how many rows have to be found.
pub(in crate::store) fn wallets(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(wanted, b in batches, {
        org_id: Uuid = b.org_id.0,
        version: i64 = b.before.version,
        fence: i64 = b.before.fence,
        balance_to: i64 = b.balance.micros(),
        version_to: i64 = b.version,
        links_new: i64 = links_new(b),
        operations_new: i64 = operations_new(b),
        sms_new: i64 = sms_new(b),
        guards: i64 = guards(b),
        at: Time = Time::from(b.at),
    })
}

/// Moves the wallets of `wanted` that nobody else has moved.
pub(in crate::store) const MOVE: &str = "UPDATE wallets AS w SET balance = r.balance_to,
        version = r.version_to, links_total = w.links_total + r.links_new,
        operations_total = w.operations_total + r.operations_new,
        sms_total = w.sms_total + r.sms_new, updated_at = r.at
    FROM wanted r
    WHERE w.org_id = r.org_id AND w.version = r.version AND w.fence = r.fence";

/// Operations that end, in the order in which they are locked everywhere.
pub(in crate::store) fn closings(batches: &[&Batch]) -> Result<Vec<impl Row>, DbError> {
    let mut closings = each(batches, |item| &item.closed);
    closings.sort_unstable_by_key(|(batch, closing)| (batch.org_id, closing.operation_id));
    let rows = rows!(ending<'a>, (b, c) in closings, {
        org_id: Uuid = b.org_id.0,
        id: Uuid = c.operation_id.0,
        epoch: i64 = c.epoch,
        state: &'a str = c.state.word(),
        failure: Option<&'a str> = c.failure.map(|f| f.word()),
        cleanup: &'a str = c.cleanup.word(),
        lease_until: Option<Time> = c.lease_until.map(Time::from),
        answer: Option<String> = c.answer.as_ref().map(text::to_json).transpose()?,
        settled_at: Option<Time> = operations::settled_at(c, b.at),
    });
    Ok(rows)
}

/// Ends the operations of `ending` that are still pending under their epoch. `CASE` hides from
/// PostgreSQL that they are in the index of those that are open: it would read that index whole,
/// with all that has lately left it, for each batch.
pub(in crate::store) const END: &str = "UPDATE operations AS o SET state = e.state,
        failure = e.failure, cleanup = e.cleanup, lease_until = e.lease_until, answer = e.answer,
        settled_at = e.settled_at
    FROM ending e
    WHERE o.org_id = e.org_id AND o.id = e.id AND o.epoch = e.epoch
        AND CASE o.state WHEN 'pending' THEN TRUE ELSE FALSE END";

/// Operations that begin.
pub(in crate::store) fn operations(batches: &[&Batch]) -> Result<Vec<impl Row>, DbError> {
    let rows = rows!(operations<'a>, (_, o) in each(batches, |item| &item.opened), {
        org_id: Uuid = o.org_id.0,
        id: Uuid = o.id.0,
        group_id: Uuid = o.group_id.0,
        position: i32 = o.position,
        kind: &'a str = o.kind.word(),
        state: &'a str = o.state.word(),
        link_id: Uuid = o.link_id.0,
        activation_id: Option<Uuid> = o.activation_id.map(|a| a.0),
        plan_id: Option<Uuid> = o.plan_id.map(|p| p.0),
        amount: i64 = o.amount.micros(),
        debit_id: Option<Uuid> = o.debit_id.map(|d| d.0),
        idempotency_key: Option<&'a str> = o.key.as_ref().map(|k| k.key.as_str()),
        request_hash: Option<&'a [u8]> = o.key.as_ref().map(|k| k.request_hash.as_slice()),
        request: String = text::to_json(&o.request)?,
        cleanup: &'a str = o.cleanup.word(),
        epoch: i64 = o.epoch,
        attempts: i32 = o.attempts,
        lease_until: Option<Time> = opening_lease(o).map(Time::from),
        deadline_at: Time = Time::from(o.deadline_at),
        horizon_at: Time = Time::from(o.horizon_at),
        created_at: Time = Time::from(o.created_at),
    });
    Ok(rows)
}

/// SMS that are queued.
pub(in crate::store) fn sms(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(sms<'a>, (b, s) in each(batches, |item| &item.sms), {
        org_id: Uuid = b.org_id.0,
        id: Uuid = s.id.0,
        link_id: Uuid = s.link_id.0,
        iccid: &'a str = s.iccid.as_str(),
        message: &'a str = s.message.as_str(),
        status: &'a str = s.status.word(),
        amount: i64 = s.amount.micros(),
        created_at: Time = Time::from(s.created_at),
        updated_at: Time = Time::from(s.updated_at),
    })
}

/// SMS that were never handed over and have failed.
pub(in crate::store) fn sms_failed(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(failing, (b, id) in each(batches, |item| &item.sms_failed), {
        org_id: Uuid = b.org_id.0,
        id: Uuid = id.0,
        at: Time = Time::from(b.at),
    })
}

/// Fails the messages of `failing`.
pub(in crate::store) const FAIL: &str = "UPDATE sms SET status = 'failed', updated_at = f.at
    FROM failing f WHERE sms.org_id = f.org_id AND sms.id = f.id";

/// New Links.
pub(in crate::store) fn links(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(links<'a>, (b, l) in each(batches, |item| &item.links), {
        org_id: Uuid = b.org_id.0,
        id: Uuid = l.id.0,
        name: Option<&'a str> = l.name.as_deref(),
        iccid: &'a str = l.iccid.as_str(),
        msisdn: Option<&'a str> = l.msisdn.as_deref(),
        kind: &'a str = l.kind.word(),
        status: &'a str = l.status.word(),
        sponsor_id: &'a str = l.sponsor.id.as_str(),
        endpoint_id: &'a str = l.endpoint_id.as_str(),
        smdp_address: Option<&'a str> = l.smdp_address.as_deref(),
        matching_id: Option<&'a str> = l.matching_id.as_deref(),
        data_total_kb: i64 = l.data_total.kb(),
        data_used_kb: i64 = l.data_used.kb(),
        profile_state: Option<&'a str> = l.profile.as_ref().map(|p| p.state.word()),
        profile_at: Option<Time> = l.profile.as_ref().and_then(|p| p.updated_at).map(Time::from),
        usage_at: Option<Time> = l.usage_at.map(Time::from),
        created_at: Time = Time::from(l.created_at),
        updated_at: Time = Time::from(l.updated_at),
    })
}

/// The cards of new Links, which are used from now on.
pub(in crate::store) fn cards_used(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(linking<'a>, (b, l) in each(batches, |item| &item.links), {
        org_id: Uuid = b.org_id.0,
        iccid: &'a str = l.iccid.as_str(),
    })
}

/// Marks the cards of `linking`.
pub(in crate::store) const USE: &str =
    "UPDATE sims SET state = 'used' FROM linking l WHERE sims.iccid = l.iccid";

/// New activations.
pub(in crate::store) fn activations(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(activations<'a>, (b, a) in each(batches, |item| &item.activations), {
        org_id: Uuid = b.org_id.0,
        id: Uuid = a.id.0,
        link_id: Uuid = a.link_id.0,
        operation_id: Uuid = a.operation_id.0,
        plan_id: Uuid = a.plan_id.0,
        plan_name: &'a str = a.plan_name.as_str(),
        status: &'a str = a.status.word(),
        instance_id: &'a str = a.instance_id.as_str(),
        activated_at: Time = Time::from(a.activated_at),
        first_used_at: Option<Time> = a.first_used_at.map(Time::from),
        expires_at: Option<Time> = a.expires_at.map(Time::from),
        data_total_kb: i64 = a.data_total.kb(),
        data_used_kb: i64 = a.data_used.kb(),
        countries: String = text::codes_to_text(&a.countries),
        amount: i64 = a.amount.micros(),
        currency: &'a str = a.currency.as_str(),
    })
}

/// The volume that activations add to Links that are there already.
pub(in crate::store) fn volumes(batches: &[&Batch]) -> Vec<impl Row> {
    let added = batches.iter().flat_map(|batch| {
        volumes_added(batch).into_iter().map(move |(link, kb)| (*batch, link, kb))
    });
    rows!(adding, (b, link, kb) in added, {
        org_id: Uuid = b.org_id.0,
        link_id: Uuid = link.0,
        kb: i64 = kb,
        at: Time = Time::from(b.at),
    })
}

/// Adds the volumes of `adding` to their Links.
pub(in crate::store) const ADD: &str = "UPDATE links AS l
    SET data_total_kb = l.data_total_kb + a.kb, updated_at = a.at
    FROM adding a WHERE l.org_id = a.org_id AND l.id = a.link_id";

/// Ledger entries.
pub(in crate::store) fn entries(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(ledger_entries<'a>, (b, e) in each(batches, |item| &item.entries), {
        org_id: Uuid = b.org_id.0,
        sequence: i64 = e.sequence,
        id: Uuid = e.id.0,
        kind: &'a str = e.kind.word(),
        amount: i64 = e.amount.micros(),
        balance_after: i64 = e.balance_after.micros(),
        link_id: Option<Uuid> = e.link_id.map(|l| l.0),
        iccid: Option<&'a str> = e.iccid.as_deref(),
        activation_id: Option<Uuid> = e.activation_id.map(|a| a.0),
        plan_id: Option<Uuid> = e.plan_id.map(|p| p.0),
        plan_name: Option<&'a str> = e.plan_name.as_deref(),
        refund_of: Option<Uuid> = e.refund_of.map(|r| r.0),
        operation_id: Option<Uuid> = e.operation_id.map(|o| o.0),
        reference: Option<&'a str> = e.reference.as_deref(),
        description: &'a str = e.description.as_str(),
        created_at: Time = Time::from(b.at),
    })
}

/// Link fees that entries charge.
pub(in crate::store) fn fees(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(link_fees<'a>, (b, f) in each(batches, |item| &item.fees), {
        org_id: Uuid = b.org_id.0,
        link_id: Uuid = f.fee.link_id.0,
        month: String = f.fee.month.to_string(),
        state: &'a str = link_fees::state(f),
        amount: i64 = f.fee.amount.micros(),
        entry_id: Uuid = f.entry_id.0,
        created_at: Time = Time::from(b.at),
    })
}

/// Link fees whose payment is refunded: they are due again.
pub(in crate::store) fn fees_returned(batches: &[&Batch]) -> Vec<impl Row> {
    rows!(returning_fee, (b, (link, entry)) in each(batches, |item| &item.fees_returned), {
        org_id: Uuid = b.org_id.0,
        link_id: Uuid = link.0,
        entry_id: Uuid = entry.0,
    })
}

/// What the entries add to their day's totals.
pub(in crate::store) fn days(batches: &[&Batch]) -> Vec<impl Row> {
    let totals = batches
        .iter()
        .flat_map(|batch| day_totals(batch).into_iter().map(move |total| (*batch, total)));
    rows!(totalling<'a>, (b, (kind, plan, sums)) in totals, {
        org_id: Uuid = b.org_id.0,
        plan_id: Uuid = plan,
        kind: &'a str = kind.word(),
        day: NaiveDate = day(b),
        entries: i64 = sums.entries,
        debited: i64 = sums.debited,
        credited: i64 = sums.credited,
        made: i64 = sums.made,
        first_sequence: Option<i64> = sums.sequences.map(|(first, _)| first),
        last_sequence: Option<i64> = sums.sequences.map(|(_, last)| last),
    })
}
