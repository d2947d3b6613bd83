//! Links: reading them, and changing their status, name and last known use.

use super::{Conn, DbError, Text, Time, Tx, activations, plans};
use bappy_actors::model::{
    EsimProfile, Link, LinkId, LinkSnapshot, LinkStatus, NameChange, OrgId, PlanId, ProfileState,
    SimKind, Sponsor, Timestamp, Volume,
};
use bappy_actors::ports::UsageReading;
use sqlx::Postgres;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The columns of a Link, with its sponsor's, for tables `links l` and `sponsors s`.
macro_rules! link_columns {
    () => {
        "l.id, l.name, l.iccid, l.msisdn, l.kind, l.status, l.sponsor_id, s.name AS sponsor_name,
         s.color AS sponsor_color, l.endpoint_id, l.smdp_address, l.matching_id, l.data_total_kb,
         l.data_used_kb, l.profile_state, l.profile_at, l.usage_at, l.created_at, l.updated_at"
    };
}

pub(super) use link_columns;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    name: Option<String>,
    iccid: String,
    msisdn: Option<String>,
    kind: String,
    status: String,
    sponsor_id: String,
    sponsor_name: String,
    sponsor_color: String,
    endpoint_id: String,
    smdp_address: Option<String>,
    matching_id: Option<String>,
    data_total_kb: i64,
    data_used_kb: i64,
    profile_state: Option<String>,
    profile_at: Option<Time>,
    usage_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl TryFrom<Row> for Link {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let profile = match row.profile_state {
            Some(word) => Some(EsimProfile {
                state: ProfileState::from_word(&word)?,
                updated_at: row.profile_at.map(Into::into),
            }),
            None => None,
        };
        Ok(Self {
            id: LinkId(row.id),
            name: row.name,
            iccid: row.iccid,
            msisdn: row.msisdn,
            kind: SimKind::from_word(&row.kind)?,
            status: LinkStatus::from_word(&row.status)?,
            sponsor: Sponsor {
                id: row.sponsor_id,
                name: row.sponsor_name,
                color: row.sponsor_color,
            },
            endpoint_id: row.endpoint_id,
            smdp_address: row.smdp_address,
            matching_id: row.matching_id,
            data_total: Volume::from_kb(row.data_total_kb),
            data_used: Volume::from_kb(row.data_used_kb),
            profile,
            usage_at: row.usage_at.map(Into::into),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

/// A Link.
pub async fn link(tx: &mut Tx, org: OrgId, id: LinkId) -> Result<Option<Link>, DbError> {
    let row = opt!(
        tx,
        Row,
        concat!(
            "SELECT ",
            link_columns!(),
            " FROM links l JOIN sponsors s ON s.id = l.sponsor_id WHERE l.org_id = $1 AND l.id = $2"
        ),
        org.0,
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// The Link with an ICCID.
pub async fn by_iccid(tx: &mut Tx, org: OrgId, iccid: &str) -> Result<Option<Link>, DbError> {
    let row = opt!(
        tx,
        Row,
        concat!(
            "SELECT ",
            link_columns!(),
            " FROM links l JOIN sponsors s ON s.id = l.sponsor_id
              WHERE l.org_id = $1 AND l.iccid = $2"
        ),
        org.0,
        iccid
    )?;
    row.map(TryInto::try_into).transpose()
}

/// Links by their ids, newest first; what is not the organization's is left out.
pub(super) async fn of_ids(tx: &mut Tx, org: OrgId, ids: &[LinkId]) -> Result<Vec<Link>, DbError> {
    // Behind `SELECT` PostgreSQL does not look at how many ids there are, which would be a plan for each list.
    const SQL: &str = concat!(
        "SELECT ",
        link_columns!(),
        " FROM links l JOIN sponsors s ON s.id = l.sponsor_id
          WHERE l.org_id = $1 AND l.id = ANY(CAST((SELECT $2) AS UUID[])) ORDER BY l.id DESC"
    );
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let patience = tx.patience();
    if let Conn::Postgres(conn) = tx.conn() {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let query = sqlx::query_as::<Postgres, Row>(SQL).bind(org.0).bind(ids);
        let rows = traced_statement!(patience.answered(query.fetch_all(conn))).await?;
        return rows.into_iter().map(TryInto::try_into).collect();
    }
    // There a look-up costs no round trip.
    let mut links = Vec::with_capacity(ids.len());
    for id in ids {
        links.extend(link(tx, org, *id).await?);
    }
    links.sort_unstable_by_key(|link| std::cmp::Reverse(link.id));
    Ok(links)
}

/// A Link as it stands at `now`, with its activations in force and the newest others, and the
/// coverage of those in force. Whether its usage is live is for the caller to say: `usage_live` is
/// false.
pub async fn snapshot(
    tx: &mut Tx,
    org: OrgId,
    id: LinkId,
    now: Timestamp,
) -> Result<Option<LinkSnapshot>, DbError> {
    let Some(link) = link(tx, org, id).await? else { return Ok(None) };
    let activations = activations::of_link(tx, org, id).await?;
    let mut snapshot = LinkSnapshot {
        link,
        activations,
        countries: vec![],
        operators_total: 0,
        usage_live: false,
    };
    snapshot.age(now);
    let in_force = snapshot.in_force().map(|a| a.plan_id).collect();
    (snapshot.countries, snapshot.operators_total) = plans_coverage(tx, in_force).await?;
    Ok(Some(snapshot))
}

/// What plans cover together: the countries' codes, sorted, and how many networks.
pub async fn plans_coverage(
    tx: &mut Tx,
    plans: BTreeSet<PlanId>,
) -> Result<(Vec<String>, i64), DbError> {
    let mut covered = Vec::with_capacity(plans.len());
    for plan in plans {
        covered.extend(plans::coverage(tx, plan).await?);
    }
    let countries: BTreeSet<&str> = covered.iter().flat_map(|c| c.countries()).collect();
    let operators: BTreeSet<_> = covered.iter().flat_map(|c| c.operators()).collect();
    let operators_total = i64::try_from(operators.len()).unwrap_or(i64::MAX);
    Ok((countries.into_iter().map(str::to_owned).collect(), operators_total))
}

/// Changes the status, where given, and the name. A Link that was terminated stays `inactive`.
pub async fn change(
    tx: &mut Tx,
    org: OrgId,
    id: LinkId,
    status: Option<LinkStatus>,
    name: &NameChange,
    at: Timestamp,
) -> Result<(), DbError> {
    tx.changes_link(id);
    let (kept, name) = match name {
        NameChange::Keep => (true, None),
        NameChange::Clear => (false, None),
        NameChange::Set(name) => (false, Some(name.as_str())),
    };
    exec!(
        tx,
        "UPDATE links SET name = CASE WHEN $6 THEN name ELSE $4 END, updated_at = $5,
             status = CASE WHEN status = 'inactive' THEN status ELSE COALESCE($3, status) END
         WHERE org_id = $1 AND id = $2",
        org.0,
        id.0,
        status.map(|s| s.word()),
        name,
        Time::from(at),
        kept
    )?;
    Ok(())
}

/// Keeps everyone else from changing a Link until the transaction ends.
pub async fn lock(tx: &mut Tx, org: OrgId, id: LinkId) -> Result<(), DbError> {
    tx.changes_link(id);
    exec!(
        tx,
        "UPDATE links SET updated_at = updated_at WHERE org_id = $1 AND id = $2",
        org.0,
        id.0
    )?;
    Ok(())
}

/// Takes what an activation added off a Link's totals, never below zero.
pub async fn subtract(
    tx: &mut Tx,
    org: OrgId,
    id: LinkId,
    total: Volume,
    used: Volume,
    at: Timestamp,
) -> Result<(), DbError> {
    tx.changes_link(id);
    exec!(
        tx,
        "UPDATE links SET
             data_total_kb = CASE WHEN data_total_kb > $3 THEN data_total_kb - $3 ELSE 0 END,
             data_used_kb = CASE WHEN data_used_kb > $4 THEN data_used_kb - $4 ELSE 0 END,
             updated_at = $5
         WHERE org_id = $1 AND id = $2",
        org.0,
        id.0,
        total.kb(),
        used.kb(),
        Time::from(at)
    )?;
    Ok(())
}

/// Makes a Link's volumes those of its activations in force. Its row must be locked before: an
/// activation may be coming in.
pub async fn sum_up(tx: &mut Tx, org: OrgId, id: LinkId) -> Result<(), DbError> {
    tx.changes_link(id);
    exec!(
        tx,
        "UPDATE links SET
             data_total_kb = (SELECT CAST(COALESCE(SUM(a.data_total_kb), 0) AS BIGINT)
                 FROM activations a WHERE a.org_id = $1 AND a.link_id = $2
                 AND a.status IN ('active', 'depleted')),
             data_used_kb = (SELECT CAST(COALESCE(SUM(a.data_used_kb), 0) AS BIGINT)
                 FROM activations a WHERE a.org_id = $1 AND a.link_id = $2
                 AND a.status IN ('active', 'depleted'))
         WHERE org_id = $1 AND id = $2",
        org.0,
        id.0
    )?;
    Ok(())
}

/// Keeps what the operator said of a Link's use. A reading older than the last one changes
/// nothing.
pub async fn record_usage(
    tx: &mut Tx,
    org: OrgId,
    id: LinkId,
    reading: &UsageReading,
) -> Result<(), DbError> {
    let at = Time::from(reading.at);
    tx.changes_link(id);
    // Its row first: totals are summed anew below, and an activation may be coming in.
    let locked = exec!(
        tx,
        "UPDATE links SET usage_at = $3
         WHERE org_id = $1 AND id = $2 AND (usage_at IS NULL OR usage_at <= $3)",
        org.0,
        id.0,
        at
    )?;
    if locked == 0 {
        return Ok(());
    }
    for (activation, used, status, first_used_at) in &reading.activations {
        activations::record(tx, org, id, *activation, *used, *status, *first_used_at).await?;
    }
    sum_up(tx, org, id).await?;
    if let Some(profile) = &reading.profile {
        exec!(
            tx,
            "UPDATE links SET profile_state = $3, profile_at = $4 WHERE org_id = $1 AND id = $2",
            org.0,
            id.0,
            profile.state.word(),
            profile.updated_at.map(Time::from)
        )?;
    }
    if reading.terminated {
        exec!(
            tx,
            "UPDATE links SET status = 'inactive', updated_at = $3
             WHERE org_id = $1 AND id = $2 AND status <> 'inactive'",
            org.0,
            id.0,
            at
        )?;
    }
    Ok(())
}
