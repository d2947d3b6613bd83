//! A database with an organization in it, and what tests build their batches from.

use crate::postgres_server;
use bappy::store::{Database, SqlStore, Time, Tx};
use bappy_actors::model::{
    Activation, ActivationId, ActivationStatus, Cleanup, Currency, EntryId, EntryKind, LedgerEntry,
    Link, LinkId, LinkStatus, Money, Operation, OperationId, OperationKind, OperationState, OrgId,
    PlanId, Request, RequestKey, SimKind, Sponsor, Timestamp, Volume,
};
use bappy_actors::ports::{Batch, Closing, CommitOutcome, Planned, SimCard, Store, WalletRow};
use chrono::{TimeDelta, TimeZone, Utc};
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use uuid::Uuid;

static IDS: AtomicU64 = AtomicU64::new(1);

/// An id greater than all before it.
pub fn id() -> Uuid {
    Uuid::from_u128((0x0190_u128 << 112) + u128::from(IDS.fetch_add(1, Ordering::Relaxed)))
}

/// Seconds after the start of the tests' time.
pub fn at(seconds: i64) -> Timestamp {
    Utc.with_ymd_and_hms(2026, 11, 23, 10, 0, 0).unwrap()
        + TimeDelta::microseconds(123_456)
        + TimeDelta::seconds(seconds)
}

pub fn usd() -> Currency {
    "USD".parse().unwrap()
}

pub const fn money(units: i64) -> Money {
    Money::from_micros(units * 1_000_000)
}

/// A database of its own with one organization, one sponsor and one plan.
pub struct World {
    pub store: Arc<SqlStore>,
    pub db: Database,
    pub org: OrgId,
    pub plan: PlanId,
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Deref for World {
    type Target = SqlStore;

    fn deref(&self) -> &SqlStore {
        &self.store
    }
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/new/bappy.db", folder.path().display());
        let db = Database::open(&url, 4, Handle::current()).await.unwrap();
        db.migrate().await.unwrap();
        Self::furnish(db, url, Some(folder)).await
    }

    pub async fn postgres() -> Option<Self> {
        let url = postgres_server::fresh_database().await?;
        let db = Database::open(&url, 8, Handle::current()).await.unwrap();
        Some(Self::furnish(db, url, None).await)
    }

