//! The port: each method does its work under the lock, or fails as the script says.

use super::super::script::Fault;
use super::super::wire::About;
use super::MemoryStore;
use async_trait::async_trait;
use bappy_actors::model::{
    Activation, ActivationId, Cleanup, Currency, EntryId, LedgerEntry, Link, LinkFee, LinkId,
    LinkSnapshot, Month, Operation, OperationId, OperationState, OrgId, Plan, PlanId, Request,
    SimKind, Sms, SmsStatus, Timestamp,
};
use bappy_actors::ports::{
    Batch, Claimed, Closing, CommitOutcome, ConnectivityReading, Due, LinkChange, OpenOutcome,
    SimCard, SmsReport, StockClaim, Store, StoreError, Suspending, SuspensionOutcome, UsageReading,
    WalletRow,
};

type Done<T> = Result<T, StoreError>;

#[async_trait]
impl Store for MemoryStore {
    async fn wallet(&self, org: OrgId) -> Done<Option<WalletRow>> {
        self.call("wallet", About::Wallet(org), move |data| {
            Ok(data.wallets.get(&org).map(|wallet| wallet.row))
        })
        .await
    }

    async fn fence_wallet(&self, org: OrgId) -> Done<Option<WalletRow>> {
        self.call("fence_wallet", About::Wallet(org), move |data| {
            Ok(data.wallets.get_mut(&org).map(|wallet| {
                wallet.row.fence += 1;
                wallet.row
            }))
        })
        .await
    }

    async fn currency(&self, _: OrgId) -> Done<Option<Currency>> {
        self.call("currency", About::Nothing, move |data| Ok(data.currency)).await
    }

    async fn commit(&self, batch: Batch) -> Done<CommitOutcome> {
        // Only a commit can arrive after its answer was lost.
        let late = batch.clone();
        let about = commands(&batch);
        let done = self.call("commit", about, move |data| data.commit(batch.clone())).await;
        if matches!(done, Err(StoreError::Unknown(_))) && self.is_late() {
            self.data().late.push(late);
        }
        done
    }

    async fn operation(&self, org: OrgId, id: OperationId) -> Done<Option<Operation>> {
        self.call("operation", About::Operation(id), move |data| {
            let found = data.operations.get(&id).map(|stored| stored.operation.clone());
            Ok(found.filter(|operation| operation.org_id == org))
        })
        .await
    }

    async fn operation_state(&self, org: OrgId, id: OperationId) -> Done<Option<OperationState>> {
        self.call("operation_state", About::Operation(id), move |data| {
            let found = data.operations.get(&id).map(|stored| &stored.operation);
            Ok(found.filter(|operation| operation.org_id == org).map(|operation| operation.state))
        })
        .await
    }

    async fn operation_group(&self, org: OrgId, group: OperationId) -> Done<Vec<Operation>> {
        self.call(
            "operation_group",
            About::Operation(group),
            move |data| Ok(data.group(org, group)),
        )
        .await
    }

    async fn open_operation(&self, operation: Operation, until: Timestamp) -> Done<OpenOutcome> {
        self.call("open_operation", About::Operation(operation.id), move |data| {
            Ok(data.open(operation.clone(), until))
        })
        .await
    }

    async fn close_operation(
        &self,
        org: OrgId,
        link: LinkId,
        closing: Closing,
        change: LinkChange,
        at: Timestamp,
    ) -> Done<bool> {
        self.call("close_operation", About::Operation(closing.operation_id), move |data| {
            Ok(data.close_uncharged(org, link, &closing, &change, at))
        })
        .await
    }

    async fn rewrite_request(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        request: Request,
    ) -> Done<bool> {
        self.call("rewrite_request", About::Operation(id), move |data| {
            Ok(data.rewrite(org, id, epoch, &request))
        })
        .await
    }

