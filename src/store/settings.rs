//! When what requests look up again and again last changed: organizations, their clients, plans and
//! what they cost.
//!
//! The database counts each change, whoever makes it. What was looked up is remembered under the
//! count that was known before, and is not found any more once the count is another.
//!
//! **Invariant.** A count that was known was asked for at most [`KNOWN_FOR`] ago.

use super::{Database, DbError};
use bappy_actors::ports::StoreError;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// What a command changes shows within a second: in this, and the time that the reads take.
const KNOWN_FOR: Duration = Duration::from_millis(500);

/// The count, remembered.
pub struct Settings {
    database: Database,
    remembered: Arc<Remembered>,
}

#[derive(Default)]
struct Remembered {
    known: RwLock<Known>,
    under_way: Mutex<Option<Read>>,
}

/// A read that all who ask meanwhile wait for.
type Read = Shared<BoxFuture<'static, Result<i64, StoreError>>>;

/// The count, and when it was asked for; none before the first time.
type Known = Option<(i64, Instant)>;

impl Settings {
    /// Of this database.
    pub fn new(database: Database) -> Self {
        Self { database, remembered: Arc::default() }
    }

    /// How often they had changed, where that need not be asked.
    pub fn known_revision(&self) -> Option<i64> {
        let known = *self.remembered.known.read().unwrap_or_else(PoisonError::into_inner);
        known.and_then(|(revision, asked)| (asked.elapsed() < KNOWN_FOR).then_some(revision))
    }

    /// How often they had changed by then. Read once for all who ask at the same time; a failure is
    /// told to each of them.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        if let Some(revision) = self.known_revision() {
            return Ok(revision);
        }
        let read = {
            let under_way = &self.remembered.under_way;
            let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(revision) = self.known_revision() {
                return Ok(revision);
            }
            match under_way.as_ref().filter(|read| read.peek().is_none()) {
                Some(read) => read.clone(),
                None => under_way.insert(self.read()).clone(),
            }
        };
        read.await
    }

    /// In a task of its own: who asked first may be on a thread that is busy, or go away.
    fn read(&self) -> Read {
        let (database, remembered) = (self.database.clone(), Arc::clone(&self.remembered));
        let asked = Instant::now();
        let read = self.database.runtime().spawn(async move {
            let read = count(&database).await;
            if let Ok(revision) = read {
                let mut known = remembered.known.write().unwrap_or_else(PoisonError::into_inner);
                *known = Some((revision, asked));
            }
            // Nobody may be left who waits for it: who asks later reads anew.
            *remembered.under_way.lock().unwrap_or_else(PoisonError::into_inner) = None;
            read
        });
        let read = read.map(|ended| match ended {
            Ok(read) => read.map_err(StoreError::from),
            Err(ended) => Err(StoreError::Unavailable(ended.to_string())),
        });
        read.boxed().shared()
    }
}

async fn count(database: &Database) -> Result<i64, DbError> {
    let mut tx = database.read().await?;
    let sum = "SELECT CAST(SUM(revision) AS BIGINT) FROM settings_revision";
    let (revision,) = one!(tx, (i64,), sum)?;
    Ok(revision)
}
