//! Parts of long lists: a page by its number, or what follows a row already seen.
//!
//! Called by the list queries of this folder. **Invariant:** a part is read by an index order that
//! is total; what follows a row costs the same at any depth, and a page near the end is walked to
//! from the end.

use super::ranks;

/// Which part of a list is wanted. `K` is what the list is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place<K> {
    /// The page of this number, from 1.
    Page(u64),
    /// What follows the row with this key.
    After(K),
}

/// A part of a list, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window<K> {
    /// Where it begins.
    pub place: Place<K>,
    /// How many rows it has at most; at least 1.
    pub size: u32,
}

/// A part of a list, as read.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<T, K> {
    /// Its rows.
    pub rows: Vec<T>,
    /// How many rows the whole list has.
    pub total: i64,
    /// The key to go on after; none at the end.
    pub next: Option<K>,
}

impl Window<usize> {
    /// The part of a list that is at hand; a row's key is its place in it.
    pub fn of<T>(&self, list: Vec<T>) -> Part<T, usize> {
        let (length, size) = (list.len(), self.size.max(1) as usize);
        let begin = match self.place {
            Place::Page(number) => usize::try_from(number.saturating_sub(1))
                .ok()
                .and_then(|before| before.checked_mul(size))
                .unwrap_or(length),
            Place::After(key) => key.saturating_add(1),
        };
        let end = begin.saturating_add(size).min(length);
        let rows = list.into_iter().skip(begin).take(size).collect();
        let total = i64::try_from(length).unwrap_or(i64::MAX);
        Part { rows, total, next: (begin < end && end < length).then(|| end - 1) }
    }
}

/// How far a walk may reach, and how long a page may be, in the text of a statement.
const REACHES: [i64; 2] = [128, ranks::STEP + 128];
const PAGES: [i64; 2] = [64, 128];

/// How a part is walked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// From the list's end, against its order.
    pub backwards: bool,
    /// Rows to step over.
    pub offset: i64,
    /// Rows to read.
    pub limit: i64,
    /// Rows that come behind those, in the list's order; 0 where that is not known before.
    pub behind: i64,
}

/// A list ordered by id. Its statement's arguments are `$1` the organization, `$2` what the condition needs,
/// `$3` the id that a walk begins behind ([`ranks::begin`]), `$4` its limit and `$5` its offset.
pub(super) struct Ordered<'a> {
    /// Its table, which is named `l`.
    pub table: &'a str,
    /// Which of the organization's rows are in it: the rest of the condition.
    pub condition: &'a str,
    /// How its rows are found.
    pub found: Found,
}

/// How the rows of a list are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// In their order, by one index for all arguments, however many there are.
    InOrder,
    /// In their order, by one index, and few: where none are stepped over whole rows are read at once.
    Few,
    /// As the database thinks best for each call.
    Planned,
    /// In no order: they are put in order by their ids afterwards.
    Unordered,
}

impl Walk {
    /// The order that it goes in.
    pub(super) fn order(self) -> &'static str {
        if self.backwards { "l.id" } else { "l.id DESC" }
    }

    /// Its rows, in SQL: what to read from, with whole rows named `l`, in no order.
    ///
    /// For a limit or an offset that is an argument PostgreSQL takes a tenth of the rows that it expects. For
    /// a long list a plan for any arguments then looks so costly that it plans each call anew, which takes
    /// longer than to read the page. So bounds stand in the text, and the rows are found by their ids.
    /// Each is looked up for itself (`LATERAL … LIMIT 1`): behind row-level security a join may be planned
    /// for an organization that has hardly any, and read all of another's for each.
    pub(super) fn rows(self, is_postgres: bool, list: &Ordered<'_>) -> String {
        let Ordered { table, condition, found } = list;
        let order = self.order();
        let found = if is_postgres || *found == Found::Unordered { *found } else { Found::Planned };
        let whole = format!("ORDER BY {order} LIMIT $4 OFFSET $5");
        if matches!(found, Found::Few | Found::Planned) && self.offset == 0 {
            // Of few a tenth is at least a row: with an offset PostgreSQL would expect one more, and plan each call.
            let bounds =
                if found == Found::Few { format!("ORDER BY {order} LIMIT $4") } else { whole };
            // The index that finds a row reads it too.
            return format!("(SELECT * FROM {table} l WHERE l.org_id = $1{condition} {bounds}) l");
        }
        let ids = format!("SELECT org_id, id FROM {table} l WHERE l.org_id = $1{condition}");
        let page = PAGES.into_iter().find(|page| self.limit <= *page);
        let (ids, part) = match (found, page) {
            (Found::InOrder, Some(page)) => {
                let end = self.offset.saturating_add(self.limit);
                let reach = REACHES.into_iter().find(|reach| end <= *reach);
                let cut = reach.map(|reach| format!(" ORDER BY {order} LIMIT {reach}"));
                let ids = format!("SELECT * FROM ({ids}{}) l", cut.unwrap_or_default());
                (
                    format!("{ids} ORDER BY {order} LIMIT {page} OFFSET $5"),
                    format!("ORDER BY {order} LIMIT $4"),
                )
            }
            // In the order of the list PostgreSQL would read on and on for the next row that fits, where
            // it guesses that many do.
            (Found::Unordered, _) if is_postgres => (format!("{ids} OFFSET 0"), whole),
            _ => (ids, whole),
        };
        let by_id = "l.org_id = of_org AND l.id = of_id";
        let rows = if is_postgres {
            format!("CROSS JOIN LATERAL (SELECT * FROM {table} l WHERE {by_id} LIMIT 1) l")
        } else {
            format!("JOIN {table} l ON {by_id}")
        };
        // What is stepped over is stepped over in the index alone; only the rows of the page are read.
        format!(
            "(SELECT l.org_id AS of_org, l.id AS of_id FROM ({ids}) l {part}) page
             {rows}"
        )
    }
}

