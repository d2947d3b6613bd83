//! Refunded operations of which the operator may still hold something: what landed is undone.

use super::{CALL_TIMEOUT, PATIENCE, Resolver, watch_until};
use crate::model::{Cleanup, Operation, Timestamp};
use crate::operation::OperationError;
use crate::operation::operator_calls::{self, Landed};
use crate::operation::step::{self, Seen, Tidy};
use crate::ports::CallError;
use std::num::NonZeroU32;

impl Resolver {
    /// A refunded operation that is watched: what landed is undone.
    pub(super) async fn tidy(&self, operation: Operation) -> Result<(), OperationError> {
        let services = &*self.services;
        // Before the look: only what was read at or past `watch_until` proves absence.
        let now = services.clock.now();
        let (seen, landed) = self.look(&operation).await;
        // What landed is undone whether or not it is whole.
        let seen = if landed.is_some() { Seen::Found } else { seen };
        let watch_until = watch_until(&operation, services.limits.horizon);
        let give_up_at = watch_until + services.limits.give_up;
        match (step::tidy(seen, now, watch_until, give_up_at), landed) {
            (Tidy::Undo, Some(landed)) => self.undo(&operation, &landed, watch_until).await,
            (Tidy::Done, _) => self.again(&operation, Cleanup::Done, None).await,
            (Tidy::Manual, _) => {
                tracing::error!(operation = %operation.id, "a person has to look at it");
                self.again(&operation, Cleanup::Manual, None).await
            }
            (Tidy::Undo | Tidy::Wait, _) => {
                self.again(&operation, Cleanup::Watching, Some(watch_until)).await
            }
        }
    }

    pub(super) async fn undo(
        &self,
        operation: &Operation,
        landed: &Landed,
        watch_until: Timestamp,
    ) -> Result<(), OperationError> {
        let services = &*self.services;
        // A full lease for what is sent now, and none if another instance has taken over.
        let lease = services.clock.now() + services.limits.lease;
        let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
        let (store, watching) = (&services.store, Cleanup::Watching);
        if !store.reschedule(org, id, epoch, watching, Some(lease)).await? {
            return Ok(());
        }
        let admitted = services.gateway.admit(NonZeroU32::MIN, PATIENCE).await;
        let undone = match admitted {
            Ok(mut permit) => {
                operator_calls::undo(&mut permit, operation, landed, CALL_TIMEOUT).await
            }
            Err(_) => Err(CallError::Unreachable),
        };
        match undone {
            Ok(()) => {
                tracing::info!(operation = %id, "what landed after a refund is undone");
                self.again(operation, Cleanup::Done, None).await
            }
            Err(error) => {
                tracing::warn!(operation = %id, ?error, "what landed is not undone yet");
                self.again(operation, Cleanup::Watching, Some(watch_until)).await
            }
        }
    }
}
