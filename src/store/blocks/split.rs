//! How a part of a day lies in the blocks that are kept.

use super::SIZE;
use crate::store::ledger::ALL_PLANS;
use crate::store::{DbError, Text, Time, Tx};
use bappy_actors::model::{EntryKind, OrgId, Timestamp};
use chrono::NaiveDate;
use sqlx::AssertSqlSafe;

/// A block, or some that follow each other.
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
        let outlines = outlines(tx, org, cuts).await?;
        if let Some(splits) = outlines.iter().map(Outline::split).collect() {
            return Ok(splits);
        }
    }
    let rows = each(tx, org, kind, cuts).await?;
    let of_day = |n: usize| rows.iter().filter(move |row| usize::try_from(row.day) == Ok(n));
    let of = |n: usize| {
        let day = of_day(n).next().map_or(EMPTY, |row| (row.day_first, row.day_last));
        Split::of(chain(of_day(n)), day)
    };
    Ok((0..cuts.len()).map(of).collect())
}

/// A day's blocks by their ends alone: nothing is known of a day without any.
#[derive(Clone, Debug, sqlx::FromRow)]
struct Outline {
    day_first: Option<i64>,
    day_last: Option<i64>,
    /// The least and greatest sequence of the blocks.
    first: Option<i64>,
    last: Option<i64>,
    /// Of how many entries they are.
    size: Option<i64>,
    /// Where the first block begins, and the last ends, in which something may be in the period.
    touched_first: Option<i64>,
    touched_last: Option<i64>,
    /// Where the last block ends in which something is before the period.
    before_last: Option<i64>,
    /// Where the first block begins in which something is after it.
    after_first: Option<i64>,
}

impl Outline {
    /// Where times are in order, what is around an end of the period is in one block. Nothing where more
    /// would have to be read than that, or blocks do not follow each other from the day's first entry on.
    fn split(&self) -> Option<Split> {
        let Some((first, after)) = self.first.zip(self.last) else { return Some(Split::default()) };
        if Some(first) > self.day_first || self.size != Some(after - first + 1) {
            return None;
        }
        let Some((begin, end)) = self.touched_first.zip(self.touched_last) else {
            return Some(Split { after, ..Split::default() });
        };
        // The block before may have begun on the day before, and the last go on into the next.
        let (low, high) = (self.day_first?.max(begin), self.day_last?.min(end));
        let first = self.before_last.map_or(begin, |before| begin.max(before + 1));
        let last = self.after_first.map_or(end, |after| end.min(after - 1));
        let (whole, ends) = if first <= last {
            let count = last - first + 1;
            let run = Block { first, last, count, place: Place::Within };
            (vec![run], [(low, first - 1), (last + 1, high)])
        } else {
            (Vec::new(), [(low, high), EMPTY])
        };
        let read: i64 = ends.iter().map(|(low, high)| (high - low + 1).max(0)).sum();
        (read <= 2 * SIZE).then_some(Split { whole, ends, after })
    }
}

async fn outlines(tx: &mut Tx, org: OrgId, cuts: &[Cut]) -> Result<Vec<Outline>, DbError> {
    let of_day = |n: usize| {
        let [day, from, until] = [3, 4, 5].map(|place| format!("${}", place + 3 * n));
        let inside = format!("b.last_at >= {from} AND b.first_at < {until}");
        format!(
            "SELECT {n} AS day, MIN(of_day.first) AS day_first, MIN(of_day.last) AS day_last,
                 MIN(b.first_sequence) AS first, MAX(b.last_sequence) AS last,
                 CAST(SUM(b.entries) AS BIGINT) AS size,
                 MIN(b.first_sequence) FILTER (WHERE {inside}) AS touched_first,
                 MAX(b.last_sequence) FILTER (WHERE {inside}) AS touched_last,
                 MAX(b.last_sequence) FILTER (WHERE b.first_at < {from}) AS before_last,
                 MIN(b.first_sequence) FILTER (WHERE b.last_at >= {until}) AS after_first
             FROM {}",
            blocks_of(&day)
        )
    };
    let days: Vec<_> = (0..cuts.len()).map(of_day).collect();
    let of = |n: usize| cuts.get(n);
    let rows = all!(
        tx,
        Outline,
        AssertSqlSafe(format!("{} ORDER BY day", days.join(" UNION ALL "))),
        org.0,
        ALL_PLANS,
        of(0).map(|(day, ..)| *day),
        of(0).map(|(_, from, _)| Time::from(*from)),
        of(0).map(|(.., until)| Time::from(*until)),
        of(1).map(|(day, ..)| *day),
        of(1).map(|(_, from, _)| Time::from(*from)),
        of(1).map(|(.., until)| Time::from(*until))
    )?;
    Ok(rows)
}

/// A day's least and greatest sequence, and its blocks: the last may go on past the day's last entry.
/// Row-level security looks for rows by plain columns only.
fn blocks_of(day: &str) -> String {
    let totals = totals_of_all!();
    format!(
        "(SELECT MIN(first_sequence) AS first, MAX(last_sequence) AS last,
              MAX(last_sequence) + {SIZE} - 1 AS upto
          FROM ledger_days WHERE {totals} AND day = {day}) of_day
         JOIN ledger_blocks b ON b.org_id = $1
             AND b.last_sequence >= of_day.first AND b.last_sequence <= of_day.upto"
    )
}

