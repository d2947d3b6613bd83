//! What stretches of a ledger add up to, kept so that a part of a day is not added up entry by entry.
//!
//! [`keep`] is called beside the service, with the ranks of lists; turnovers and the list of
//! transactions ask `split` how the part of a day that they want lies in the blocks.
//!
//! **Invariants:** a block is of entries that are there, which never change, and so neither does it.
//! Nothing is assumed of the order of times: a block knows its earliest and its latest, and counts as a
//! whole only if both are in the period. Blocks follow each other from the first entry; what comes after
//! the last is read. Without blocks every sum is as right, and slower.

use super::ledger::ALL_PLANS;
use super::{Database, DbError, Text, Time, Tx};
use bappy_actors::model::{EntryKind, OrgId, Timestamp};
use chrono::NaiveDate;
use uuid::Uuid;

/// Entries of a block. Of a part of a day two blocks are read entry by entry, and all others of the
/// day looked at: with some tens of thousands of entries a day the two cost the same.
const SIZE: i64 = 250;
/// Blocks made at a time: some tens of milliseconds.
const BLOCKS_AT_A_TIME: i64 = 100;

/// What entries of one kind add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    /// Their kind.
    pub kind: EntryKind,
    /// How many.
    pub entries: i64,
    /// Micros of the debits among them, without sign.
    pub debited: i64,
    /// Micros of the credits among them.
    pub credited: i64,
}

/// A stretch of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Its least sequence.
    pub first: i64,
    /// Its greatest sequence.
    pub last: i64,
    /// What it adds up to, by kind.
    pub sums: Vec<Sums>,
    /// When the earliest and the latest of it were written.
    times: (Timestamp, Timestamp),
}

/// How a part of a day lies in blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Blocks that are in the part as a whole.
    pub whole: Vec<Block>,
    /// Stretches of sequences, of which the entries in the part are to be read; each may be empty.
    pub ends: [(i64, i64); 2],
    /// What comes after this sequence is in no block yet, and is to be read.
    pub after: i64,
}

/// No sequence is in it.
const EMPTY: (i64, i64) = (1, 0);

impl Default for Split {
    /// Without blocks.
    fn default() -> Self {
        Self { whole: Vec::new(), ends: [EMPTY; 2], after: 0 }
    }
}

/// How what of a day is in a period lies in the day's blocks.
pub(super) async fn split(
    tx: &mut Tx,
    org: OrgId,
    day: NaiveDate,
    (from, until): (Timestamp, Timestamp),
) -> Result<Split, DbError> {
    // A block that goes on past the day's last entry is not worth having.
    let rows = all!(
        tx,
        BlockRow,
        "SELECT of_day.first, b.first_sequence, b.last_sequence, b.kind, b.entries, b.debited,
             b.credited, b.first_at, b.last_at
         FROM (SELECT MIN(first_sequence) AS first, MAX(last_sequence) AS last FROM ledger_days
               WHERE org_id = $1 AND plan_id = $2 AND day = $3 AND kind IN
                   ('credit', 'activation', 'topup', 'refund', 'sms', 'link_fee', 'adjustment')
              ) of_day
         JOIN ledger_blocks b ON b.org_id = $1
             AND b.last_sequence >= of_day.first AND b.last_sequence <= of_day.last
         ORDER BY b.last_sequence, b.first_sequence",
        org.0,
        ALL_PLANS,
        day
    )?;
    Ok(Split::of(chain(rows)?, from, until))
}

/// The first sequence of the day, and a row of `ledger_blocks` without its organization.
type BlockRow = (i64, i64, i64, String, i64, i64, i64, Time, Time);

/// The blocks from the day's first entry on that follow each other.
fn chain(rows: Vec<BlockRow>) -> Result<Vec<Block>, DbError> {
    let mut blocks: Vec<Block> = Vec::new();
    for (begin, first, last, kind, entries, debited, credited, first_at, last_at) in rows {
        let kind = EntryKind::from_word(&kind)?;
        let sums = Sums { kind, entries, debited, credited };
        let times = (Timestamp::from(first_at), Timestamp::from(last_at));
        match blocks.last_mut() {
            Some(block) if (block.first, block.last) == (first, last) => {
                block.sums.push(sums);
                block.times = (block.times.0.min(times.0), block.times.1.max(times.1));
            }
            // Versions of the service that make blocks of other sizes may have been at work.
            Some(block) if first <= block.last => {}
            Some(block) if first != block.last + 1 => break,
            None if first > begin => break,
            _ => blocks.push(Block { first, last, sums: vec![sums], times }),
        }
    }
    Ok(blocks)
}

