//! A database of its own, and rows written past every check, as a defect would leave them.

use crate::postgres_server;
use bappy::store::organizations::{self, NewOrganization};
use bappy::store::{Database, DbError, Time, Tx};
use bappy_actors::model::{Money, OrgId, Timestamp};
use bappy_actors::ports::Ids;
use chrono::{TimeDelta, TimeZone, Utc};
use futures_util::future::BoxFuture;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use uuid::Uuid;

static IDS: AtomicU64 = AtomicU64::new(1);

/// An id greater than all before it.
pub fn id() -> Uuid {
    Uuid::from_u128((0x0190_u128 << 112) + u128::from(IDS.fetch_add(1, Ordering::Relaxed)))
}

pub struct CountedIds;

impl Ids for CountedIds {
    fn next(&self) -> Uuid {
        id()
    }
}

/// Seconds after the start of the tests' time.
pub fn at(seconds: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap() + TimeDelta::seconds(seconds)
}

pub fn money(text: &str) -> Money {
    text.parse().unwrap()
}

pub struct World {
    pub db: Database,
    _folder: Option<tempfile::TempDir>,
}

/// One attempt with what it left behind; the fields are what is written.
#[derive(Clone)]
pub struct Attempt {
    pub org: OrgId,
    pub id: Uuid,
    pub kind: &'static str,
    pub state: &'static str,
    pub cleanup: &'static str,
    pub link: Uuid,
    pub amount: i64,
    pub debit: Option<Uuid>,
    pub key: Option<String>,
}