/// A block of a day: which of the days it is of, that day's least and greatest sequence, the block's, how
/// many entries are counted in it, and where it lies.
#[derive(Clone, sqlx::FromRow)]
struct OfDay {
    day: i32,
    day_first: i64,
    day_last: i64,
    first: i64,
    last: i64,
    counted: i64,
    place: String,
}

async fn each(
    tx: &mut Tx,
    org: OrgId,
    kind: Option<EntryKind>,
    cuts: &[Cut],
) -> Result<Vec<OfDay>, DbError> {
    let counted = kind.map_or("b.entries", |_| "CASE WHEN b.kind = $3 THEN b.entries ELSE 0 END");
    let of_day = |n: usize| {
        let [day, from, until] = [4, 5, 6].map(|place| format!("${}", place + 3 * n));
        format!(
            "SELECT {n} AS day, of_day.first AS day_first, of_day.last AS day_last,
                 b.first_sequence AS first, b.last_sequence AS last,
                 CAST(SUM({counted}) AS BIGINT) AS counted,
                 CASE WHEN MAX(b.last_at) < {from} OR MIN(b.first_at) >= {until} THEN 'outside'
                     WHEN MIN(b.first_at) >= {from} AND MAX(b.last_at) < {until} THEN 'within'
                     ELSE 'across' END AS place
             FROM {}
             GROUP BY b.last_sequence, b.first_sequence, of_day.first, of_day.last",
            blocks_of(&day)
        )
    };
    let days: Vec<_> = (0..cuts.len()).map(of_day).collect();
    let of = |n: usize| cuts.get(n);
    let rows = all!(
        tx,
        OfDay,
        AssertSqlSafe(format!("{} ORDER BY day, last, first", days.join(" UNION ALL "))),
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

/// The blocks from the day's first entry on that follow each other. Those of another size, which
/// a version of the service may have made at the same time, and all after them are left out.
fn chain<'a>(rows: impl Iterator<Item = &'a OfDay>) -> Vec<Block> {
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

    /// The blocks that count as a whole, and what is to be read.
    type Outlined = (Option<(i64, i64)>, [(i64, i64); 2]);

    /// Of five blocks of ten entries, by what is in the period, before it and after it, and what is to be
    /// read of a day.
    fn outlined(
        touched: (i64, i64),
        before_last: Option<i64>,
        after_first: Option<i64>,
    ) -> Option<Outlined> {
        let outline = Outline {
            day_first: Some(4),
            day_last: Some(47),
            first: Some(1),
            last: Some(50),
            size: Some(50),
            touched_first: Some(touched.0),
            touched_last: Some(touched.1),
            before_last,
            after_first,
        };
        let split = outline.split()?;
        assert_eq!(split.after, 50);
        Some((split.whole.first().map(|run| (run.first, run.last)), split.ends))
    }

    #[test]
    fn by_their_ends_blocks_between_two_that_are_cut_are_whole() {
        let all = Some((Some((1, 50)), [(4, 0), (51, 47)]));
        assert_eq!(outlined((1, 50), None, None), all);
        let cut = Some((Some((21, 30)), [(11, 20), (31, 40)]));
        assert_eq!(outlined((11, 40), Some(20), Some(31)), cut);
        // Bounds between blocks.
        let even = Some((Some((11, 40)), [(11, 10), (41, 40)]));
        assert_eq!(outlined((11, 40), Some(10), Some(41)), even);
        // A block that is cut twice, two beside each other, and the day's first and last.
        assert_eq!(outlined((11, 20), Some(20), Some(11)), Some((None, [(11, 20), EMPTY])));
        assert_eq!(outlined((11, 30), Some(20), Some(21)), Some((None, [(11, 30), EMPTY])));
        let day = Some((Some((11, 40)), [(4, 10), (41, 47)]));
        assert_eq!(outlined((1, 50), Some(10), Some(41)), day);
        // One that came late, with something of before the period.
        let late = Some((Some((41, 50)), [(11, 40), (51, 47)]));
        assert_eq!(outlined((11, 50), Some(40), None), late);
    }

    #[test]
    fn ends_say_nothing_of_blocks_that_do_not_follow_each_other() {
        let blocks = Outline {
            day_first: Some(1),
            day_last: Some(5_000),
            first: Some(1),
            last: Some(5_000),
            size: Some(5_000),
            touched_first: Some(1),
            touched_last: Some(5_000),
            before_last: None,
            after_first: None,
        };
        assert_eq!(blocks.split().unwrap().whole[0].last, 5_000);
        // Some twice, or missing; the first missing; more to be read than two blocks.
        assert_eq!(Outline { size: Some(5_010), ..blocks.clone() }.split(), None);
        assert_eq!(Outline { first: Some(11), size: Some(4_990), ..blocks.clone() }.split(), None);
        assert_eq!(Outline { before_last: Some(2_000), ..blocks.clone() }.split(), None);
        let nothing = Outline { touched_first: None, touched_last: None, ..blocks.clone() };
        assert_eq!(nothing.split().unwrap(), Split { after: 5_000, ..Split::default() });
        let none = Outline { first: None, last: None, size: None, ..nothing };
        assert_eq!(none.split().unwrap(), Split::default());
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
        let of_day = |&(first, last): &(i64, i64)| {
            let place = "within".to_owned();
            OfDay { day: 0, day_first: 1, day_last: 25, first, last, counted: 0, place }
        };
        let chained = |ends: &[(i64, i64)]| {
            let rows: Vec<_> = ends.iter().map(of_day).collect();
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