    async fn furnish(db: Database, url: String, folder: Option<tempfile::TempDir>) -> Self {
        let (org, plan) = (OrgId(id()), PlanId(id()));
        db.write(move |tx| {
            Box::pin(async move {
                exec!(tx, "INSERT INTO sponsors VALUES ('alpha', 'Alpha', '#0a7')")?;
                add_plan(tx, plan, r#"[{"country":"DE","networks":[]}]"#, "DE").await?;
                add_org(tx, org, "acme", money(0)).await
            })
        })
        .await
        .unwrap();
        let store = Arc::new(SqlStore::start(db.clone()));
        Self { store, db, org, plan, url, _folder: folder }
    }

    pub async fn another_org(&self, balance: Money) -> OrgId {
        let org = OrgId(id());
        self.db
            .write(move |tx| Box::pin(async move { add_org(tx, org, "other", balance).await }))
            .await
            .unwrap();
        org
    }

    pub async fn another_plan(&self, coverage: &'static str, countries: &'static str) -> PlanId {
        let plan = PlanId(id());
        self.db
            .write(move |tx| Box::pin(async move { add_plan(tx, plan, coverage, countries).await }))
            .await
            .unwrap();
        plan
    }

    pub async fn row(&self, org: OrgId) -> WalletRow {
        self.store.wallet(org).await.unwrap().unwrap()
    }

    /// Decides and writes what is planned, on the wallet as it stands.
    pub async fn commit(&self, planned: Vec<Planned>) -> CommitOutcome {
        let before = self.row(self.org).await;
        self.store.commit(batch(self.org, before, planned)).await.unwrap()
    }

    pub async fn written(&self, planned: Vec<Planned>) {
        assert_eq!(self.commit(planned).await, CommitOutcome::Committed);
    }

    pub async fn has(&self, balance: Money) {
        self.written(vec![credit(balance, None)]).await;
    }

    pub fn operation(&self, kind: OperationKind, link: LinkId) -> Operation {
        let own = OperationId(id());
        Operation {
            id: own,
            org_id: self.org,
            group_id: own,
            position: 0,
            kind,
            state: OperationState::Pending,
            link_id: link,
            activation_id: Some(ActivationId(id())),
            plan_id: Some(self.plan),
            amount: money(5),
            debit_id: None,
            key: None,
            request: Request::Topup {
                endpoint_id: "ep-1".into(),
                iccid: "8901".into(),
                operator_plan_id: "op-1".into(),
            },
            failure: None,
            cleanup: Cleanup::None,
            epoch: 1,
            attempts: 0,
            deadline_at: at(20),
            horizon_at: at(600),
            created_at: at(0),
            settled_at: None,
        }
    }

    pub fn topup(&self) -> Operation {
        self.operation(OperationKind::Topup, LinkId(id()))
    }

    /// A Link with its first activation, paid for and settled.
    pub async fn settled_link(&self, iccid: &str) -> (Link, Operation) {
        let link = new_link(iccid);
        let operation = self.operation(OperationKind::CreateLink, link.id);
        self.has(money(5)).await;
        self.written(vec![debiting(operation.clone())]).await;
        self.written(vec![Planned {
            closed: vec![closing(&operation, OperationState::Succeeded)],
            links: vec![link.clone()],
            activations: vec![activating(&operation, link.id)],
            ..Planned::default()
        }])
        .await;
        (link, operation)
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        let mut tx = self.db.read().await.unwrap();
        one!(tx, (i64,), sql).unwrap().0
    }

    /// The ledger's sum is the balance, its sequences have no gap, and the wallet's counters count.
    pub async fn balances(&self, org: OrgId) {
        let mut tx = self.db.read().await.unwrap();
        let (sum, entries, last) = one!(
            tx,
            (i64, i64, i64),
            "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT), COUNT(*), COALESCE(MAX(sequence), 0)
             FROM ledger_entries WHERE org_id = $1",
            org.0
        )
        .unwrap();
        let counted = one!(
            tx,
            (i64, i64, i64, i64),
            "SELECT w.operations_total, (SELECT COUNT(*) FROM operations o WHERE o.org_id = $1),
                 w.links_total, (SELECT COUNT(*) FROM links l WHERE l.org_id = $1)
             FROM wallets w WHERE w.org_id = $1",
            org.0
        )
        .unwrap();
        assert_eq!((counted.0, counted.2), (counted.1, counted.3));
        drop(tx);
        let row = self.row(org).await;
        assert_eq!((sum, entries, last), (row.balance.micros(), row.version, row.version));
    }
}

/// A debit of 5 for an operation.
pub fn debiting(operation: Operation) -> Planned {
    let kind = match operation.kind {
        OperationKind::SendSms => EntryKind::Sms,
        OperationKind::Topup => EntryKind::Topup,
        _ => EntryKind::Activation,
    };
    let entry = LedgerEntry {
        kind,
        amount: money(-5),
        link_id: Some(operation.link_id),
        plan_id: operation.plan_id,
        plan_name: Some("Europe 1 GB".into()),
        operation_id: Some(operation.id),
        ..entry(EntryKind::Activation, money(-5))
    };
    Planned { entries: vec![entry], opened: vec![operation], ..Planned::default() }
}

pub fn new_link(iccid: &str) -> Link {
    Link {
        id: LinkId(id()),
        name: Some("router".into()),
        iccid: iccid.into(),
        msisdn: None,
        kind: SimKind::Esim,
        status: LinkStatus::Active,
        sponsor: Sponsor { id: "alpha".into(), name: "Alpha".into(), color: "#0a7".into() },
        endpoint_id: format!("ep-{iccid}"),
        smdp_address: Some("smdp.example".into()),
        matching_id: Some("MATCH".into()),
        data_total: Volume::from_kb(1_000_000),
        data_used: Volume::ZERO,
        profile: None,
        usage_at: None,
        created_at: at(1),
        updated_at: at(1),
    }
}

pub fn activating(operation: &Operation, link: LinkId) -> Activation {
    Activation {
        id: operation.activation_id.unwrap(),
        link_id: link,
        operation_id: operation.id,
        plan_id: operation.plan_id.unwrap(),
        plan_name: "Europe 1 GB".into(),
        status: ActivationStatus::Active,
        instance_id: format!("in-{}", operation.id),
        activated_at: at(1),
        first_used_at: None,
        expires_at: Some(at(86_400)),
        data_total: Volume::from_kb(1_000_000),
        data_used: Volume::ZERO,
        countries: vec!["DE".into(), "FR".into()],
        amount: operation.amount,
        currency: usd(),
    }
}

async fn add_org(
    tx: &mut Tx,
    org: OrgId,
    slug: &str,
    balance: Money,
) -> Result<(), bappy::store::DbError> {
    let now = Time(at(0));
    exec!(
        tx,
        "INSERT INTO organizations VALUES ($1, $2, $2, 'active', 'USD', 35000, 0, $3, $3)",
        org.0,
        format!("{slug}-{org}"),
        now
    )?;
    exec!(
        tx,
        "INSERT INTO wallets
             (org_id, balance, version, fence, links_total, operations_total, updated_at)
         VALUES ($1, $2, 0, 0, 0, 0, $3)",
        org.0,
        balance.micros(),
        now
    )?;
    Ok(())
}

async fn add_plan(
    tx: &mut Tx,
    plan: PlanId,
    coverage: &str,
    countries: &str,
) -> Result<(), bappy::store::DbError> {
    exec!(
        tx,
        "INSERT INTO plans (id, operator_plan_id, name, data_kb, validity_days, wholesale_price,
             wholesale_currency, sponsor_id, coverage_type, region, coverage, countries,
             operators_total, offered, created_at, updated_at)
         VALUES ($1, $2, 'Europe 1 GB', 1000000, 30, 3000000, 'USD', 'alpha', 'regional', 'EU',
             $3, $4, 0, $5, $6, $6)",
        plan.0,
        plan.to_string(),
        coverage,
        countries,
        true,
        Time(at(0))
    )?;
    Ok(())
}

