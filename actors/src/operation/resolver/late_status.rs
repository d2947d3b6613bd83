//! Status changes that have ended while something that was sent for them could still take effect: an
//! attempt of which nothing was known. Once it cannot any more the Link is looked at, and where it
//! has another status at the operator than with us it is driven back.

use super::{CALL_TIMEOUT, PATIENCE, Resolver};
use crate::model::{LinkStatus, Operation, Request};
use crate::operation::OperationError;
use crate::operation::change::suspending;
use crate::ports::{CallError, EndpointStatus, Suspension, SuspensionOutcome};
use std::num::NonZeroU32;

impl Resolver {
    /// A status change that has ended, with its Link to be looked at once more.
    pub(super) async fn look_after_status(
        &self,
        operation: Operation,
    ) -> Result<(), OperationError> {
        let services = &*self.services;
        let Request::UpdateLink { endpoint_id, .. } = &operation.request else { return Ok(()) };
        let link = services.store.link(operation.org_id, operation.link_id).await?;
        let wanted = link.map_or(LinkStatus::Inactive, |link| link.status);
        let because = match (wanted, self.status_at_operator(endpoint_id).await) {
            (LinkStatus::Suspended, Ok(Some(EndpointStatus::Active))) => Suspension::Off,
            (LinkStatus::Active, Ok(Some(EndpointStatus::Suspended))) => Suspension::Undone,
            (LinkStatus::Inactive, _) | (_, Ok(_)) => {
                return self.again(&operation, operation.cleanup, None).await;
            }
            (_, Err(_)) => return self.look_later(&operation).await,
        };
        match self.correct(&operation, endpoint_id, because).await? {
            SuspensionOutcome::Opened => {
                tracing::info!(operation = %operation.id, ?because, "a late status is undone");
                self.again(&operation, operation.cleanup, None).await
            }
            // Something else has changed the Link, or does so now.
            SuspensionOutcome::LinkBusy
            | SuspensionOutcome::Unfounded
            | SuspensionOutcome::Covered => self.look_later(&operation).await,
        }
    }

    /// Looks again, but not for ever.
    async fn look_later(&self, operation: &Operation) -> Result<(), OperationError> {
        let now = self.services.clock.now();
        let give_up_at = operation.horizon_at + self.services.limits.give_up;
        let by = (now < give_up_at).then_some(now);
        self.again(operation, operation.cleanup, by).await
    }

    /// The status of an endpoint; none where the operator knows no such endpoint.
    pub(super) async fn status_at_operator(
        &self,
        endpoint_id: &str,
    ) -> Result<Option<EndpointStatus>, CallError> {
        let admitted = self.services.gateway.admit(NonZeroU32::MIN, PATIENCE).await;
        let mut permit = admitted.map_err(|_| CallError::Unreachable)?;
        let read = permit.call(CALL_TIMEOUT, |operator, token, timeout| async move {
            operator.endpoint(&token, endpoint_id, timeout).await
        });
        Ok(read.await?.map(|endpoint| endpoint.status))
    }

    /// Has a Link brought to the status that it has with us, by an operation of its own, which
    /// keeps every other change of it out until it is; unless it has another one by now. Where
    /// another change runs, that one ends first.
    pub(super) async fn correct(
        &self,
        operation: &Operation,
        endpoint_id: &str,
        because: Suspension,
    ) -> Result<SuspensionOutcome, OperationError> {
        let services = &*self.services;
        let (org, now) = (operation.org_id, services.clock.now());
        let (link, due) = ((org, operation.link_id), (now, services.limits.horizon));
        let suspending = suspending(&*services.ids, link, endpoint_id, because, now, due);
        let opened = services.store.open_suspensions(org, vec![suspending]).await?;
        services.resolver.wake();
        Ok(opened.first().copied().unwrap_or(SuspensionOutcome::Unfounded))
    }
}
