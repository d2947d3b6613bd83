//! Reactivations that were refunded: where one takes effect all the same, its Link is suspended
//! again, unless a later one was paid.

use super::{Resolver, watch_until};
use crate::model::{Cleanup, LinkStatus, Operation, Request};
use crate::operation::OperationError;
use crate::operation::step::{self, Seen, Tidy};
use crate::ports::{EndpointStatus, Suspension, SuspensionOutcome};

impl Resolver {
    /// A refunded reactivation that is watched. It may have been sent more than once, so that it
    /// is over only once the Link is seen suspended past all that may still land.
    pub(super) async fn suspend_again(&self, operation: Operation) -> Result<(), OperationError> {
        let services = &*self.services;
        // Before the look: only what was read at or past `watch_until` proves absence.
        let now = services.clock.now();
        let Request::UpdateLink { endpoint_id, .. } = &operation.request else { return Ok(()) };
        let seen = self.look_at_status(&operation, endpoint_id).await?;
        let watch_until = watch_until(&operation, services.limits.horizon);
        let give_up_at = watch_until + services.limits.give_up;
        match step::tidy(seen, now, watch_until, give_up_at) {
            Tidy::Undo => {
                self.suspend(&operation, endpoint_id).await?;
                self.again(&operation, Cleanup::Watching, Some(watch_until)).await
            }
            Tidy::Wait => self.again(&operation, Cleanup::Watching, Some(watch_until)).await,
            Tidy::Done => self.again(&operation, Cleanup::Done, None).await,
            Tidy::Manual => {
                tracing::error!(operation = %operation.id, "a person has to look at it");
                self.again(&operation, Cleanup::Manual, None).await
            }
        }
    }

    /// Whether the Link is active at the operator while it is not with us. One that is active with
    /// us was reactivated by a later attempt, and paid.
    async fn look_at_status(
        &self,
        operation: &Operation,
        endpoint_id: &str,
    ) -> Result<Seen, OperationError> {
        let link = self.services.store.link(operation.org_id, operation.link_id).await?;
        if link.is_none_or(|link| link.status != LinkStatus::Suspended) {
            return Ok(Seen::Absent);
        }
        Ok(match self.status_at_operator(endpoint_id).await {
            Ok(Some(EndpointStatus::Active)) => Seen::Found,
            Ok(_) => Seen::Absent,
            Err(_) => Seen::Unreadable,
        })
    }

    /// Has the Link suspended by an operation of its own, which keeps every other change of it out
    /// until it is; unless it was reactivated meanwhile. Where another change runs, that one ends
    /// first.
    async fn suspend(&self, refunded: &Operation, endpoint_id: &str) -> Result<(), OperationError> {
        if self.correct(refunded, endpoint_id, Suspension::Off).await? == SuspensionOutcome::Opened
        {
            tracing::info!(operation = %refunded.id, "what landed after a refund is undone");
        }
        Ok(())
    }
}