/// How a block lies to a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    Across,
    Within,
}

impl Block {
    fn place(&self, from: Timestamp, until: Timestamp) -> Place {
        let (earliest, latest) = self.times;
        match () {
            () if latest < from || earliest >= until => Place::Outside,
            () if earliest >= from && latest < until => Place::Within,
            () => Place::Across,
        }
    }
}

impl Split {
    /// Of blocks that follow each other. Most often those within the period are one run, with a block
    /// across each of its ends; where times are in disorder, what is around the longest run is read.
    fn of(mut blocks: Vec<Block>, from: Timestamp, until: Timestamp) -> Self {
        let after = blocks.last().map_or(0, |block| block.last);
        let is_outside = |block: &Block| block.place(from, until) == Place::Outside;
        while blocks.last().is_some_and(is_outside) {
            blocks.pop();
        }
        let before = blocks.iter().take_while(|block| is_outside(block)).count();
        blocks.drain(..before);
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else {
            return Self { after, ..Self::default() };
        };
        let (first, last) = (first.first, last.last);
        let longest = blocks
            .split(|block| block.place(from, until) == Place::Across)
            .max_by_key(|run| run.len())
            .unwrap_or_default();
        let ends = match (longest.first(), longest.last()) {
            (Some(begin), Some(end)) => [(first, begin.first - 1), (end.last + 1, last)],
            _ => [(first, last), EMPTY],
        };
        let whole = longest.iter().filter(|block| !is_outside(block)).cloned().collect();
        Self { whole, ends, after }
    }
}

/// Keeps the blocks of all ledgers up.
pub async fn keep(database: &Database) -> Result<(), DbError> {
    keep_by(database, SIZE).await
}

/// The same, with blocks of so many entries; for tests.
pub async fn keep_by(database: &Database, size: i64) -> Result<(), DbError> {
    let grown = {
        let mut tx = database.read().await?;
        all!(
            tx,
            (Uuid, i64, i64),
            "SELECT org_id, kept, version
             FROM (SELECT w.org_id, w.version, COALESCE((SELECT MAX(b.last_sequence)
                       FROM ledger_blocks b WHERE b.org_id = w.org_id), 0) AS kept
                   FROM wallets w WHERE w.version >= $1) grown
             WHERE version - kept >= $1",
            size
        )?
    };
    // One ledger that cannot be added up keeps no other from it.
    let mut outcome = Ok(());
    for (org, kept, version) in grown {
        if let Err(error) = extend(database, OrgId(org), (kept, version), size).await {
            outcome = Err(error);
        }
    }
    outcome
}

#[derive(sqlx::FromRow)]
struct Row {
    number: i64,
    kind: String,
    entries: i64,
    debited: i64,
    credited: i64,
    first_at: Time,
    last_at: Time,
}

/// Adds up the entries past those `kept`, of which `version` are there.
async fn extend(
    database: &Database,
    org: OrgId,
    (mut kept, version): (i64, i64),
    size: i64,
) -> Result<(), DbError> {
    loop {
        let count = ((version - kept) / size).min(BLOCKS_AT_A_TIME);
        if count <= 0 {
            return Ok(());
        }
        let rows = {
            let mut tx = database.read().await?;
            all!(
                tx,
                Row,
                "SELECT (sequence - $2 - 1) / $4 AS number, kind, COUNT(*) AS entries,
                     CAST(SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS BIGINT) AS debited,
                     CAST(SUM(CASE WHEN amount > 0 THEN amount ELSE 0 END) AS BIGINT) AS credited,
                     MIN(created_at) AS first_at, MAX(created_at) AS last_at
                 FROM ledger_entries
                 WHERE org_id = $1 AND sequence > $2 AND sequence <= $3
                 GROUP BY 1, 2 ORDER BY 1, 2",
                org.0,
                kept,
                kept + count * size,
                size
            )?
        };
        write(database, org, kept, size, rows).await?;
        kept += count * size;
    }
}

