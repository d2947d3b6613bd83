//! Claims of the pool's cards: those that come while one is written are written together, in one
//! transaction. Each by itself would wait for the disk, and on SQLite all that is written behind it.
//!
//! **Invariant:** an answer is given after the commit; a claim whose caller has gone away by its turn is not
//! written.

use super::{Database, DbError, sims};
use bappy_actors::model::{OperationId, SimKind, Timestamp};
use bappy_actors::ports::{SimCard, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Claims in one transaction: some milliseconds.
const CLAIMS_MAX: usize = 64;

type Answer = Result<Option<SimCard>, StoreError>;

/// What is claimed, and for which operation.
#[derive(Clone)]
pub struct Claim {
    pub sponsor_id: String,
    pub kind: SimKind,
    pub operation: OperationId,
    pub at: Timestamp,
}

/// The claims that wait.
#[derive(Default)]
pub struct SimClaims {
    waiting: Mutex<Vec<(Claim, oneshot::Sender<Answer>)>>,
    writing: tokio::sync::Mutex<()>,
}

impl SimClaims {
    /// Claims a free card, if there is one.
    pub async fn claim(self: &Arc<Self>, db: &Database, claim: Claim) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.waiting().push((claim, reply));
        let (claims, db) = (Arc::clone(self), db.clone());
        let runtime = db.runtime().clone();
        drop(runtime.spawn(async move {
            let _one = claims.writing.lock().await;
            claims.write(&db).await;
        }));
        // Without an answer the writing has panicked, or the runtime is gone.
        answer.await.unwrap_or_else(|_| Err(StoreError::Unknown("a claim was cut".to_owned())))
    }

    /// Writes what waits, which may be nothing: who was before has taken it.
    async fn write(&self, db: &Database) {
        let taken: Vec<_> = {
            let mut waiting = self.waiting();
            let upto = waiting.len().min(CLAIMS_MAX);
            waiting.drain(..upto).filter(|(_, reply)| !reply.is_closed()).collect()
        };
        if taken.is_empty() {
            return;
        }
        let (claims, replies): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        let claimed = db.write(move |tx| {
            Box::pin(async move {
                let mut cards = Vec::with_capacity(claims.len());
                for Claim { sponsor_id, kind, operation, at } in &claims {
                    cards.push(sims::claim(tx, sponsor_id, *kind, *operation, *at).await?);
                }
                Ok::<_, DbError>(cards)
            })
        });
        match claimed.await.map_err(StoreError::from) {
            Ok(cards) => {
                for (reply, card) in replies.into_iter().zip(cards) {
                    let _ = reply.send(Ok(card));
                }
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(Claim, oneshot::Sender<Answer>)>> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
