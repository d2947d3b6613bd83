//! The card of a new Link: a free eSIM of the pool, or the physical card that the partner names.

use crate::gateway::{NotAdmitted, SimPoolError};
use crate::model::{OperationId, OperationState, OrgId, Plan, RequestKey};
use crate::operation::{Caller, OperationError, Services, left};
use crate::ports::{CallError, SimCard, StockClaim, StoreError};
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
        let (Some(key), Some(rival)) = (&caller.key, rival) else {
            return Err(OperationError::SimInUse);
        };
        match is_attempt_of(services, caller.org, key, rival).await? {
            Some(true) => return Err(OperationError::KeyTaken),
            // Claimed and not recorded yet: it may be the same call, sent twice.
            None if left(until, services.clock.elapsed()) > RIVAL_PAUSE => {
                tokio::time::sleep(RIVAL_PAUSE).await;
            }
            Some(false) | None => return Err(OperationError::SimInUse),
        }
    }
}

/// Whether an operation is what a key stands for; none where it is not recorded.
async fn is_attempt_of(
    services: &Services,
    org: OrgId,
    key: &RequestKey,
    operation: OperationId,
) -> Result<Option<bool>, StoreError> {
    let found = services.store.operation(org, operation).await?;
    Ok(found.map(|found| {
        matches!(found.state, OperationState::Pending | OperationState::Succeeded)
            && found.key.is_some_and(|held| held.key == key.key)
    }))
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
