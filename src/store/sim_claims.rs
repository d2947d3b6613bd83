//! Claims of the pool's cards: those that come while others are written are the next to be written, in one
//! transaction. Each by itself would wait for the disk, and hold up SQLite's one writer for as long.
//!
//! **Invariants:** an answer is given after the commit; a claim whose caller has gone away by its turn is not
//! written; while the database cannot be had, nobody waits for another's turn at it.

use super::Database;
use super::sims::{self, Claim};
use bappy_actors::ports::{SimCard, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Claims in one transaction: some milliseconds.
const CLAIMS_MAX: usize = 64;

type Answer = Result<Option<SimCard>, StoreError>;

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
        // Without an answer the writing has panicked.
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
        let claimed = db.write(move |tx| Box::pin(async move { sims::claim(tx, &claims).await }));
        match claimed.await.map_err(StoreError::from) {
            Ok(cards) => {
                for (reply, card) in replies.into_iter().zip(cards) {
                    let _ = reply.send(Ok(card));
                }
            }
            Err(error) => {
                let others = match error {
                    StoreError::Unavailable(_) => std::mem::take(&mut *self.waiting()),
                    _ => Vec::new(),
                };
                let others = others.into_iter().map(|(_, reply)| reply);
                for reply in replies.into_iter().chain(others) {
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
