//! The card of a new Link: a free eSIM of the pool, or the physical card that the partner names.

use crate::gateway::{NotAdmitted, SimPoolError};
use crate::model::{Operation, OperationId, OperationState, Plan, RequestKey};
use crate::operation::{Caller, OperationError, Services, left};
use crate::ports::{CallError, SimCard, StockClaim};
use std::time::Duration;

/// Pause before looking again what became of another attempt's claim: its debit follows in
/// milliseconds.
const RIVAL_PAUSE: Duration = Duration::from_millis(20);

/// Claims the card for an operation, and for no other.
pub(super) async fn claim(
    services: &Services,
    caller: &Caller,
    iccid: Option<&str>,
    plan: &Plan,
    operation: OperationId,
) -> Result<SimCard, OperationError> {
    let (sponsor, patience) = (plan.sponsor.id.as_str(), services.limits.patience);
    let Some(iccid) = iccid else {
        return services.sims.claim(sponsor, operation, patience).await.map_err(no_sim);
    };
    let until = services.clock.elapsed() + patience;
    loop {
        let claim = services.sims.claim_stock(caller.org, iccid, sponsor, operation).await?;
        let rival = match claim {
            StockClaim::Claimed(sim) => return Ok(sim),
            StockClaim::NotInStock => return Err(OperationError::NoSim),
            StockClaim::OtherSponsor => return Err(OperationError::OtherSponsor),
            StockClaim::InUse(rival) => rival,
        };
        let Some(rival) = rival else { return Err(OperationError::SimInUse) };
        match services.store.operation(caller.org, rival).await? {
            Some(attempt) if is_under_key(&attempt, caller.key.as_ref()) => {
                return Err(OperationError::KeyTaken);
            }
            Some(_) => return Err(OperationError::SimInUse),
            // Claimed and not recorded yet: it may be the same call, sent twice.
            None if left(until, services.clock.elapsed()) > RIVAL_PAUSE => {
                tokio::time::sleep(RIVAL_PAUSE).await;
            }
            // Its process may have ended in between: then the claim ends by itself.
            None => return Err(OperationError::SimHeld),
        }
    }
}

/// Whether an attempt is what a key stands for.
fn is_under_key(attempt: &Operation, key: Option<&RequestKey>) -> bool {
    matches!(attempt.state, OperationState::Pending | OperationState::Succeeded)
        && key.is_some_and(|key| attempt.key.as_ref().is_some_and(|held| held.key == key.key))
}

fn no_sim(error: SimPoolError) -> OperationError {
    match error {
        SimPoolError::Store(error) => error.into(),
        SimPoolError::NotAdmitted(error) => error.into(),
        SimPoolError::Empty => {
            tracing::error!("the operator has no free card left");
            NotAdmitted::NoRoom.into()
        }
        SimPoolError::Operator(error) => {
            tracing::warn!(?error, "the operator's free cards could not be listed");
            match error {
                CallError::Unauthorized => NotAdmitted::CredentialsRefused.into(),
                _ => NotAdmitted::NoRoom.into(),
            }
        }
    }
}
