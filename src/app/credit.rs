//! Money that is paid in, and corrections, beside the service.

use super::Parts;
use bappy_actors::model::{Money, OrgId};
use bappy_actors::ports::{CommitOutcome, Store, StoreError};
use bappy_actors::wallet::{Command, Refused, state};

/// Why money was not paid in or corrected.
#[derive(Debug, thiserror::Error)]
pub enum CreditError {
    /// The wallet refuses it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The reference was used for an earlier credit.
    #[error("the reference was used for an earlier credit; nothing was changed")]
    ReferenceTaken,
    /// The database is away, or was lost in between.
    #[error("{0}")]
    Database(#[from] StoreError),
    /// The organization has no wallet.
    #[error("there is no such wallet")]
    NoWallet,
}

/// Pays money in, or corrects a balance, beside whatever holds the wallet; says what is in it then.
pub async fn credit(parts: &Parts, org: OrgId, credit: Command) -> Result<Money, CreditError> {
    loop {
        let wallet = parts.store.wallet(org).await?.ok_or(CreditError::NoWallet)?;
        let decided = state::decide(org, wallet, [&credit], parts.clock.now());
        for verdict in decided.verdicts {
            verdict?;
        }
        let balance = decided.batch.balance;
        match parts.store.commit(decided.batch).await? {
            CommitOutcome::Committed => return Ok(balance),
            // The service, or another command, was faster: decide again on what is there now.
            CommitOutcome::Stale => {}
            CommitOutcome::Guarded(_) => return Err(CreditError::ReferenceTaken),
        }
    }
}
