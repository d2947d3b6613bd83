//! The ends of operations that charge nothing, brought into the database again and again while it
//! is away. Called by the runners of this folder and by the resolver.

use crate::model::{ActivationId, Answer, Cleanup, Failure, Operation, OperationState, Timestamp};
use crate::operation::{METRICS, OperationError, Services, left};
use crate::ports::{Closing, LinkChange, StoreError};
use std::time::Duration;

/// Pause before an end that the database could not take is stored again.
pub(super) const STORE_PAUSE: Duration = Duration::from_millis(100);

/// Stores a change that the operator has made, as made at `now`. The last one brings the answer and
/// ends the operation; it stays pending behind the others.
pub(super) async fn advance(
    services: &Services,
    operation: &Operation,
    answer: Option<&Answer>,
    change: LinkChange,
    look_again_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), OperationError> {
    let state = match answer {
        Some(_) => OperationState::Succeeded,
        None => OperationState::Pending,
    };
    let answer = answer.filter(|_| operation.key.is_some()).cloned().map(Box::new);
    close(services, operation, (state, None), answer, change, look_again_at, now).await
}

/// When nothing that was sent for a change until now can take effect any more.
pub(in crate::operation) fn landed_by(services: &Services, operation: &Operation) -> Timestamp {
    operation.horizon_at.max(services.clock.now() + services.limits.horizon)
}

/// Writes a change, as made at `now`, and with a final state the end of an operation, under its
/// epoch. After that the resolver looks at it again only where it is said when.
pub(in crate::operation) async fn close(
    services: &Services,
    operation: &Operation,
    (state, failure): (OperationState, Option<Failure>),
    answer: Option<Box<Answer>>,
    change: LinkChange,
    look_again_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), OperationError> {
    let pending = state == OperationState::Pending;
    // The runner's lease; or the resolver's, which begins when that one is over.
    let lease = (operation.deadline_at + services.limits.commit_margin)
        .max(services.clock.now() + services.limits.lease);
    let closing = Closing {
        operation_id: operation.id,
        epoch: operation.epoch,
        state,
        failure,
        cleanup: Cleanup::None,
        lease_until: if pending { Some(lease) } else { look_again_at },
        answer,
    };
    let (org, link) = (operation.org_id, operation.link_id);
    let (mut lost, until) = (false, services.clock.elapsed() + services.limits.commit_margin);
    loop {
        let (closing, change) = (closing.clone(), change.clone());
        match services.store.close_operation(org, link, closing, change, now).await {
            Ok(true) => {
                METRICS.ended_as(operation.kind, state);
                return Ok(());
            }
            Ok(false) if lost && !pending => return ended_as(services, operation, state).await,
            // Taken over: who did so brings it to its end.
            Ok(false) => return Err(OperationError::Unsettled),
            Err(error) => {
                tracing::error!(operation = %operation.id, %error, "an end is not stored yet");
                lost |= matches!(error, StoreError::Unknown(_));
                let is_hopeless = matches!(error, StoreError::Broken(_));
                if is_hopeless || left(until, services.clock.elapsed()) <= STORE_PAUSE {
                    return Err(OperationError::Unsettled);
                }
                tokio::time::sleep(STORE_PAUSE).await;
            }
        }
    }
}

/// Whether an operation, of whose end an answer was lost, has ended as it was to: by ourselves; or by
/// who took it over, and then its key repeats what that one has stored.
async fn ended_as(
    services: &Services,
    operation: &Operation,
    state: OperationState,
) -> Result<(), OperationError> {
    let stored = services.store.operation(operation.org_id, operation.id).await;
    let Ok(Some(stored)) = stored else { return Err(OperationError::Unsettled) };
    let by_ourselves = stored.epoch == operation.epoch;
    match stored.state {
        ended if ended != state => Err(OperationError::Unsettled),
        _ if by_ourselves => {
            METRICS.ended_as(operation.kind, state);
            Ok(())
        }
        OperationState::Succeeded if operation.key.is_some() => Err(OperationError::KeyTaken),
        _ => Ok(()),
    }
}

pub(super) async fn reject(
    services: &Services,
    operation: &Operation,
    failure: Failure,
    removed: Vec<ActivationId>,
) -> Result<Answer, OperationError> {
    let (end, now) = ((OperationState::Rejected, Some(failure)), services.clock.now());
    close(services, operation, end, None, LinkChange::None, None, now).await?;
    Err(OperationError::Failed { failure, removed })
}

/// What is still open goes on with the resolver, at once; the caller is told that it is not done.
/// Where it is: who took it over has ended it, while this process stood still.
pub(super) async fn leave_open(
    services: &Services,
    operation: &Operation,
    removed: Vec<ActivationId>,
) -> Result<Answer, OperationError> {
    let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
    let now = Some(services.clock.now());
    match services.store.reschedule(org, id, epoch, Cleanup::None, now).await {
        Ok(true) => services.resolver.wake(),
        Ok(false) => match services.store.operation(org, id).await {
            Ok(Some(o)) if o.state != OperationState::Succeeded => {}
            // Its key repeats what is stored.
            Ok(Some(_)) if operation.key.is_some() => return Err(OperationError::KeyTaken),
            Ok(_) | Err(_) => return Err(OperationError::Unsettled),
        },
        // The resolver comes by itself when the lease is over.
        Err(error) => tracing::warn!(operation = %id, %error, "an operation is left to its lease"),
    }
    Err(OperationError::Failed { failure: Failure::ProviderError, removed })
}
