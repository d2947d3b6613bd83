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
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Entries of a block. Of a part of a day two blocks are read entry by entry, and all others of the
/// day looked at: with some tens of thousands of entries a day the two cost the same.
const SIZE: i64 = 250;
/// Blocks made at a time: some tens of milliseconds.
const BLOCKS_AT_A_TIME: i64 = 100;

/// A stretch of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Its least sequence.
    pub first: i64,
    /// Its greatest sequence.
    pub last: i64,
    /// How many of the kind asked for are in it.
    pub count: i64,
    /// When the earliest and the latest of it were written.
    times: (Timestamp, Timestamp),
}

/// A day that a period cuts, and what of it is in the period.
pub(super) type Cut = (NaiveDate, Timestamp, Timestamp);

/// How a part of a day lies in blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Blocks that are in the part as a whole. Those between them are outside of it as a whole.
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

/// How what of two days at most is in a period lies in the days' blocks; entries of a kind or of all
/// are counted.
pub(super) async fn split(
    tx: &mut Tx,
    org: OrgId,
    kind: Option<EntryKind>,
    cuts: &[Cut],
) -> Result<Vec<Split>, DbError> {
    if cuts.is_empty() {
        return Ok(Vec::new());
    }
    let counted = kind.map_or("b.entries", |_| "CASE WHEN b.kind = $3 THEN b.entries ELSE 0 END");
    // The last block may go on past the day's last entry. Row-level security looks for rows by plain
    // columns only.
    let of_day = |n: usize| {
        format!(
            "SELECT {n}, MIN(of_day.first), MIN(of_day.last), b.first_sequence, b.last_sequence,
                 CAST(SUM({counted}) AS BIGINT), MIN(b.first_at), MAX(b.last_at)
             FROM (SELECT MIN(first_sequence) AS first, MAX(last_sequence) AS last,
                       MAX(last_sequence) + {SIZE} - 1 AS upto
                   FROM ledger_days WHERE org_id = $1 AND plan_id = $2 AND day = ${} AND kind IN
                       ('credit', 'activation', 'topup', 'refund', 'sms', 'link_fee', 'adjustment')
                  ) of_day
             JOIN ledger_blocks b ON b.org_id = $1
                 AND b.last_sequence >= of_day.first AND b.last_sequence <= of_day.upto
             GROUP BY b.last_sequence, b.first_sequence",
            4 + n
        )
    };
    let days: Vec<_> = (0..cuts.len()).map(of_day).collect();
    let rows = all!(
        tx,
        BlockRow,
        AssertSqlSafe(format!("{} ORDER BY 1, 5, 4", days.join(" UNION ALL "))),
        org.0,
        ALL_PLANS,
        kind.map(|kind| kind.word()),
        cuts.first().map(|(day, ..)| *day),
        cuts.get(1).map(|(day, ..)| *day)
    )?;
    let of_day = |(n, (_, from, until)): (i32, &Cut)| {
        let rows = || rows.iter().filter(|row| row.0 == n);
        let day = rows().next().map_or(EMPTY, |row| (row.1, row.2));
        Split::of(chain(rows()), day, *from, *until)
    };
    Ok((0..).zip(cuts).map(of_day).collect())
}

/// Which of the days it is of, the least and greatest sequence of the day and of a block, how many
/// entries are counted in the block, and its times.
type BlockRow = (i32, i64, i64, i64, i64, i64, Time, Time);

/// The blocks from the day's first entry on that follow each other. Those of another size, which
/// a version of the service may have made at the same time, and all after them are left out.
fn chain<'a>(rows: impl Iterator<Item = &'a BlockRow>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for (_, begin, _, first, last, count, earliest, latest) in rows.copied() {
        match blocks.last() {
            None if first > begin => break,
            Some(block) if last == block.last => {
                blocks.pop();
                break;
            }
            Some(block) if first != block.last + 1 => break,
            _ => {}
        }
        let times = (Timestamp::from(earliest), Timestamp::from(latest));
        blocks.push(Block { first, last, count, times });
    }
    blocks
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
    /// Of blocks that follow each other, and a day's least and greatest sequence. Most often the blocks
    /// within the period are one run, with a block across each of its ends; where times are in disorder,
    /// what is around the longest run is read.
    fn of(mut blocks: Vec<Block>, day: (i64, i64), from: Timestamp, until: Timestamp) -> Self {
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
        // The block before may have begun on the day before, and the last go on into the next.
        let (first, last) = (first.first.max(day.0), last.last.min(day.1));
        let longest = blocks
            .split(|block| block.place(from, until) == Place::Across)
            .max_by_key(|run| run.len())
            .unwrap_or_default();
        let ends = match (longest.first(), longest.last()) {
            (Some(begin), Some(end)) => [(first, begin.first - 1), (end.last + 1, last)],
            _ => [(first, last), EMPTY],
        };
        let whole = longest.iter().filter(|block| !is_outside(block)).copied().collect();
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
            count: 10,
            times: (second(*earliest), second(*latest)),
        };
        (0..).zip(times).map(block).collect()
    }

    fn second(n: i64) -> Timestamp {
        chrono::DateTime::<Utc>::UNIX_EPOCH + TimeDelta::seconds(n)
    }

    fn split(times: &[(i64, i64)], from: i64, until: i64) -> (Vec<i64>, [(i64, i64); 2], i64) {
        let split = Split::of(blocks(times), (4, 57), second(from), second(until));
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
    fn of_blocks_that_go_past_a_day_only_the_day_is_read() {
        let times = [(0, 9), (10, 19), (20, 29), (30, 39), (40, 49), (50, 59)];
        assert_eq!(split(&times, 3, 15), (vec![], [(4, 20), EMPTY], 60));
        assert_eq!(split(&times, 35, 57), (vec![41], [(31, 40), (51, 57)], 60));
    }

    #[test]
    fn blocks_of_another_size_end_the_chain() {
        let row = |(first, last): (i64, i64)| {
            let at = Time::from(second(0));
            (0, 1, 25, first, last, last - first + 1, at, at)
        };
        let chained = |stretches: &[(i64, i64)]| {
            let rows: Vec<_> = stretches.iter().copied().map(row).collect();
            chain(rows.iter()).iter().map(|block| (block.first, block.last)).collect::<Vec<_>>()
        };
        // As the statement puts them in order.
        assert_eq!(chained(&[(1, 10), (11, 15), (16, 25)]), [(1, 10), (11, 15), (16, 25)]);
        assert_eq!(chained(&[(1, 10), (11, 15), (11, 20), (16, 20)]), [(1, 10), (11, 15)]);
        assert_eq!(chained(&[(1, 10), (11, 20), (16, 20), (21, 25)]), [(1, 10)]);
        assert_eq!(chained(&[(1, 10), (21, 30)]), [(1, 10)]);
        assert_eq!(chained(&[(11, 20)]), []);
    }

    #[test]
    fn where_times_are_in_disorder_nothing_is_missed() {
        // Of a clock that was behind, in the midst of others.
        let times = [(0, 9), (10, 19), (5, 29), (30, 39), (3, 49), (12, 14)];
        assert_eq!(split(&times, 10, 40), (vec![51], [(11, 50), (61, 57)], 60));
        // What is outside lies between what is within.
        let times = [(10, 19), (0, 9), (11, 12), (0, 99)];
        assert_eq!(split(&times, 10, 20), (vec![1, 21], [(4, 0), (31, 40)], 40));
    }
}
