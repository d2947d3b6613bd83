//! How deep an id is in a long list: every thousandth id is kept with its rank, so that a page deep
//! in the list is walked to from near it.
//!
//! [`Ranks`] keeps them up beside the service, and the blocks and months of ledgers; the lists of Links,
//! operations and SMS ask for their totals here and how to walk. Ranks count from the oldest row, so rows
//! that come in front change none.
//!
//! **Invariants:** a rank is kept only of rows so old that none comes in before them any more: ids
//! are UUIDs v7, given before their rows are written. Without ranks every page is as right, and
//! slower.

use super::page::{Walk, Window};
use super::{Database, DbError, Tx, blocks, months};
use bappy_actors::metrics::{Job, job_succeeded};
use bappy_actors::model::{OrgId, Timestamp};
use bappy_actors::ports::Clock;
use chrono::TimeDelta;
use sqlx::AssertSqlSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use uuid::Uuid;

/// Rows from one kept rank to the next: what a page is walked over at most costs less than a
/// millisecond, and ten million rows are ten thousand ranks.
pub(super) const STEP: i64 = 1_000;
/// Rows read at a time while ranks are made: some tens of milliseconds.
const ROWS_AT_A_TIME: i64 = 100 * STEP;
/// How often lists that have grown are looked for.
const PERIOD: Duration = Duration::from_mins(1);
/// A row may be written so long after its id was given, beyond the operator's horizon: crashes,
/// clocks that differ.
const WRITTEN_WITHIN: TimeDelta = TimeDelta::hours(1);

/// A list ordered by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Of Links.
    Links,
    /// Of operations.
    Operations,
    /// Of SMS.
    Sms,
}

impl List {
    /// Its table, by which it is known.
    fn word(self) -> &'static str {
        match self {
            Self::Links => "links",
            Self::Operations => "operations",
            Self::Sms => "sms",
        }
    }

    /// The wallet's counter of its rows.
    fn total(self) -> &'static str {
        match self {
            Self::Links => "links_total",
            Self::Operations => "operations_total",
            Self::Sms => "sms_total",
        }
    }
}

/// A rank below a page: how many rows, going up, are between the two, and its id.
pub(super) type Near = (i64, Uuid);

/// How many rows a whole list has, newest first, and of a page that is deep in it the nearest kept rank.
pub(super) async fn total<K>(
    tx: &mut Tx,
    org: OrgId,
    list: List,
    window: &Window<K>,
) -> Result<(i64, Option<Near>), DbError> {
    let total = list.total();
    let Some(end) = window.end().filter(|end| *end > STEP) else {
        let sql = format!("SELECT {total} FROM wallets WHERE org_id = $1");
        return Ok((
            opt!(tx, (i64,), AssertSqlSafe(sql), org.0)?.map_or(0, |(total,)| total),
            None,
        ));
    };
    // Two look-ups: a join on the greatest rank is planned as one over all ranks of the list.
    let nearest = |column: &str| {
        format!(
            "(SELECT {column} FROM list_ranks r
              WHERE r.org_id = w.org_id AND r.list = $2 AND r.rank <= w.{total} - $3
              ORDER BY r.rank DESC LIMIT 1)"
        )
    };
    let (rank, id) = (nearest("r.rank"), nearest("r.id"));
    let sql = format!("SELECT w.{total}, {rank}, {id} FROM wallets w WHERE w.org_id = $1");
    let row =
        opt!(tx, (i64, Option<i64>, Option<Uuid>), AssertSqlSafe(sql), org.0, list.word(), end)?;
    Ok(row.map_or((0, None), |(total, rank, id)| {
        // Older than the page, if it is full; the last one is walked to from the list's end.
        let older = total - end;
        (total, rank.map(|rank| older - rank).zip(id))
    }))
}

/// A walk to the same page from a rank that is nearer: with the id that it starts after, going up. Where the
/// walk is short as it is, that walk.
pub(super) fn nearer(walk: Walk, near: Option<Near>) -> (Walk, Option<Uuid>) {
    match near {
        Some((between, id)) if walk.offset > STEP && between < walk.offset => {
            (Walk { backwards: true, offset: between, ..walk }, Some(id))
        }
        _ => (walk, None),
    }
}

/// Where a walk begins, in SQL: behind the id of a rank, which it goes up from, or behind the row that a
/// cursor has; either is the argument `$3`.
pub(super) fn begin<K: Clone>(from: Option<Uuid>, window: &Window<K>) -> &'static str {
    match (from, window.after()) {
        (Some(_), _) => " AND l.id > $3",
        (None, Some(_)) => " AND l.id < $3",
        (None, None) => "",
    }
}