/// An entry without sequence and balance, which `batch` gives it.
pub fn entry(kind: EntryKind, amount: Money) -> LedgerEntry {
    LedgerEntry {
        id: EntryId(id()),
        sequence: 0,
        kind,
        amount,
        balance_after: Money::ZERO,
        link_id: None,
        iccid: None,
        activation_id: None,
        plan_id: None,
        plan_name: None,
        refund_of: None,
        operation_id: None,
        reference: None,
        description: "for a test".into(),
    }
}

pub fn credit(amount: Money, reference: Option<&str>) -> Planned {
    let entry =
        LedgerEntry { reference: reference.map(Into::into), ..entry(EntryKind::Credit, amount) };
    Planned { entries: vec![entry], ..Planned::default() }
}

pub fn refund(operation: &Operation, debit: EntryId) -> Planned {
    let entry = LedgerEntry {
        operation_id: Some(operation.id),
        refund_of: Some(debit),
        ..entry(EntryKind::Refund, operation.amount)
    };
    Planned {
        entries: vec![entry],
        closed: vec![closing(operation, OperationState::Refunded)],
        ..Planned::default()
    }
}

pub fn closing(operation: &Operation, state: OperationState) -> Closing {
    Closing {
        operation_id: operation.id,
        epoch: operation.epoch,
        state,
        failure: None,
        cleanup: Cleanup::None,
        lease_until: None,
        answer: None,
    }
}

pub fn key(name: &str) -> RequestKey {
    RequestKey { key: name.into(), request_hash: [7; 32] }
}

pub fn sim(iccid: &str) -> SimCard {
    SimCard {
        iccid: iccid.into(),
        kind: SimKind::Esim,
        sponsor_id: "alpha".into(),
        smdp_address: Some("smdp.example".into()),
        matching_id: Some(format!("M-{iccid}")),
    }
}

/// Gives the entries their sequences and balances, as the wallet does.
pub fn batch(org: OrgId, before: WalletRow, mut items: Vec<Planned>) -> Batch {
    let (mut balance, mut version) = (before.balance, before.version);
    for entry in items.iter_mut().flat_map(|item| &mut item.entries) {
        balance = balance.checked_add(entry.amount).unwrap();
        version += 1;
        entry.sequence = version;
        entry.balance_after = balance;
    }
    Batch { org_id: org, at: at(2), before, balance, version, items }
}
