//! The core's [`Store`] on either database: which function of which aggregate answers it.

use super::{
    Database, DbError, activations, connectivity, entries, expiry, is_unique_violation,
    ledger::Ledger, link_fees, links, operations, plans, sim_claims::SimClaims, sims, sms, wallet,
};
use async_trait::async_trait;
use bappy_actors::fault_point;
use bappy_actors::model::{
    Activation, ActivationId, Cleanup, Currency, EntryId, LedgerEntry, Link, LinkFee, LinkId,
    LinkSnapshot, Month, Operation, OperationId, OperationState, OrgId, Plan, PlanId, Request,
    SimKind, Sms, SmsStatus, Timestamp,
};
use bappy_actors::ports::{
    Batch, Candidate, Claimed, Closing, CommitOutcome, ConnectivityReading, Due, FeeBook,
    LinkChange, OpenOutcome, Payer, SimCard, SmsReport, StockClaim, Store, StoreError, Suspending,
    SuspensionOutcome, UsageReading, WalletRow,
};
use std::sync::Arc;
use tokio::runtime::Handle;

/// The store of this platform: a database and its ledger writers.
pub struct SqlStore {
    db: Database,
    ledger: Ledger,
    claims: Arc<SimClaims>,
}

impl SqlStore {
    /// Starts the ledger writers of a database whose schema is current. They end with the store.
    pub fn start(db: Database) -> Self {
        let runtime = db.runtime().clone();
        Self::start_on(db, &runtime)
    }

    /// The same with the writers on another runtime than the database's, which has to run until
    /// they have ended.
    pub fn start_on(db: Database, runtime: &Handle) -> Self {
        let ledger = Ledger::start(&db, runtime);
        Self { db, ledger, claims: Arc::default() }
    }

    /// Ends the ledger writers once what they have is answered; nothing is committed any more.
    pub async fn close_ledger(&self) {
        self.ledger.close().await;
    }

    /// The database, for what the core does not ask.
    pub fn database(&self) -> &Database {
        &self.db
    }

    /// Which index kept an operation from being recorded; none: that of its own id.
    async fn why_not_opened(&self, operation: &Operation) -> Result<Option<OpenOutcome>, DbError> {
        let mut tx = self.db.read_of(operation.org_id).await?;
        if let Some(key) = &operation.key
            && operations::key_is_taken(&mut tx, operation.org_id, &key.key, operation.id).await?
        {
            return Ok(Some(OpenOutcome::KeyTaken));
        }
        // What stood in the way may have ended since: its Link was busy, and is worth another try.
        let recorded = operations::exists(&mut tx, operation.org_id, operation.id).await?;
        Ok((!recorded).then_some(OpenOutcome::LinkBusy))
    }
}

/// Reads across organizations.
macro_rules! read {
    ($self:ident, $function:path $(, $arg:expr)*) => {{
        let mut tx = $self.db.read().await?;
        Ok($function(&mut tx $(, $arg)*).await?)
    }};
}

/// Reads rows of one organization.
macro_rules! read_of {
    ($self:ident, $org:expr, $function:path $(, $arg:expr)*) => {{
        let mut tx = $self.db.read_of($org).await?;
        Ok($function(&mut tx, $org $(, $arg)*).await?)
    }};
}

/// Writes in a transaction of its own, in a task of its own; what belongs to an operation names the
/// point behind it.
macro_rules! write {
    ($self:ident, |$tx:ident| $work:expr) => {
        Ok($self.db.write(move |$tx| Box::pin(async move { $work.await })).await?)
    };
    ($self:ident, $point:literal, |$tx:ident| $work:expr) => {{
        let written = $self.db.write(move |$tx| Box::pin(async move { $work.await })).await?;
        fault_point!($point);
        Ok(written)
    }};
}

#[async_trait]
impl Store for SqlStore {
    async fn wallet(&self, org: OrgId) -> Result<Option<WalletRow>, StoreError> {
        read_of!(self, org, wallet::wallet)
    }

    async fn fence_wallet(&self, org: OrgId) -> Result<Option<WalletRow>, StoreError> {
        write!(self, |tx| wallet::fence(tx, org))
    }

    async fn currency(&self, org: OrgId) -> Result<Option<Currency>, StoreError> {
        read_of!(self, org, wallet::currency)
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        Ok(self.ledger.commit(batch).await?)
    }

    async fn operation(
        &self,
        org: OrgId,
        id: OperationId,
    ) -> Result<Option<Operation>, StoreError> {
        read_of!(self, org, operations::operation, id)
    }

    async fn operation_state(
        &self,
        org: OrgId,
        id: OperationId,
    ) -> Result<Option<OperationState>, StoreError> {
        read_of!(self, org, operations::state, id)
    }