/// Keeps ranks up, and the blocks and months of ledgers.
pub struct Ranks {
    /// Of this database.
    pub database: Database,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// An operation's row may be written so long after its deadline.
    pub horizon: Duration,
}

impl Ranks {
    /// Runs until it is told to stop.
    pub async fn run(self, stop: Arc<Notify>) {
        let mut stopped = std::pin::pin!(stop.notified());
        loop {
            match self.round().await {
                Ok(()) => job_succeeded(Job::Ranks, self.clock.now()),
                Err(error) => tracing::warn!(%error, "long lists could not be kept up with"),
            }
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    async fn round(&self) -> Result<(), DbError> {
        let horizon = TimeDelta::from_std(self.horizon).unwrap_or(TimeDelta::MAX);
        let margin = WRITTEN_WITHIN.checked_add(&horizon).unwrap_or(TimeDelta::MAX);
        let Some(before) = self.clock.now().checked_sub_signed(margin) else { return Ok(()) };
        // What cannot be kept up with keeps nothing else from it.
        let ranks = keep(&self.database, before).await;
        let blocks = blocks::keep(&self.database).await;
        let months = months::keep(&self.database, before).await;
        ranks.and(blocks).and(months)
    }
}

/// Keeps the ranks of all rows whose ids were given before a time.
pub async fn keep(database: &Database, before: Timestamp) -> Result<(), DbError> {
    for list in [List::Links, List::Operations, List::Sms] {
        for (org, rank) in grown(database, list).await? {
            extend(database, OrgId(org), list, rank, before).await?;
        }
    }
    Ok(())
}

/// Organizations whose list is a step longer than its last kept rank, which is told.
async fn grown(database: &Database, list: List) -> Result<Vec<(Uuid, i64)>, DbError> {
    let total = list.total();
    let mut tx = database.read().await?;
    Ok(all!(
        tx,
        (Uuid, i64),
        AssertSqlSafe(format!(
            "SELECT w.org_id, COALESCE(MAX(r.rank), 0)
             FROM wallets w LEFT JOIN list_ranks r ON r.org_id = w.org_id AND r.list = $1
             WHERE w.{total} >= $2
             GROUP BY w.org_id, w.{total} HAVING w.{total} - COALESCE(MAX(r.rank), 0) >= $2"
        )),
        list.word(),
        STEP
    )?)
}

async fn extend(
    database: &Database,
    org: OrgId,
    list: List,
    mut rank: i64,
    before: Timestamp,
) -> Result<(), DbError> {
    let table = list.word();
    let mut ranked = {
        let mut tx = database.read().await?;
        let sql = "SELECT id FROM list_ranks WHERE org_id = $1 AND list = $2 AND rank = $3";
        let kept = opt!(tx, (Uuid,), sql, org.0, table, rank)?;
        kept.map_or(Uuid::nil(), |(id,)| id)
    };
    loop {
        let ids = {
            let mut tx = database.read().await?;
            all!(
                tx,
                (i64, Uuid),
                AssertSqlSafe(format!(
                    "SELECT place, id FROM (
                         SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM (
                             SELECT id FROM {table} WHERE org_id = $1 AND id > $2 AND id < $3
                             ORDER BY id LIMIT $4) next) numbered
                     WHERE place % $5 = 0 ORDER BY place"
                )),
                org.0,
                ranked,
                first_id(before),
                ROWS_AT_A_TIME,
                STEP
            )?
        };
        let Some((places, id)) = ids.last().copied() else { return Ok(()) };
        let begin = rank;
        database
            .write(move |tx| {
                Box::pin(async move {
                    for (place, id) in ids {
                        exec!(
                            tx,
                            "INSERT INTO list_ranks (org_id, list, rank, id)
                             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                            org.0,
                            table,
                            begin + place,
                            id
                        )?;
                    }
                    Ok::<_, DbError>(())
                })
            })
            .await?;
        (rank, ranked) = (rank + places, id);
        if places < ROWS_AT_A_TIME {
            return Ok(());
        }
    }
}

/// The smallest UUID v7 of a time: its milliseconds in the first 48 bits.
fn first_id(at: Timestamp) -> Uuid {
    let ms = u128::try_from(at.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(ms << 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn the_first_id_of_a_time_is_not_above_any_of_it() {
        let at = chrono::Utc.timestamp_millis_opt(1_795_518_000_123).unwrap();
        let made = uuid::Timestamp::from_unix(uuid::NoContext, 1_795_518_000, 123_000_000);
        let id = Uuid::new_v7(made);
        assert!(first_id(at) < id && id < first_id(at + TimeDelta::milliseconds(1)));
    }
}
