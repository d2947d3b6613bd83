//! How a part of a day lies in the blocks that are kept.

use super::SIZE;
use crate::store::ledger::ALL_PLANS;
use crate::store::{DbError, Text, Time, Tx};
use bappy_actors::model::{EntryKind, OrgId, Timestamp};
use chrono::NaiveDate;
use sqlx::AssertSqlSafe;

/// A block, or some that follow each other and lie alike to the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Block {
    /// Its least sequence.
    pub first: i64,
    /// Its greatest sequence.
    pub last: i64,
    /// How many of the kind asked for are in it.
    pub count: i64,
    place: Place,
}

/// A day that a period cuts, and what of it is in the period.
pub(in crate::store) type Cut = (NaiveDate, Timestamp, Timestamp);

/// How a part of a day lies in blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Split {
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
pub(in crate::store) async fn split(
    tx: &mut Tx,
    org: OrgId,
    kind: Option<EntryKind>,
    cuts: &[Cut],
) -> Result<Vec<Split>, DbError> {
    if cuts.is_empty() {
        return Ok(Vec::new());
    }
    // Of all kinds the place of any entry in a stretch is known. Among others those of a kind are
    // counted, in a block and not in half a day.
    if kind.is_none() {
        let rows = stretches(tx, org, kind, cuts, Told::Alike).await?;
        if (0..cuts.len()).all(|n| are_in_order(of_day(&rows, n))) {
            return Ok(splits(&rows, cuts.len()));
        }
    }
    Ok(splits(&stretches(tx, org, kind, cuts, Told::Each).await?, cuts.len()))
}

/// A stretch of a day's blocks: which of the days it is of, that day's least and greatest sequence, the
/// stretch's, how many entries are counted in it, where it lies, and of how many entries its blocks are.
#[derive(Clone, sqlx::FromRow)]
struct Stretch {
    day: i32,
    day_first: i64,
    day_last: i64,
    first: i64,
    last: i64,
    counted: i64,
    place: String,
    size: i64,
}

/// Which blocks are told as one stretch.
#[derive(Clone, Copy)]
enum Told {
    /// All that are before the period, all within, all after; each that is across an end of it by itself.
    /// Where times are in disorder they may lie between each other.
    Alike,
    /// No other.
    Each,
}

async fn stretches(
    tx: &mut Tx,
    org: OrgId,
    kind: Option<EntryKind>,
    cuts: &[Cut],
    told: Told,
) -> Result<Vec<Stretch>, DbError> {
    let counted = kind.map_or("b.entries", |_| "CASE WHEN b.kind = $3 THEN b.entries ELSE 0 END");
    // The last block may go on past the day's last entry. Row-level security looks for rows by plain
    // columns only.
    let totals = totals_of_all!();
    let of_day = |n: usize| {
        let [day, from, until] = [4, 5, 6].map(|place| format!("${}", place + 3 * n));
        format!(
            "SELECT {n} AS day, of_day.first AS day_first, of_day.last AS day_last,
                 b.first_sequence, b.last_sequence, SUM({counted}) AS counted,
                 CASE WHEN MAX(b.last_at) < {from} THEN 'before'
                     WHEN MIN(b.first_at) >= {until} THEN 'after'
                     WHEN MIN(b.first_at) >= {from} AND MAX(b.last_at) < {until} THEN 'within'
                     ELSE 'across' END AS place
             FROM (SELECT MIN(first_sequence) AS first, MAX(last_sequence) AS last,
                       MAX(last_sequence) + {SIZE} - 1 AS upto
                   FROM ledger_days WHERE {totals} AND day = {day}) of_day
             JOIN ledger_blocks b ON b.org_id = $1
                 AND b.last_sequence >= of_day.first AND b.last_sequence <= of_day.upto
             GROUP BY b.last_sequence, b.first_sequence, of_day.first, of_day.last"
        )
    };
    let days: Vec<_> = (0..cuts.len()).map(of_day).collect();
    let stretch = match told {
        Told::Alike => "CASE WHEN place = 'across' THEN last_sequence ELSE 0 END",
        Told::Each => "last_sequence, first_sequence",
    };
    let of = |n: usize| cuts.get(n);
    let rows = all!(
        tx,
        Stretch,
        AssertSqlSafe(format!(
            "SELECT day, MIN(day_first) AS day_first, MIN(day_last) AS day_last,
                 MIN(first_sequence) AS first, MAX(last_sequence) AS last,
                 CAST(SUM(counted) AS BIGINT) AS counted,
                 place, CAST(SUM(last_sequence - first_sequence + 1) AS BIGINT) AS size
             FROM ({}) blocks GROUP BY day, place, {stretch} ORDER BY day, last, first",
            days.join(" UNION ALL ")
        )),
        org.0,
        ALL_PLANS,
        kind.map(|kind| kind.word()),
        of(0).map(|(day, ..)| *day),
        of(0).map(|(_, from, _)| Time::from(*from)),
        of(0).map(|(.., until)| Time::from(*until)),
        of(1).map(|(day, ..)| *day),
        of(1).map(|(_, from, _)| Time::from(*from)),
        of(1).map(|(.., until)| Time::from(*until))
    )?;
    Ok(rows)
}

fn of_day(rows: &[Stretch], n: usize) -> impl Iterator<Item = &Stretch> {
    rows.iter().filter(move |row| usize::try_from(row.day) == Ok(n))
}

