//! Activations: the plans on a Link. They are inserted in `ledger`, with the debit's settlement.

use super::{DbError, Text, Time, Tx, links, text};
use bappy_actors::model::{
    Activation, ActivationId, ActivationStatus, LinkId, Money, OperationId, OrgId, PlanId,
    Timestamp, Volume,
};
use uuid::Uuid;

/// How many activations that are no longer in force a Link shows: a page of history.
const OTHERS_MAX: i64 = 100;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    link_id: Uuid,
    operation_id: Uuid,
    plan_id: Uuid,
    plan_name: String,
    status: String,
    instance_id: String,
    activated_at: Time,
    first_used_at: Option<Time>,
    expires_at: Option<Time>,
    data_total_kb: i64,
    data_used_kb: i64,
    countries: String,
    amount: i64,
    currency: String,
}

impl TryFrom<Row> for Activation {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        Ok(Self {
            id: ActivationId(row.id),
            link_id: LinkId(row.link_id),
            operation_id: OperationId(row.operation_id),
            plan_id: PlanId(row.plan_id),
            plan_name: row.plan_name,
            status: ActivationStatus::from_word(&row.status)?,
            instance_id: row.instance_id,
            activated_at: row.activated_at.into(),
            first_used_at: row.first_used_at.map(Into::into),
            expires_at: row.expires_at.map(Into::into),
            data_total: Volume::from_kb(row.data_total_kb),
            data_used: Volume::from_kb(row.data_used_kb),
            countries: text::codes_from_text(&row.countries),
            amount: Money::from_micros(row.amount),
            currency: text::currency(&row.currency)?,
        })
    }
}

/// An activation of a Link.
pub async fn activation(
    tx: &mut Tx,
    org: OrgId,
    link: LinkId,
    id: ActivationId,
) -> Result<Option<Activation>, DbError> {
    let row = opt!(
        tx,
        Row,
        "SELECT id, link_id, operation_id, plan_id, plan_name, status, instance_id, activated_at,
             first_used_at, expires_at, data_total_kb, data_used_kb, countries, amount, currency
         FROM activations WHERE org_id = $1 AND link_id = $2 AND id = $3",
        org.0,
        link.0,
        id.0
    )?;
    row.map(TryInto::try_into).transpose()
}

/// A Link's activations, newest first: all in force and the newest others.
pub async fn of_link(tx: &mut Tx, org: OrgId, link: LinkId) -> Result<Vec<Activation>, DbError> {
    let mut rows = all!(
        tx,
        Row,
        "SELECT id, link_id, operation_id, plan_id, plan_name, status, instance_id, activated_at,
             first_used_at, expires_at, data_total_kb, data_used_kb, countries, amount, currency
         FROM activations
         WHERE org_id = $1 AND link_id = $2 AND status IN ('active', 'depleted')
         ORDER BY id DESC",
        org.0,
        link.0
    )?;
    rows.extend(all!(
        tx,
        Row,
        "SELECT id, link_id, operation_id, plan_id, plan_name, status, instance_id, activated_at,
             first_used_at, expires_at, data_total_kb, data_used_kb, countries, amount, currency
         FROM activations
         WHERE org_id = $1 AND link_id = $2 AND status IN ('expired', 'cancelled')
         ORDER BY id DESC LIMIT $3",
        org.0,
        link.0,
        OTHERS_MAX
    )?);
    // Ids are UUID v7: their order is that of creation.
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.id));
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Cancels an activation and takes it off its Link's totals, once. The Link's row is locked first,
/// as whatever changes both does: a reading of its use would else wait for this one, and this one
/// for it.
pub async fn cancel(
    tx: &mut Tx,
    org: OrgId,
    link: LinkId,
    id: ActivationId,
    at: Timestamp,
) -> Result<(), DbError> {
    links::lock(tx, org, link).await?;
    let Some(activation) = activation(tx, org, link, id).await? else { return Ok(()) };
    let changed = exec!(
        tx,
        "UPDATE activations SET status = 'cancelled'
         WHERE org_id = $1 AND link_id = $2 AND id = $3 AND status IN ('active', 'depleted')",
        org.0,
        link.0,
        id.0
    )?;
    if changed == 0 {
        // Its end has been recorded before; what is gone is not subtracted twice.
        exec!(
            tx,
            "UPDATE activations SET status = 'cancelled'
             WHERE org_id = $1 AND link_id = $2 AND id = $3 AND status <> 'cancelled'",
            org.0,
            link.0,
            id.0
        )?;
        return Ok(());
    }
    links::subtract(tx, org, link, activation.data_total, activation.data_used, at).await
}

/// Keeps what the operator said of an activation's use; one that was cancelled stays so.
pub async fn record(
    tx: &mut Tx,
    org: OrgId,
    link: LinkId,
    id: ActivationId,
    used: Volume,
    status: ActivationStatus,
    first_used_at: Option<Timestamp>,
) -> Result<(), DbError> {
    tx.changes_link(link);
    exec!(
        tx,
        "UPDATE activations
         SET data_used_kb = $4, status = $5, first_used_at = COALESCE($6, first_used_at)
         WHERE org_id = $1 AND link_id = $2 AND id = $3 AND status <> 'cancelled'
           AND (data_used_kb <> $4 OR status <> $5
                OR (first_used_at IS NULL AND $6 IS NOT NULL) OR first_used_at <> $6)",
        org.0,
        link.0,
        id.0,
        used.kb(),
        status.word(),
        first_used_at.map(Time::from)
    )?;
    Ok(())
}