async fn write(
    database: &Database,
    org: OrgId,
    kept: i64,
    size: i64,
    rows: Vec<Row>,
) -> Result<(), DbError> {
    database
        .write(move |tx| {
            Box::pin(async move {
                for row in rows {
                    // Another instance may have been first, with the same.
                    exec!(
                        tx,
                        "INSERT INTO ledger_blocks (org_id, first_sequence, last_sequence, kind,
                             entries, debited, credited, first_at, last_at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
                        org.0,
                        kept + row.number * size + 1,
                        kept + (row.number + 1) * size,
                        row.kind,
                        row.entries,
                        row.debited,
                        row.credited,
                        row.first_at,
                        row.last_at
                    )?;
                }
                Ok::<_, DbError>(())
            })
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{TimeDelta, Utc};

    /// Blocks of ten entries, each written from one second to another.
    fn blocks(times: &[(i64, i64)]) -> Vec<Block> {
        let block = |(n, (earliest, latest)): (i64, &(i64, i64))| Block {
            first: n * 10 + 1,
            last: n * 10 + 10,
            sums: vec![],
            times: (second(*earliest), second(*latest)),
        };
        (0..).zip(times).map(block).collect()
    }

    fn second(n: i64) -> Timestamp {
        chrono::DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(n)
    }

    fn split(times: &[(i64, i64)], from: i64, until: i64) -> (Vec<i64>, [(i64, i64); 2], i64) {
        let split = Split::of(blocks(times), second(from), second(until));
        (split.whole.iter().map(|block| block.first).collect(), split.ends, split.after)
    }

    #[test]
    fn what_is_across_an_end_is_read_and_what_is_between_is_not() {
        let times = [(0, 9), (10, 19), (20, 29), (30, 39), (40, 49)];
        assert_eq!(split(&times, 15, 45), (vec![21, 31], [(11, 20), (41, 50)], 50));
        assert_eq!(split(&times, 10, 40), (vec![11, 21, 31], [(11, 10), (41, 40)], 50));
        assert_eq!(split(&times, 12, 18), (vec![], [(11, 20), EMPTY], 50));
        assert_eq!(split(&times, 60, 70), (vec![], [EMPTY; 2], 50));
        assert_eq!(split(&[], 0, 9), (vec![], [EMPTY; 2], 0));
    }

    #[test]
    fn blocks_of_two_sizes_are_gone_through_by_the_smaller() {
        let row = |(first, last): (i64, i64)| {
            let at = Time::from(second(0));
            (1, first, last, "topup".to_owned(), last - first + 1, 0, 0, at, at)
        };
        let chained = |stretches: &[(i64, i64)]| {
            let rows = stretches.iter().copied().map(row).collect();
            let blocks = chain(rows).unwrap();
            blocks.iter().map(|block| (block.first, block.last)).collect::<Vec<_>>()
        };
        // As the statement puts them in order.
        let mixed = [(1, 10), (11, 15), (11, 20), (16, 20), (21, 25)];
        assert_eq!(chained(&mixed), [(1, 10), (11, 15), (16, 20), (21, 25)]);
        assert_eq!(chained(&[(1, 10), (21, 30)]), [(1, 10)]);
        assert_eq!(chained(&[(11, 20)]), []);
    }

    #[test]
    fn where_times_are_in_disorder_nothing_is_missed() {
        // Of a clock that was behind, in the midst of others.
        let times = [(0, 9), (10, 19), (5, 29), (30, 39), (3, 49), (12, 14)];
        assert_eq!(split(&times, 10, 40), (vec![51], [(11, 50), (61, 60)], 60));
        // What is outside lies between what is within.
        let times = [(10, 19), (0, 9), (11, 12), (0, 99)];
        assert_eq!(split(&times, 10, 20), (vec![1, 21], [(1, 0), (31, 40)], 40));
    }
}
