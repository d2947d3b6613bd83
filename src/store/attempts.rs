//! Operations as an organization reads them, and what became of an idempotency key. Called by
//! `GET /operations…`, by the idempotency check of the edge, and by `bappy operations list`.
//!
//! **Invariant:** nothing here reads what an operation was asked to send: the operator's ids stay
//! inside.

use super::attempt_totals::{self, FAILED, OPEN};
use super::page::{Found, Ordered, Part, Window};
use super::ranks::{self, List};
use super::{Conn, DbError, Text, Time, Tx};
use bappy_actors::model::{
    Cleanup, Failure, LinkId, Money, OperationId, OperationKind, OperationState, OrgId, Timestamp,
};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// An operation as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Whose it is.
    pub org_id: OrgId,
    /// Its id.
    pub id: OperationId,
    /// What it does.
    pub kind: OperationKind,
    /// Where it is in its life.
    pub state: OperationState,
    /// The Link it is about.
    pub link_id: LinkId,
    /// What it charges.
    pub amount: Money,
    /// Why it failed, once it did.
    pub failure: Option<Failure>,
    /// Whether the operator may hold something of it all the same.
    pub cleanup: Cleanup,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// When it ended.
    pub settled_at: Option<Timestamp>,
}

/// The latest attempt under an idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyedAttempt {
    /// The attempt.
    pub attempt: Attempt,
    /// SHA-256 over what it was asked.
    pub request_hash: Vec<u8>,
    /// What it answered, as JSON of [`bappy_actors::model::Answer`], once it succeeded.
    pub answer: Option<String>,
}

/// Which operations are wanted; what is none does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttemptFilter {
    /// In this state.
    pub state: Option<OperationState>,
    /// Of this kind.
    pub kind: Option<OperationKind>,
    /// Under this key.
    pub idempotency_key: Option<String>,
}

impl AttemptFilter {
    /// What is asked for, in SQL: states and kinds in words, by which PostgreSQL tells what is rare, and in
    /// those of the indexes that some have.
    pub(super) fn condition(&self) -> String {
        let state = self.state.map(|state| match state {
            OperationState::Pending => OPEN.to_owned(),
            OperationState::Succeeded => format!(" AND state = '{}'", state.word()),
            OperationState::Refunded | OperationState::Rejected => {
                format!(" AND state = '{}'{FAILED}", state.word())
            }
        });
        let kind = self.kind.map(|kind| {
            let is_rare = if kind == OperationKind::Topup { "" } else { " AND kind <> 'topup'" };
            format!("{is_rare} AND kind = '{}'", kind.word())
        });
        let key = self.idempotency_key.as_ref().map(|_| " AND idempotency_key = $2".to_owned());
        [state, kind, key].into_iter().flatten().collect()
    }
}

/// Columns of [`Row`].
macro_rules! columns {
    () => {
        "org_id, id, kind, state, link_id, amount, failure, cleanup, created_at, settled_at"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    org_id: Uuid,
    id: Uuid,
    kind: String,
    state: String,
    link_id: Uuid,
    amount: i64,
    failure: Option<String>,
    cleanup: String,
    created_at: Time,
    settled_at: Option<Time>,
}

impl TryFrom<Row> for Attempt {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            org_id: OrgId(row.org_id),
            id: OperationId(row.id),
            kind: OperationKind::from_word(&row.kind)?,
            state: OperationState::from_word(&row.state)?,
            link_id: LinkId(row.link_id),
            amount: Money::from_micros(row.amount),
            failure: row.failure.as_deref().map(Failure::from_word).transpose()?,
            cleanup: Cleanup::from_word(&row.cleanup)?,
            created_at: row.created_at.into(),
            settled_at: row.settled_at.map(Into::into),
        })
    }
}