    async fn claim_due(
        &self,
        which: Due,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Done<Vec<Claimed>> {
        self.call("claim_due", About::Nothing, move |data| {
            Ok(data.claim_due(which, now, until, limit))
        })
        .await
    }

    async fn claim_operation(
        &self,
        org: OrgId,
        id: OperationId,
        until: Timestamp,
    ) -> Done<Option<Claimed>> {
        self.call("claim_operation", About::Operation(id), move |data| {
            Ok(data.claim_one(org, id, until))
        })
        .await
    }

    async fn reschedule(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        cleanup: Cleanup,
        due_at: Option<Timestamp>,
    ) -> Done<bool> {
        self.call("reschedule", About::Operation(id), move |data| {
            Ok(data.reschedule(org, id, epoch, cleanup, due_at))
        })
        .await
    }

    async fn due_fee(&self, org: OrgId, link: LinkId) -> Done<Option<LinkFee>> {
        self.call("due_fee", About::Link(link), move |data| Ok(data.due_fee(org, link))).await
    }

    async fn is_fee_charged(
        &self,
        org: OrgId,
        link: LinkId,
        month: Month,
        entry: EntryId,
    ) -> Done<bool> {
        self.call("is_fee_charged", About::Link(link), move |data| {
            Ok(data.is_fee_charged(org, link, month, entry))
        })
        .await
    }

    async fn open_suspensions(
        &self,
        org: OrgId,
        suspensions: Vec<Suspending>,
    ) -> Done<Vec<SuspensionOutcome>> {
        self.call("open_suspensions", suspended(&suspensions), move |data| {
            Ok(suspensions.iter().map(|one| data.suspend(org, one.clone())).collect())
        })
        .await
    }

    async fn claim_sim(
        &self,
        sponsor_id: &str,
        kind: SimKind,
        operation: OperationId,
        at: Timestamp,
    ) -> Done<Option<SimCard>> {
        let sponsor_id = sponsor_id.to_owned();
        self.call("claim_sim", About::Operation(operation), move |data| {
            Ok(data.claim_sim(&sponsor_id, kind, operation, at))
        })
        .await
    }

    async fn claim_stock_sim(
        &self,
        org: OrgId,
        iccid: &str,
        sponsor_id: &str,
        operation: OperationId,
        at: Timestamp,
        stale: Timestamp,
    ) -> Done<StockClaim> {
        let iccid = iccid.to_owned();
        let sponsor_id = sponsor_id.to_owned();
        self.call("claim_stock_sim", About::Operation(operation), move |data| {
            Ok(data.claim_stock_sim(org, (&iccid, &sponsor_id), operation, at, stale))
        })
        .await
    }

    async fn release_sim(&self, iccid: &str, operation: OperationId) -> Done<()> {
        let iccid = iccid.to_owned();
        self.call("release_sim", About::Text(iccid.clone()), move |data| {
            data.release_sim(&iccid, operation);
            Ok(())
        })
        .await
    }

    async fn retire_sim(&self, iccid: &str) -> Done<()> {
        let iccid = iccid.to_owned();
        self.call("retire_sim", About::Text(iccid.clone()), move |data| {
            data.retire_sim(&iccid);
            Ok(())
        })
        .await
    }

    async fn sim(&self, iccid: &str) -> Done<Option<SimCard>> {
        let iccid = iccid.to_owned();
        self.call("sim", About::Text(iccid.clone()), move |data| {
            Ok(data.sims.get(&iccid).map(|(card, _)| card.clone()))
        })
        .await
    }

    async fn add_sims(&self, sims: Vec<SimCard>, _: Timestamp) -> Done<u64> {
        self.call("add_sims", About::Nothing, move |data| Ok(data.add_sims(sims.clone()))).await
    }

    async fn last_sim(&self, sponsor_id: &str, kind: SimKind) -> Done<Option<String>> {
        let sponsor_id = sponsor_id.to_owned();
        self.call("last_sim", About::Nothing, move |data| Ok(data.last_sim(&sponsor_id, kind)))
            .await
    }

    async fn free_sims(&self, sponsor_id: &str, kind: SimKind, limit: i64) -> Done<i64> {
        let sponsor_id = sponsor_id.to_owned();
        self.call("free_sims", About::Nothing, move |data| {
            Ok(data.free_sims(&sponsor_id, kind, limit))
        })
        .await
    }

    async fn free_stale_claims(&self, before: Timestamp) -> Done<u64> {
        self.call("free_stale_claims", About::Nothing, move |data| {
            Ok(data.free_stale_claims(before))
        })
        .await
    }

    fn row_revision(&self, _: LinkId) -> Option<u64> {
        self.data().row_revision
    }

    async fn link(&self, org: OrgId, id: LinkId) -> Done<Option<Link>> {
        self.call("link", About::Link(id), move |data| {
            Ok(data.links.get(&id).filter(|(owner, _)| *owner == org).map(|(_, link)| link.clone()))
        })
        .await
    }

    async fn link_by_iccid(&self, org: OrgId, iccid: &str) -> Done<Option<Link>> {
        let iccid = iccid.to_owned();
        self.call("link_by_iccid", About::Nothing, move |data| {
            let mut links = data.links.values();
            let found = links.find(|(owner, link)| *owner == org && link.iccid == iccid);
            Ok(found.map(|(_, link)| link.clone()))
        })
        .await
    }

    async fn link_snapshot(
        &self,
        org: OrgId,
        id: LinkId,
        now: Timestamp,
    ) -> Done<Option<LinkSnapshot>> {
        self.call("link_snapshot", About::Link(id), move |data| {
            let mut snapshot = data.snapshot(org, id);
            if let Some(snapshot) = &mut snapshot {
                snapshot.age(now);
            }
            Ok(snapshot)
        })
        .await
    }

    async fn expire_activations(&self, now: Timestamp, limit: i64) -> Done<u64> {
        self.call("expire_activations", About::Nothing, move |data| Ok(data.expire(now, limit)))
            .await
    }

    async fn activation(
        &self,
        org: OrgId,
        link: LinkId,
        id: ActivationId,
    ) -> Done<Option<Activation>> {
        self.call("activation", About::Link(link), move |data| {
            let found = data.activations.get(&id).filter(|(owner, _)| *owner == org);
            Ok(found.map(|(_, a)| a.clone()).filter(|activation| activation.link_id == link))
        })
        .await
    }

    async fn record_usage(&self, _: OrgId, link: LinkId, reading: UsageReading) -> Done<()> {
        self.call("record_usage", About::Link(link), move |data| {
            data.record_usage(link, reading.clone());
            Ok(())
        })
        .await
    }

    async fn record_connectivity(
        &self,
        _: OrgId,
        link: LinkId,
        reading: ConnectivityReading,
    ) -> Done<()> {
        self.call("record_connectivity", About::Link(link), move |data| {
            data.whereabouts.insert(link, reading.clone());
            Ok(())
        })
        .await
    }

    async fn last_connectivity(&self, _: OrgId, link: LinkId) -> Done<Option<ConnectivityReading>> {
        self.call("last_connectivity", About::Link(link), move |data| {
            Ok(data.whereabouts.get(&link).cloned())
        })
        .await
    }

    async fn plan(&self, id: PlanId) -> Done<Option<Plan>> {
        self.call("plan", About::Nothing, move |data| Ok(data.plans.get(&id).cloned())).await
    }

    async fn sms(&self, org: OrgId, id: OperationId) -> Done<Option<Sms>> {
        self.call("sms", About::Operation(id), move |data| {
            let found = data.sms.get(&id).filter(|(owner, _)| *owner == org);
            Ok(found.map(|(_, sms)| sms.clone()))
        })
        .await
    }

    async fn sms_handed_over(
        &self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        report: SmsReport,
        due_at: Option<Timestamp>,
        at: Timestamp,
    ) -> Done<bool> {
        self.call("sms_handed_over", About::Operation(id), move |data| {
            Ok(data.sms_handed_over(org, id, epoch, report.clone(), due_at, at))
        })
        .await
    }

    async fn sms_ended(
        &self,
        _: OrgId,
        id: OperationId,
        status: SmsStatus,
        at: Timestamp,
    ) -> Done<()> {
        self.call("sms_ended", About::Operation(id), move |data| {
            data.sms_ended(id, status, at);
            Ok(())
        })
        .await
    }

    async fn debit_of(
        &self,
        org: OrgId,
        operation: OperationId,
    ) -> Done<Option<(EntryId, LedgerEntry)>> {
        self.call("debit_of", About::Operation(operation), move |data| {
            let ledger = &data.wallets[&org].ledger;
            let debit =
                ledger.iter().find(|e| e.operation_id == Some(operation) && e.refund_of.is_none());
            Ok(debit.map(|entry| (entry.id, entry.clone())))
        })
        .await
    }
}

impl MemoryStore {
    fn is_late(&self) -> bool {
        matches!(self.script.last_fault(), Some(Fault::UnknownLate))
    }
}

fn commands(batch: &Batch) -> About {
    let mut commands = Vec::new();
    for item in &batch.items {
        commands.extend(item.opened.iter().map(|operation| ("open", operation.id)));
        commands.extend(item.closed.iter().map(|closing| {
            let what = match closing.state {
                OperationState::Pending => "keep",
                OperationState::Succeeded => "settle",
                OperationState::Refunded => "refund",
                OperationState::Rejected => "reject",
            };
            (what, closing.operation_id)
        }));
    }
    About::Commands(commands)
}

fn suspended(suspensions: &[Suspending]) -> About {
    About::Commands(suspensions.iter().map(|one| ("suspend", one.operation.id)).collect())
}