/// A ledger entry as it is written.
#[derive(Clone)]
pub struct Entry {
    pub org: OrgId,
    pub id: Uuid,
    pub sequence: i64,
    pub kind: &'static str,
    pub amount: i64,
    pub balance_after: i64,
    pub link: Option<Uuid>,
    pub refund_of: Option<Uuid>,
    pub operation: Option<Uuid>,
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/bappy.db", folder.path().display());
        let db = Database::open(&url, 4, Handle::current()).await.unwrap();
        db.migrate().await.unwrap();
        Self { db, _folder: Some(folder) }
    }

    pub async fn postgres() -> Option<Self> {
        let url = postgres_server::fresh_database().await?;
        let db = Database::open(&url, 4, Handle::current()).await.unwrap();
        Some(Self { db, _folder: None })
    }

    pub async fn read(&self) -> Tx {
        self.db.read().await.unwrap()
    }

    pub async fn write<T: Send + 'static>(
        &self,
        work: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, DbError>> + Send + 'static,
    ) -> T {
        self.db.write(work).await.unwrap()
    }

    pub async fn org(&self, slug: &str, currency: &str) -> OrgId {
        let new = new_org(slug, currency, &[]);
        let id = new.id;
        self.write(move |tx| Box::pin(async move { organizations::create(tx, &new, at(0)).await }))
            .await
            .unwrap();
        id
    }

    /// A sponsor, a plan and a Link on it.
    pub async fn link(&self, org: OrgId, name: &'static str, iccid: &str) -> Uuid {
        let (link, iccid) = (id(), iccid.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                exec!(
                    tx,
                    "INSERT INTO sponsors VALUES ('alpha', 'Alpha', '#0a7') ON CONFLICT DO NOTHING"
                )?;
                exec!(
                    tx,
                    "INSERT INTO links (org_id, id, name, iccid, msisdn, kind, status, sponsor_id,
                         endpoint_id, data_total_kb, data_used_kb, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, 'esim', 'active', 'alpha', $6, 1000, 10, $7, $7)",
                    org.0,
                    link,
                    name,
                    iccid.as_str(),
                    format!("+49{iccid}"),
                    format!("ep-{iccid}"),
                    Time(at(1))
                )?;
                exec!(
                    tx,
                    "UPDATE wallets SET links_total = links_total + 1 WHERE org_id = $1",
                    org.0
                )?;
                Ok(())
            })
        })
        .await;
        link
    }

    pub async fn attempt(&self, a: Attempt) {
        self.write(move |tx| {
            Box::pin(async move {
                exec!(
                    tx,
                    "INSERT INTO operations (org_id, id, group_id, position, kind, state, link_id,
                         amount, debit_id, idempotency_key, request_hash, request, answer, cleanup,
                         epoch, attempts, deadline_at, horizon_at, created_at, settled_at)
                     VALUES ($1, $2, $2, 0, $3, $4, $5, $6, $7, $8, $9, '{}', $10, $11, 1, 3, $12,
                         $12, $12, $13)",
                    a.org.0,
                    a.id,
                    a.kind,
                    a.state,
                    a.link,
                    a.amount,
                    a.debit,
                    a.key.as_deref(),
                    vec![7_u8; 32],
                    (a.state == "succeeded").then_some("{\"answer\":1}"),
                    a.cleanup,
                    Time(at(2)),
                    (a.state != "pending").then_some(Time(at(2)))
                )?;
                if a.state == "succeeded" && ["create_link", "topup"].contains(&a.kind) {
                    let kind = if a.kind == "topup" { "topup" } else { "activation" };
                    total(tx, a.org, kind, [0, 0, 0, 1], None).await?;
                }
                exec!(
                    tx,
                    "UPDATE wallets SET operations_total = operations_total + 1 WHERE org_id = $1",
                    a.org.0
                )?;
                Ok(())
            })
        })
        .await;
    }

    pub async fn entry(&self, e: Entry) {
        self.write(move |tx| {
            Box::pin(async move {
                exec!(
                    tx,
                    "INSERT INTO ledger_entries (org_id, sequence, id, kind, amount, balance_after,
                         link_id, plan_name, refund_of, operation_id, description, created_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, 'Europe', $8, $9, 'for a test', $10)",
                    e.org.0,
                    e.sequence,
                    e.id,
                    e.kind,
                    e.amount,
                    e.balance_after,
                    e.link,
                    e.refund_of,
                    e.operation,
                    Time(at(e.sequence))
                )?;
                let (debited, credited) = (e.amount.min(0).abs(), e.amount.max(0));
                let sums = [1, debited, credited, 0];
                total(tx, e.org, e.kind, sums, Some(e.sequence)).await?;
                exec!(
                    tx,
                    "UPDATE wallets SET balance = $2, version = $3 WHERE org_id = $1",
                    e.org.0,
                    e.balance_after,
                    e.sequence
                )?;
                Ok(())
            })
        })
        .await;
    }

    pub async fn activation(&self, org: OrgId, link: Uuid, operation: Uuid, amount: i64) -> Uuid {
        let activation = id();
        self.write(move |tx| {
            Box::pin(async move {
                exec!(
                    tx,
                    "INSERT INTO plans (id, operator_plan_id, name, data_kb, validity_days,
                         wholesale_price, wholesale_currency, sponsor_id, coverage_type, coverage,
                         countries, operators_total, offered, created_at, updated_at)
                     VALUES ($1, 'p', 'Europe', 1, 30, 1, 'USD', 'alpha', 'global', '[]', '', 0,
                         $2, $3, $3) ON CONFLICT DO NOTHING",
                    id(),
                    true,
                    Time(at(0))
                )?;
                exec!(
                    tx,
                    "INSERT INTO activations (org_id, id, link_id, operation_id, plan_id, plan_name,
                         status, instance_id, activated_at, data_total_kb, data_used_kb, countries,
                         amount, currency)
                     SELECT $1, $2, $3, $4, p.id, p.name, 'active', $5, $6, 1, 0, '', $7, 'USD'
                     FROM plans p WHERE p.operator_plan_id = 'p'",
                    org.0,
                    activation,
                    link,
                    operation,
                    format!("in-{operation}"),
                    Time(at(3)),
                    amount
                )?;
                Ok(())
            })
        })
        .await;
        activation
    }

    pub async fn exec(&self, sql: &'static str) {
        self.write(move |tx| {
            Box::pin(async move {
                exec!(tx, sql)?;
                Ok(())
            })
        })
        .await;
    }
}

/// Adds to the totals of the tests' day.
async fn total(
    tx: &mut Tx,
    org: OrgId,
    kind: &str,
    [entries, debited, credited, made]: [i64; 4],
    sequence: Option<i64>,
) -> Result<(), DbError> {
    exec!(
        tx,
        "INSERT INTO ledger_days AS d (org_id, plan_id, kind, day, entries, debited, credited,
             made, first_sequence, last_sequence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         ON CONFLICT (org_id, plan_id, kind, day) DO UPDATE SET
             entries = d.entries + excluded.entries, debited = d.debited + excluded.debited,
             credited = d.credited + excluded.credited, made = d.made + excluded.made,
             first_sequence = COALESCE(d.first_sequence, excluded.first_sequence),
             last_sequence = COALESCE(excluded.last_sequence, d.last_sequence)",
        org.0,
        Uuid::nil(),
        kind,
        at(0).date_naive(),
        entries,
        debited,
        credited,
        made,
        sequence
    )?;
    Ok(())
}

pub fn new_org(slug: &str, currency: &str, clients: &[&str]) -> NewOrganization {
    NewOrganization {
        id: OrgId(id()),
        slug: slug.into(),
        name: format!("{slug} Ltd"),
        currency: currency.parse().unwrap(),
        price_per_sms: money("0.05"),
        price_per_link: money("0.50"),
        clients: clients.iter().map(|client| (*client).into()).collect(),
    }
}