impl<K> Window<K> {
    /// How many rows there are up to the end of a page that is full, if that is how the place is given.
    pub(super) fn end(&self) -> Option<i64> {
        match self.place {
            Place::Page(number) => i64::try_from(number).ok()?.checked_mul(self.size.max(1).into()),
            Place::After(_) => None,
        }
    }
}

impl<K: Clone> Window<K> {
    /// The key to start after, if that is how the place is given.
    pub(super) fn after(&self) -> Option<&K> {
        match &self.place {
            Place::Page(_) => None,
            Place::After(key) => Some(key),
        }
    }

    /// How to read it in a list of `total` rows; none where nothing can be there.
    pub(super) fn walk(&self, total: i64) -> Option<Walk> {
        let size = i64::from(self.size.max(1));
        let Place::Page(number) = self.place else {
            // One more, to know whether something follows.
            return Some(Walk { backwards: false, offset: 0, limit: size + 1, behind: 0 });
        };
        let offset = i64::try_from(number.saturating_sub(1)).ok()?.checked_mul(size)?;
        let limit = size.min(total.checked_sub(offset)?);
        if limit <= 0 {
            return None;
        }
        let behind = total - offset - limit;
        Some(if behind < offset {
            Walk { backwards: true, offset: behind, limit, behind }
        } else {
            Walk { backwards: false, offset, limit, behind }
        })
    }

    /// Puts the rows of a [`Walk`] in order and says where to go on.
    pub(super) fn part<T>(
        &self,
        mut rows: Vec<T>,
        walk: Walk,
        total: i64,
        key: impl Fn(&T) -> K,
    ) -> Part<T, K> {
        if walk.backwards {
            rows.reverse();
        }
        let more = match self.place {
            Place::After(_) => rows.len() > self.size as usize,
            Place::Page(_) => walk.behind > 0,
        };
        rows.truncate(self.size.max(1) as usize);
        let next = rows.last().filter(|_| more).map(key);
        Part { rows, total, next }
    }
}

impl<T, K> Part<T, K> {
    /// Nothing, of a list of `total` rows.
    pub(super) fn empty(total: i64) -> Self {
        Self { rows: Vec::new(), total, next: None }
    }
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of `total` numbers, first 0, by the walks of a window.
    fn read(total: i64, window: &Window<i64>) -> Part<i64, i64> {
        let Some(walk) = window.walk(total) else { return Part::empty(total) };
        let from = window.after().map_or(0, |key| key + 1);
        let mut list: Vec<i64> = (from..total).collect();
        if walk.backwards {
            list.reverse();
        }
        let rows = list.into_iter().skip(usize::try_from(walk.offset).unwrap());
        let rows = rows.take(usize::try_from(walk.limit).unwrap()).collect();
        window.part(rows, walk, total, |row| *row)
    }

    #[test]
    fn pages_and_cursors_both_cover_a_list_exactly_once() {
        for total in 0..23 {
            for size in 1..9 {
                let pages =
                    (1..30).flat_map(|n| read(total, &Window { place: Place::Page(n), size }).rows);
                assert_eq!(pages.collect::<Vec<_>>(), (0..total).collect::<Vec<_>>());

                let mut part = read(total, &Window { place: Place::Page(1), size });
                let mut walked = part.rows.clone();
                while let Some(next) = part.next {
                    part = read(total, &Window { place: Place::After(next), size });
                    assert!(!part.rows.is_empty(), "a cursor leads somewhere");
                    walked.extend(&part.rows);
                }
                assert_eq!(walked, (0..total).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_list_at_hand_is_cut_like_one_that_is_read() {
        for total in 0..23_usize {
            for size in 1..9 {
                for number in (1..30).chain([u64::MAX]) {
                    let cut = Window { place: Place::Page(number), size }.of((0..total).collect());
                    let window = Window { place: Place::Page(number), size };
                    let read = read(i64::try_from(total).unwrap(), &window);
                    let as_read = |row: &usize| i64::try_from(*row).unwrap();
                    assert_eq!(cut.rows.iter().map(as_read).collect::<Vec<_>>(), read.rows);
                    assert_eq!(
                        (cut.total, cut.next.as_ref().map(as_read)),
                        (read.total, read.next)
                    );
                }
                let mut place = Place::Page(1);
                let mut walked = Vec::new();
                loop {
                    let cut = Window { place, size }.of((0..total).collect());
                    walked.extend(cut.rows);
                    let Some(next) = cut.next else { break };
                    place = Place::After(next);
                }
                assert_eq!(walked, (0..total).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_last_page_is_read_from_the_end() {
        let walk = Window::<i64> { place: Place::Page(1000), size: 10 }.walk(10_000).unwrap();
        assert_eq!(walk, Walk { backwards: true, offset: 0, limit: 10, behind: 0 });
        let far = Window::<i64> { place: Place::Page(u64::MAX), size: 100 };
        assert_eq!(far.walk(10_000), None);
    }

    #[test]
    fn what_like_takes_for_itself_is_escaped() {
        assert_eq!(containing(r"50%_\"), r"%50\%\_\\%");
    }
}
