//! Links as a list shows them: without activations. Called by `GET /links`.
//!
//! **Invariants:** newest first by id, which is a UUID v7; without a search nothing is counted: the
//! total is the wallet's maintained counter, or comes from the counts by kind and status. A search that
//! finds few is gone through once (`link_search`); what many have is counted, and read in order.

use super::link_search;
use super::links::{self, Row, link_columns};
use super::page::{Found, Ordered, Part, Place, Window, containing};
use super::ranks::{self, List};
use super::{Conn, DbError, Text, Tx};
use bappy_actors::model::{Link, LinkId, LinkStatus, OrgId, SimKind};
use sqlx::AssertSqlSafe;

/// Which Links are wanted; what is none does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFilter {
    /// In this status.
    pub status: Option<LinkStatus>,
    /// Of this kind.
    pub kind: Option<SimKind>,
    /// With this in their name, ICCID, MSISDN or id.
    pub search: Option<String>,
}

/// An organization's Links, newest first.
pub async fn list(
    tx: &mut Tx,
    org: OrgId,
    filter: &LinkFilter,
    window: &Window<LinkId>,
) -> Result<Part<Link, LinkId>, DbError> {
    if filter.search.is_some()
        && let Some(found) = link_search::few(tx, org, filter).await?
    {
        return part_of(tx, org, found, window).await;
    }
    let is_postgres = matches!(tx.conn(), Conn::Postgres(_));
    let mut condition = filter.condition();
    if let Some(search) = &filter.search {
        condition.push_str(&link_search::condition(is_postgres, search, "$2"));
    }
    let (total, near) = if *filter == LinkFilter::default() {
        ranks::total(tx, org, List::Links, window).await?
    } else {
        (total(tx, org, filter, &condition).await?, None)
    };
    let Some(walk) = window.walk(total) else { return Ok(Part::empty(total)) };
    let (walk, from) = ranks::nearer(walk, near);
    condition.push_str(ranks::begin(from, window));
    let rows = walk.rows(
        is_postgres,
        &Ordered {
            table: "links",
            condition: &condition,
            found: match filter {
                LinkFilter { search: Some(_), .. } => Found::Unordered,
                // By the index of the one or of the other.
                LinkFilter { status: Some(_), kind: Some(_), .. } => Found::Planned,
                _ => Found::InOrder,
            },
        },
    );
    let (columns, order) = (link_columns!(), walk.order());
    let rows = all!(
        tx,
        Row,
        AssertSqlSafe(format!(
            "SELECT {columns} FROM {rows} JOIN sponsors s ON s.id = l.sponsor_id ORDER BY {order}"
        )),
        org.0,
        filter.search.as_deref().map(containing),
        from.or(window.after().map(|id| id.0)),
        walk.limit,
        walk.offset
    )?;
    let rows = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<Link>, _>>()?;
    Ok(window.part(rows, walk, total, |link| link.id))
}

/// How many a filter leaves.
async fn total(
    tx: &mut Tx,
    org: OrgId,
    filter: &LinkFilter,
    condition: &str,
) -> Result<i64, DbError> {
    let counted = match filter {
        LinkFilter { search: Some(search), .. } => one!(
            tx,
            (i64,),
            AssertSqlSafe(format!("SELECT COUNT(*) FROM links l WHERE l.org_id = $1{condition}")),
            org.0,
            containing(search)
        ),
        LinkFilter { status, kind, search: None } => {
            // There is a column of each status, named after it.
            let counts = status.map_or("active + suspended + inactive", |status| status.word());
            let of_kind = if kind.is_some() { " AND kind = $2" } else { "" };
            let sql = format!(
                "SELECT CAST(COALESCE(SUM({counts}), 0) AS BIGINT) FROM link_counts
                 WHERE org_id = $1{of_kind}"
            );
            one!(tx, (i64,), AssertSqlSafe(sql), org.0, kind.map(|kind| kind.word()))
        }
    };
    Ok(counted?.0)
}

/// A part of a list that is at hand by its ids, newest first.
async fn part_of(
    tx: &mut Tx,
    org: OrgId,
    ids: Vec<LinkId>,
    window: &Window<LinkId>,
) -> Result<Part<Link, LinkId>, DbError> {
    let place = match &window.place {
        Place::Page(number) => Place::Page(*number),
        Place::After(id) => match ids.iter().take_while(|found| *found >= id).count() {
            0 => Place::Page(1),
            seen => Place::After(seen - 1),
        },
    };
    let part = Window { place, size: window.size }.of(ids);
    let next = part.next.and(part.rows.last().copied());
    Ok(Part { rows: links::of_ids(tx, org, &part.rows).await?, total: part.total, next })
}

impl LinkFilter {
    /// What is asked for beside the search, in SQL: in words, by which PostgreSQL tells what is rare.
    pub(super) fn condition(&self) -> String {
        let status = self.status.map(|status| format!(" AND l.status = '{}'", status.word()));
        let kind = self.kind.map(|kind| format!(" AND l.kind = '{}'", kind.word()));
        [status, kind].into_iter().flatten().collect()
    }
}
