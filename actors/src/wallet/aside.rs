//! Good ends that change neither a balance nor a wallet's counts: committed as each comes, beside
//! the wallet's actor and whatever it commits meanwhile.
//!
//! **Invariant.** An operation ends once: each commit finds it pending under its epoch or writes
//! nothing. So one whose outcome was lost may be sent again and may arrive late, and needs no fence.

use super::{CommandError, METRICS, Settlement, state};
use crate::model::{OperationState, OrgId};
use crate::ports::{Clock, CommitOutcome, Guard, Store, StoreError};
use std::time::Duration;

/// Pauses before a commit is sent again whose outcome was lost.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Commits them, all or nothing. Where an outcome was lost it goes on for as long as its caller
/// waits.
pub(super) async fn settle(
    store: &dyn Store,
    clock: &dyn Clock,
    org: OrgId,
    settlements: &[Settlement],
) -> Result<(), CommandError> {
    let (mut doubtful, mut guarded, mut pause) = (false, None, PAUSE_MIN);
    loop {
        if doubtful {
            match is_settled(store, org, settlements).await {
                Ok(true) => return Ok(()),
                // Looked up behind the answer of a commit that was kept out.
                Ok(false) => {
                    if let Some(guard) = guarded {
                        return Err(CommandError::Guarded(guard));
                    }
                }
                Err(error) => {
                    tracing::warn!(%org, %error, "a settlement waits for the database");
                    later(&mut pause).await;
                    continue;
                }
            }
        }
        let batch = state::settle(org, settlements, clock.now());
        let begun_at = clock.elapsed();
        let committed = store.commit(batch).await;
        METRICS.commit_seconds.record(clock.elapsed().saturating_sub(begun_at));
        match committed {
            Ok(CommitOutcome::Committed) => return Ok(()),
            Ok(CommitOutcome::Guarded(guards)) => {
                let guard = guards.first().map_or(Guard::EpochLost, |(_, guard)| *guard);
                if !doubtful {
                    return Err(CommandError::Guarded(guard));
                }
                guarded = Some(guard);
                continue;
            }
            // What stood in the way has gone.
            Ok(CommitOutcome::Stale) => METRICS.conflicts.increment(1),
            Err(StoreError::Unknown(why)) => {
                tracing::warn!(%org, why, "the outcome of a settlement was lost");
                doubtful = true;
            }
            Err(StoreError::Unavailable(why)) if doubtful => {
                tracing::warn!(%org, why, "a settlement waits for the database");
            }
            Err(StoreError::Unavailable(why)) => return Err(CommandError::Unavailable(why)),
            Err(error @ StoreError::Broken(_)) => {
                tracing::error!(%org, %error, "a settlement was refused");
                return Err(CommandError::Unavailable(error.to_string()));
            }
        }
        later(&mut pause).await;
    }
}

async fn later(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(PAUSE_MAX);
}

/// Whether an earlier commit of theirs took effect: what has ended under another epoch is somebody
/// else's doing.
async fn is_settled(
    store: &dyn Store,
    org: OrgId,
    settlements: &[Settlement],
) -> Result<bool, StoreError> {
    let Some(first) = settlements.first() else { return Ok(false) };
    let operation = store.operation(org, first.operation_id).await?;
    Ok(operation.is_some_and(|operation| {
        operation.state == OperationState::Succeeded && operation.epoch == first.epoch
    }))
}
