//! Operations: recording, leases and epochs, ends that charge nothing.

use super::{Data, StoredOperation};
use bappy_actors::model::{
    ActivationStatus, Cleanup, LinkId, LinkStatus, Operation, OperationId, OperationKind,
    OperationState, OrgId, Request, Timestamp,
};
use bappy_actors::ports::{Claimed, Closing, Due, LinkChange, OpenOutcome};

pub fn is_exclusive(operation: &Operation) -> bool {
    matches!(operation.kind, OperationKind::RemovePlan | OperationKind::UpdateLink)
}

impl Data {
    /// The change of a Link that is under way.
    pub fn change_of(&self, org: OrgId, link: LinkId) -> Option<&Operation> {
        self.operations.values().map(|stored| &stored.operation).find(|other| {
            (other.org_id, other.link_id) == (org, link)
                && other.state == OperationState::Pending
                && is_exclusive(other)
        })
    }

    pub fn open(&mut self, operation: Operation, lease_until: Timestamp) -> OpenOutcome {
        if self.key_holder(operation.org_id, &operation) {
            return OpenOutcome::KeyTaken;
        }
        if self.change_of(operation.org_id, operation.link_id).is_some() {
            return OpenOutcome::LinkBusy;
        }
        if self.is_unpaid(&operation) {
            return OpenOutcome::FeeDue;
        }
        let stored = StoredOperation { operation, lease_until: Some(lease_until), answer: None };
        self.operations.insert(stored.operation.id, stored);
        OpenOutcome::Opened
    }

    pub fn close_uncharged(
        &mut self,
        org: OrgId,
        link: LinkId,
        closing: &Closing,
        change: &LinkChange,
        at: Timestamp,
    ) -> bool {
        if !self.is_held(org, closing) {
            return false;
        }
        match change {
            LinkChange::None => {}
            LinkChange::Update { status, name } => {
                let (_, link) = self.links.get_mut(&link).unwrap();
                // One that was terminated stays so.
                if link.status != LinkStatus::Inactive {
                    link.status = status.unwrap_or(link.status);
                }
                link.name = name.apply(link.name.take());
                link.updated_at = at;
            }
            LinkChange::Cancel(id) => {
                self.activations.get_mut(id).unwrap().1.status = ActivationStatus::Cancelled;
                self.sum_up(link);
            }
        }
        self.close(closing.clone(), at);
        true
    }

    fn held(&mut self, org: OrgId, id: OperationId, epoch: i64) -> Option<&mut StoredOperation> {
        self.operations
            .get_mut(&id)
            .filter(|stored| stored.operation.org_id == org && stored.operation.epoch == epoch)
    }

    pub fn rewrite(&mut self, org: OrgId, id: OperationId, epoch: i64, request: &Request) -> bool {
        match self.held(org, id, epoch) {
            Some(stored) if stored.operation.state == OperationState::Pending => {
                stored.operation.request = request.clone();
                true
            }
            _ => false,
        }
    }

    pub fn reschedule(
        &mut self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        cleanup: Cleanup,
        due_at: Option<Timestamp>,
    ) -> bool {
        let Some(stored) = self.held(org, id, epoch) else { return false };
        let operation = &stored.operation;
        // Whoever puts a pending one off may not know yet that its refund went through.
        if cleanup == Cleanup::None
            && operation.state != OperationState::Pending
            && operation.cleanup != Cleanup::None
        {
            return false;
        }
        stored.operation.cleanup = cleanup;
        stored.lease_until = due_at;
        if cleanup == Cleanup::Done {
            self.end_claims(id);
        }
        true
    }

    pub fn claim_due(
        &mut self,
        which: Due,
        now: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Vec<Claimed> {
        let wanted = |operation: &Operation| match (operation.kind, operation.state) {
            (OperationKind::SendSms, OperationState::Pending) => which == Due::SmsToSend,
            (OperationKind::SendSms, _) => which == Due::SmsUnderWay,
            _ => which == Due::Operations,
        };
        let mut due: Vec<_> = self
            .operations
            .values()
            .filter(|stored| wanted(&stored.operation))
            .filter_map(|stored| Some((stored.lease_until?, stored.operation.id)))
            .filter(|(at, _)| *at <= now)
            .collect();
        due.sort_unstable();
        due.truncate(usize::try_from(limit).unwrap());
        due.into_iter().map(|(_, id)| self.take_over(id, until)).collect()
    }

    pub fn claim_one(&mut self, org: OrgId, id: OperationId, until: Timestamp) -> Option<Claimed> {
        let operation = &self.operations.get(&id)?.operation;
        let open = operation.state == OperationState::Pending
            || matches!(operation.cleanup, Cleanup::Watching | Cleanup::Manual);
        (operation.org_id == org && open).then(|| self.take_over(id, until))
    }

    fn take_over(&mut self, id: OperationId, until: Timestamp) -> Claimed {
        let stored = self.operations.get_mut(&id).unwrap();
        let due_at = stored.lease_until.unwrap_or(stored.operation.created_at);
        self.claims += 1;
        stored.operation.epoch += 1;
        stored.operation.attempts += 1;
        stored.lease_until = Some(until);
        Claimed { operation: stored.operation.clone(), due_at }
    }

    pub fn group(&self, org: OrgId, group: OperationId) -> Vec<Operation> {
        let mut group: Vec<_> = self
            .operations
            .values()
            .map(|stored| &stored.operation)
            .filter(|operation| operation.org_id == org && operation.group_id == group)
            .cloned()
            .collect();
        group.sort_by_key(|operation| operation.position);
        group
    }
}
