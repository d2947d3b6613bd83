//! Changes whose runner is gone: on to the wanted value. One that was charged, a reactivation, is
//! refunded where that is not reached by its horizon.

use super::{CALL_TIMEOUT, PATIENCE, Resolver};
use crate::model::{Answer, Failure, NameChange, Operation, OperationState, Request, Timestamp};
use crate::operation::OperationError;
use crate::operation::change::{self, Driven, Earlier, Wanted};
use crate::ports::LinkChange;
use std::num::NonZeroU32;

impl Resolver {
    /// A change whose runner is gone: on to the wanted value.
    pub(super) async fn carry_on(&self, operation: Operation) -> Result<(), OperationError> {
        let services = &*self.services;
        let until = services.clock.elapsed() + CALL_TIMEOUT;
        // What the runner has sent may land until then.
        let may_land = services.clock.now() < operation.horizon_at;
        let earlier = if may_land { Earlier::MayLand } else { Earlier::Landed };
        if let Request::UpdateLink { status: None, name, .. } = &operation.request {
            return self.renamed(&operation, name).await;
        }
        let Ok(mut permit) = services.gateway.admit(NonZeroU32::MIN, PATIENCE).await else {
            return self.not_driven(operation).await;
        };
        let (org, link) = (operation.org_id, operation.link_id);
        let ended = match &operation.request {
            Request::UpdateLink { endpoint_id, status: Some(status), name, .. } => {
                let wanted = Wanted::Status(endpoint_id, *status);
                let driven = change::drive(services, &mut permit, wanted, until, earlier).await;
                let change = LinkChange::Update { status: Some(*status), name: name.clone() };
                self.ended(&operation, driven, change, true).await
            }
            Request::RemovePlans { endpoint_id, items } => {
                let mut ended = Ok(true);
                for (place, (activation, instance)) in items.iter().enumerate() {
                    let until = services.clock.elapsed() + CALL_TIMEOUT;
                    let wanted = Wanted::PlanGone(endpoint_id, instance);
                    let driven = change::drive(services, &mut permit, wanted, until, earlier).await;
                    let change = LinkChange::Cancel(*activation);
                    let last = place + 1 == items.len();
                    ended = self.ended(&operation, driven, change, last).await;
                    if !matches!(ended, Ok(true)) {
                        break;
                    }
                }
                ended
            }
            Request::CreateLink { .. }
            | Request::Topup { .. }
            | Request::SendSms { .. }
            | Request::UpdateLink { status: None, .. } => Ok(true),
        };
        drop(permit);
        services.links.changed(org, link).await;
        services.links.usage_changed(org, link).await;
        match ended {
            Ok(true) => Ok(()),
            Ok(false) => self.not_driven(operation).await,
            Err(error) => Err(error),
        }
    }

    /// A new name: the operator has no part in it, and may be away.
    async fn renamed(
        &self,
        operation: &Operation,
        name: &NameChange,
    ) -> Result<(), OperationError> {
        let change = LinkChange::Update { status: None, name: name.clone() };
        self.ended(operation, Driven::Done { in_doubt: false }, change, true).await?;
        self.services.links.changed(operation.org_id, operation.link_id).await;
        Ok(())
    }

    /// A change that the operator was not driven to yet: once more later; but what was charged is
    /// given back at its horizon, and what may land of it all the same is undone.
    async fn not_driven(&self, operation: Operation) -> Result<(), OperationError> {
        let is_charged = operation.debit_id.is_some();
        if is_charged && self.services.clock.now() >= operation.horizon_at {
            return self.refund(vec![operation]).await;
        }
        self.later_or_manual(&operation).await
    }

    /// Stores how driving ended; whether the operation may go on.
    pub(super) async fn ended(
        &self,
        operation: &Operation,
        driven: Driven,
        change: LinkChange,
        last: bool,
    ) -> Result<bool, OperationError> {
        let services = &*self.services;
        let is_status = matches!(&operation.request, Request::UpdateLink { status: Some(_), .. });
        // Only what nobody has sent anything for before is sure to be over with this attempt.
        let is_first = operation.attempts == 1 && operation.deadline_at <= operation.created_at;
        let in_doubt = !is_first || driven != Driven::Done { in_doubt: false };
        let look_again_at = (is_status && in_doubt).then(|| change::landed_by(services, operation));
        let now = services.clock.now();
        match driven {
            Driven::Done { .. } => {
                let state = if last { OperationState::Succeeded } else { OperationState::Pending };
                let (answer, end) = (self.answer(operation, last, now).await?, (state, None));
                change::close(services, operation, end, answer, change, look_again_at, now).await?;
                Ok(true)
            }
            Driven::Refused(failure @ Failure::ProviderError) if operation.debit_id.is_none() => {
                let (end, none) = ((OperationState::Rejected, Some(failure)), LinkChange::None);
                change::close(services, operation, end, None, none, look_again_at, now).await?;
                Ok(true)
            }
            Driven::Refused(_) | Driven::Open(_) => Ok(false),
        }
    }

    /// What a repetition under the operation's key is told of its end at `now`, as far as it can
    /// still be known.
    pub(super) async fn answer(
        &self,
        operation: &Operation,
        last: bool,
        now: Timestamp,
    ) -> Result<Option<Box<Answer>>, OperationError> {
        if operation.key.is_none() || !last {
            return Ok(None);
        }
        let services = &*self.services;
        let (org, link) = (operation.org_id, operation.link_id);
        let Some(snapshot) = services.store.link_snapshot(org, link, now).await? else {
            return Ok(None);
        };
        Ok(match &operation.request {
            Request::UpdateLink { status, name, .. } => {
                Some(Box::new(change::updated(services, snapshot, *status, name, now)))
            }
            Request::RemovePlans { items, .. } => {
                let mut removed = Vec::with_capacity(items.len());
                for (id, _) in items {
                    if let Some(mut gone) = services.store.activation(org, link, *id).await? {
                        gone.status = crate::model::ActivationStatus::Cancelled;
                        removed.push(gone);
                    }
                }
                let currency = services.store.currency(org).await?;
                currency.map(|currency| {
                    Box::new(Answer::PlansChanged {
                        link_id: link,
                        iccid: snapshot.link.iccid,
                        added: Vec::new(),
                        removed,
                        amount: crate::model::Money::ZERO,
                        currency,
                    })
                })
            }
            Request::CreateLink { .. } | Request::Topup { .. } | Request::SendSms { .. } => None,
        })
    }
}