/// An organization's operations, newest first.
pub async fn list(
    tx: &mut Tx,
    org: OrgId,
    filter: &AttemptFilter,
    window: &Window<OperationId>,
) -> Result<Part<Attempt, OperationId>, DbError> {
    let (total, near) = if *filter == AttemptFilter::default() {
        ranks::total(tx, org, List::Operations, window).await?
    } else {
        (attempt_totals::total(tx, org, filter).await?, None)
    };
    let mut condition = filter.condition();
    let key = filter.idempotency_key.as_deref();
    let Some(walk) = window.walk(total) else { return Ok(Part::empty(total)) };
    let (walk, from) = ranks::nearer(walk, near);
    let is_postgres = matches!(tx.conn(), Conn::Postgres(_));
    condition.push_str(ranks::begin(from, window));
    let rows = walk.rows(
        is_postgres,
        &Ordered {
            table: "operations",
            condition: &condition,
            found: match (key, filter.state, filter.kind) {
                (Some(_), None, None) => Found::Few,
                (None, None, _) | (None, _, None) => Found::InOrder,
                // By the index of the one or of the other.
                _ => Found::Planned,
            },
        },
    );
    let (columns, order) = (columns!(), walk.order());
    let rows = all!(
        tx,
        Row,
        AssertSqlSafe(format!("SELECT {columns} FROM {rows} ORDER BY {order}")),
        org.0,
        key,
        from.or(window.after().map(|id| id.0)),
        walk.limit,
        walk.offset
    )?;
    let rows = rows.into_iter().map(TryInto::try_into).collect::<Result<Vec<Attempt>, _>>()?;
    Ok(window.part(rows, walk, total, |attempt| attempt.id))
}

/// One operation of an organization.
pub async fn get(tx: &mut Tx, org: OrgId, id: OperationId) -> Result<Option<Attempt>, DbError> {
    let row = opt!(
        tx,
        Row,
        concat!("SELECT ", columns!(), " FROM operations WHERE org_id = $1 AND id = $2"),
        org.0,
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// The operation with an id, whosever it is. Asks organization by organization, because operations
/// are indexed so and are too many to scan.
pub async fn find(tx: &mut Tx, id: OperationId) -> Result<Option<Attempt>, DbError> {
    let row = opt!(
        tx,
        Row,
        "SELECT o.org_id, o.id, o.kind, o.state, o.link_id, o.amount, o.failure, o.cleanup,
             o.created_at, o.settled_at
         FROM organizations g JOIN operations o ON o.org_id = g.id AND o.id = $1",
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// The attempt that a key stands for: the one that runs or succeeded, if there is one, else the
/// latest. Ids are given before attempts are recorded, so the one that counts may have a smaller
/// id than one that was refunded before it began.
pub async fn latest_for_key(
    tx: &mut Tx,
    org: OrgId,
    key: &str,
) -> Result<Option<KeyedAttempt>, DbError> {
    #[derive(sqlx::FromRow)]
    struct Keyed {
        #[sqlx(flatten)]
        attempt: Row,
        request_hash: Option<Vec<u8>>,
        answer: Option<String>,
    }
    let row = opt!(
        tx,
        Keyed,
        concat!(
            "SELECT ",
            columns!(),
            ", request_hash, answer FROM operations
             WHERE org_id = $1 AND idempotency_key = $2
             ORDER BY CASE WHEN state IN ('pending', 'succeeded') THEN 0 ELSE 1 END, id DESC
             LIMIT 1"
        ),
        org.0,
        key
    )?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(KeyedAttempt {
        attempt: row.attempt.try_into()?,
        request_hash: row.request_hash.unwrap_or_default(),
        answer: row.answer,
    }))
}

/// What is pending, watched or manual, of one organization or of all, oldest first; at most
/// `limit` past `after`.
pub async fn open(
    tx: &mut Tx,
    org: Option<OrgId>,
    after: Option<(OrgId, OperationId)>,
    limit: i64,
) -> Result<Vec<Attempt>, DbError> {
    let one = if org.is_some() { " AND org_id = $1" } else { "" };
    let past = if after.is_some() { " AND (org_id, id) > ($2, $3)" } else { "" };
    let columns = columns!();
    let rows = all!(
        tx,
        Row,
        AssertSqlSafe(format!(
            "SELECT {columns} FROM operations
             WHERE (state = 'pending' OR cleanup IN ('watching', 'manual')){one}{past}
             ORDER BY org_id, id LIMIT $4"
        )),
        org.map(|org| org.0),
        after.map(|(org, _)| org.0),
        after.map(|(_, id)| id.0),
        limit
    )?;
    rows.into_iter().map(TryInto::try_into).collect()
}