/// Whether stretches follow each other, and the blocks of each of them do.
fn are_in_order<'a>(rows: impl Iterator<Item = &'a Stretch>) -> bool {
    let mut before = None;
    rows.into_iter().all(|row| {
        let follows = before.is_none_or(|last| row.first == last + 1);
        before = Some(row.last);
        follows && row.size == row.last - row.first + 1
    })
}

fn splits(rows: &[Stretch], days: usize) -> Vec<Split> {
    let of = |n: usize| {
        let day = of_day(rows, n).next().map_or(EMPTY, |row| (row.day_first, row.day_last));
        Split::of(chain(of_day(rows, n)), day)
    };
    (0..days).map(of).collect()
}

/// The blocks from the day's first entry on that follow each other. Those of another size, which
/// a version of the service may have made at the same time, and all after them are left out.
fn chain<'a>(rows: impl Iterator<Item = &'a Stretch>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for row in rows {
        match blocks.last() {
            None if row.first > row.day_first => break,
            Some(block) if row.last == block.last => {
                blocks.pop();
                break;
            }
            Some(block) if row.first != block.last + 1 => break,
            _ => {}
        }
        let place = Place::of(&row.place);
        blocks.push(Block { first: row.first, last: row.last, count: row.counted, place });
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

impl Place {
    /// In the words of the statement.
    fn of(word: &str) -> Self {
        match word {
            "within" => Self::Within,
            "across" => Self::Across,
            _ => Self::Outside,
        }
    }
}

impl Split {
    /// Of blocks that follow each other, and a day's least and greatest sequence. Most often the blocks
    /// within the period are one run, with a block across an end of it that is no midnight; where times are
    /// in disorder, what is around the longest run is read.
    fn of(mut blocks: Vec<Block>, day: (i64, i64)) -> Self {
        let after = blocks.last().map_or(0, |block| block.last);
        let is_outside = |block: &Block| block.place == Place::Outside;
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
            .split(|block| block.place == Place::Across)
            .max_by_key(|run| {
                run.last().zip(run.first()).map(|(end, begin)| end.last - begin.first)
            })
            .unwrap_or_default();
        let ends = match (longest.first(), longest.last()) {
            (Some(begin), Some(end)) => [(first, begin.first - 1), (end.last + 1, last)],
            _ => [(first, last), EMPTY],
        };
        let whole = longest.iter().filter(|block| !is_outside(block)).copied().collect();
        Self { whole, ends, after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of ten entries, each written from one second to another, and a period.
    fn blocks(times: &[(i64, i64)], from: i64, until: i64) -> Vec<Block> {
        let place = |earliest: i64, latest: i64| match () {
            () if latest < from || earliest >= until => Place::Outside,
            () if earliest >= from && latest < until => Place::Within,
            () => Place::Across,
        };
        let block = |(n, (earliest, latest)): (i64, &(i64, i64))| Block {
            first: n * 10 + 1,
            last: n * 10 + 10,
            count: 10,
            place: place(*earliest, *latest),
        };
        (0..).zip(times).map(block).collect()
    }

    fn split(times: &[(i64, i64)], from: i64, until: i64) -> (Vec<i64>, [(i64, i64); 2], i64) {
        let split = Split::of(blocks(times, from, until), (4, 57));
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

    fn stretch((first, last): (i64, i64)) -> Stretch {
        let size = last - first + 1;
        let place = "within".to_owned();
        Stretch { day: 0, day_first: 1, day_last: 25, first, last, counted: size, place, size }
    }

    #[test]
    fn stretches_are_in_order_if_nothing_is_between_their_blocks() {
        let rows: Vec<_> = [(1, 10), (11, 15), (16, 20)].map(stretch).to_vec();
        assert!(are_in_order(rows.iter()) && are_in_order([].iter()));
        // Ten entries of twenty: the others are in another stretch.
        let parted = Stretch { size: 10, ..stretch((1, 20)) };
        assert!(!are_in_order([parted].iter()));
        // Two blocks of another size, which end where one does.
        let twice = Stretch { size: 20, ..stretch((1, 10)) };
        assert!(!are_in_order([twice].iter()));
        assert!(!are_in_order([stretch((1, 10)), stretch((12, 15))].iter()));
        assert!(!are_in_order([stretch((1, 10)), stretch((6, 15))].iter()));
    }

    #[test]
    fn of_two_runs_the_one_of_more_entries_is_not_read() {
        use Place::{Across, Within};
        let block = |(first, last, place)| Block { first, last, count: 0, place };
        let rows = [(1, 10, Within), (11, 20, Within), (21, 30, Across), (31, 99, Within)];
        let split = Split::of(rows.map(block).to_vec(), (1, 99));
        assert_eq!((split.whole[0].first, split.ends), (31, [(1, 30), (100, 99)]));
    }

    #[test]
    fn of_blocks_that_go_past_a_day_only_the_day_is_read() {
        let times = [(0, 9), (10, 19), (20, 29), (30, 39), (40, 49), (50, 59)];
        assert_eq!(split(&times, 3, 15), (vec![], [(4, 20), EMPTY], 60));
        assert_eq!(split(&times, 35, 57), (vec![41], [(31, 40), (51, 57)], 60));
    }

    #[test]
    fn blocks_of_another_size_end_the_chain() {
        let chained = |stretches: &[(i64, i64)]| {
            let rows: Vec<_> = stretches.iter().copied().map(stretch).collect();
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