    async fn operation_group(
        &self,
        org: OrgId,
        group: OperationId,
    ) -> Result<Vec<Operation>, StoreError> {
        read_of!(self, org, operations::group, group)
    }

    async fn open_operation(
        &self,
        operation: Operation,
        lease_until: Timestamp,
    ) -> Result<OpenOutcome, StoreError> {
        let row = operation.clone();
        let opened = self.db.write(move |tx| {
            Box::pin(async move {
                // Not to be committed, and no failure of the database.
                let opens = operations::open(tx, &row, lease_until).await?;
                if opens { Ok(()) } else { Err(DbError::FeeDue) }
            })
        });
        match opened.await {
            Ok(()) => {
                fault_point!("store.open_operation");
                Ok(OpenOutcome::Opened)
            }
            Err(DbError::FeeDue) => Ok(OpenOutcome::FeeDue),
            Err(DbError::Sql(error)) if is_unique_violation(&error) => {
                let why = self.why_not_opened(&operation).await?;
                why.ok_or_else(|| DbError::Sql(error).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn close_operation(
        &self,
        org: OrgId,
        link: LinkId,
        closing: Closing,
        change: LinkChange,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, "store.close_operation", |tx| operations::close(
            tx, org, link, &closing, &change, at
        ))
    }

    async fn rewrite_request(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        request: Request,
    ) -> Result<bool, StoreError> {
        write!(self, "store.rewrite_request", |tx| operations::rewrite_request(
            tx, org, id, epoch, &request
        ))
    }

    async fn claim_due(
        &self,
        which: Due,
        now: Timestamp,
        lease_until: Timestamp,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let claimed = self
            .db
            .write(move |tx| Box::pin(operations::claim_due(tx, which, now, lease_until, limit)));
        let claimed = claimed.await?;
        // Mostly nothing is due, and nothing has changed.
        if !claimed.is_empty() {
            fault_point!("store.claim_due");
        }
        Ok(claimed)
    }

    async fn claim_operation(
        &self,
        org: OrgId,
        id: OperationId,
        lease_until: Timestamp,
    ) -> Result<Option<Claimed>, StoreError> {
        write!(self, |tx| operations::claim(tx, org, id, lease_until))
    }

    async fn reschedule(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        cleanup: Cleanup,
        due_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        write!(self, "store.reschedule", |tx| operations::reschedule(
            tx, org, id, epoch, cleanup, due_at
        ))
    }

    async fn due_fee(&self, org: OrgId, link: LinkId) -> Result<Option<LinkFee>, StoreError> {
        read_of!(self, org, link_fees::due, link)
    }

    async fn is_fee_charged(
        &self,
        org: OrgId,
        link: LinkId,
        month: Month,
        entry: EntryId,
    ) -> Result<bool, StoreError> {
        read_of!(self, org, link_fees::is_charged, link, month, entry)
    }

    async fn open_suspensions(
        &self,
        org: OrgId,
        suspensions: Vec<Suspending>,
    ) -> Result<Vec<SuspensionOutcome>, StoreError> {
        write!(self, "store.open_suspensions", |tx| link_fees::suspend(tx, org, &suspensions))
    }

    async fn claim_sim(
        &self,
        sponsor_id: &str,
        kind: SimKind,
        operation: OperationId,
        at: Timestamp,
    ) -> Result<Option<SimCard>, StoreError> {
        let claim = sims::Claim { sponsor_id: sponsor_id.to_owned(), kind, operation, at };
        let claimed = self.claims.claim(&self.db, claim).await?;
        fault_point!("store.claim_sim");
        Ok(claimed)
    }

    async fn claim_stock_sim(
        &self,
        org: OrgId,
        iccid: &str,
        sponsor_id: &str,
        operation: OperationId,
        at: Timestamp,
        stale: Timestamp,
    ) -> Result<StockClaim, StoreError> {
        let (iccid, sponsor) = (iccid.to_owned(), sponsor_id.to_owned());
        write!(self, "store.claim_stock_sim", |tx| sims::claim_stock(
            tx,
            org,
            (&iccid, &sponsor),
            operation,
            at,
            stale
        ))
    }

    async fn release_sim(&self, iccid: &str, operation: OperationId) -> Result<(), StoreError> {
        let iccid = iccid.to_owned();
        write!(self, "store.release_sim", |tx| sims::release(tx, &iccid, operation))
    }

    async fn retire_sim(&self, iccid: &str) -> Result<(), StoreError> {
        let iccid = iccid.to_owned();
        write!(self, "store.retire_sim", |tx| sims::retire(tx, &iccid))
    }

    async fn sim(&self, iccid: &str) -> Result<Option<SimCard>, StoreError> {
        read!(self, sims::sim, iccid)
    }

    async fn add_sims(&self, cards: Vec<SimCard>, at: Timestamp) -> Result<u64, StoreError> {
        write!(self, |tx| sims::add(tx, &cards, at))
    }

    async fn last_sim(
        &self,
        sponsor_id: &str,
        kind: SimKind,
    ) -> Result<Option<String>, StoreError> {
        read!(self, sims::last, sponsor_id, kind)
    }

    async fn free_sims(
        &self,
        sponsor_id: &str,
        kind: SimKind,
        limit: i64,
    ) -> Result<i64, StoreError> {
        read!(self, sims::free, sponsor_id, kind, limit)
    }

    async fn free_stale_claims(&self, before: Timestamp) -> Result<u64, StoreError> {
        write!(self, |tx| sims::free_stale(tx, before))
    }

    fn row_revision(&self, link: LinkId) -> Option<u64> {
        self.db.row_revision(link)
    }

    async fn link(&self, org: OrgId, id: LinkId) -> Result<Option<Link>, StoreError> {
        read_of!(self, org, links::link, id)
    }

    async fn link_by_iccid(&self, org: OrgId, iccid: &str) -> Result<Option<Link>, StoreError> {
        read_of!(self, org, links::by_iccid, iccid)
    }

    async fn link_snapshot(
        &self,
        org: OrgId,
        id: LinkId,
        now: Timestamp,
    ) -> Result<Option<LinkSnapshot>, StoreError> {
        read_of!(self, org, links::snapshot, id, now)
    }

    async fn activation(
        &self,
        org: OrgId,
        link: LinkId,
        id: ActivationId,
    ) -> Result<Option<Activation>, StoreError> {
        read_of!(self, org, activations::activation, link, id)
    }

    async fn record_usage(
        &self,
        org: OrgId,
        link: LinkId,
        reading: UsageReading,
    ) -> Result<(), StoreError> {
        write!(self, |tx| links::record_usage(tx, org, link, &reading))
    }

    async fn expire_activations(&self, now: Timestamp, limit: i64) -> Result<u64, StoreError> {
        let mut tx = self.db.read().await?;
        let due = expiry::due(&mut tx, now, limit).await?;
        drop(tx);
        // Mostly there are none, and then nobody has to wait for a lock.
        if due.is_empty() {
            return Ok(0);
        }
        write!(self, |tx| expiry::expire(tx, &due, now))
    }

    async fn record_connectivity(
        &self,
        org: OrgId,
        link: LinkId,
        reading: ConnectivityReading,
    ) -> Result<(), StoreError> {
        write!(self, |tx| connectivity::record(tx, org, link, &reading))
    }

    async fn last_connectivity(
        &self,
        org: OrgId,
        link: LinkId,
    ) -> Result<Option<ConnectivityReading>, StoreError> {
        read_of!(self, org, connectivity::last, link)
    }

    async fn plan(&self, id: PlanId) -> Result<Option<Plan>, StoreError> {
        read!(self, plans::plan, id)
    }

    async fn sms(&self, org: OrgId, id: OperationId) -> Result<Option<Sms>, StoreError> {
        read_of!(self, org, sms::get, id)
    }

    async fn sms_handed_over(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        report: SmsReport,
        due_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, "store.sms_handed_over", |tx| sms::handed_over(
            tx, org, id, epoch, &report, due_at, at
        ))
    }

    async fn sms_ended(
        &self,
        org: OrgId,
        id: OperationId,
        status: SmsStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        write!(self, "store.sms_ended", |tx| sms::ended(tx, org, id, status, at))
    }

    async fn debit_of(
        &self,
        org: OrgId,
        operation: OperationId,
    ) -> Result<Option<(EntryId, LedgerEntry)>, StoreError> {
        read_of!(self, org, entries::debit_of, operation)
    }
}

#[async_trait]
impl FeeBook for SqlStore {
    async fn payers(
        &self,
        unfinished: Option<Month>,
        after: Option<OrgId>,
        limit: i64,
    ) -> Result<Vec<Payer>, StoreError> {
        read!(self, link_fees::payers, unfinished, after, limit)
    }

    async fn candidates(
        &self,
        org: OrgId,
        month: Month,
        after: Option<LinkId>,
        limit: i64,
    ) -> Result<Vec<Candidate>, StoreError> {
        read_of!(self, org, link_fees::candidates, month, after, limit)
    }

    async fn waive(
        &self,
        org: OrgId,
        month: Month,
        links: Vec<LinkId>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        write!(self, "store.waive", |tx| link_fees::waive(tx, org, month, &links, at))
    }

    async fn complete(&self, org: OrgId, month: Month, at: Timestamp) -> Result<(), StoreError> {
        write!(self, "store.complete", |tx| link_fees::complete(tx, org, month, at))
    }
}
