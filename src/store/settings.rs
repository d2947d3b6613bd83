//! When what requests look up again and again last changed: organizations, their clients, plans and
//! what they cost.
//!
//! The database counts each change, whoever makes it. What was looked up is remembered under the
//! count that was known before, and is not found any more once the count is another.
//!
//! **Invariant.** A count was read at most [`KNOWN_FOR`] ago.

use super::{Database, DbError};
use bappy_actors::ports::StoreError;
use moka::future::Cache;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// What a command changes shows within a second: in this, and the time that the reads take.
const KNOWN_FOR: Duration = Duration::from_millis(500);

/// The count, remembered.
pub struct Settings {
    database: Database,
    known: Arc<RwLock<Known>>,
    /// Reads it once for all who ask at the same time.
    reads: Cache<(), i64>,
}

/// The count, and when it was asked for; none before the first time.
type Known = Option<(i64, Instant)>;

impl Settings {
    /// Of this database.
    pub fn new(database: Database) -> Self {
        let reads = Cache::builder().max_capacity(1).time_to_live(KNOWN_FOR).build();
        Self { database, known: Arc::default(), reads }
    }

    /// How often they had changed by then.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        // Every request asks: a look-up in a cache would cost twenty times as much.
        let known = *self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, asked)) = known
            && asked.elapsed() < KNOWN_FOR
        {
            return Ok(revision);
        }
        // A failure is told to each of those who ask at the same time.
        // In a task of its own: who asked first may be on a thread that is busy.
        let read = async {
            let (database, known) = (self.database.clone(), Arc::clone(&self.known));
            let read = self.database.runtime().spawn(async move {
                let asked = Instant::now();
                let revision = count(&database).await?;
                *known.write().unwrap_or_else(PoisonError::into_inner) = Some((revision, asked));
                Ok::<_, DbError>(revision)
            });
            read.await.map_err(|ended| StoreError::Unavailable(ended.to_string()))?
        };
        let read = self.reads.try_get_with((), read).await;
        read.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

async fn count(database: &Database) -> Result<i64, DbError> {
    let mut tx = database.read().await?;
    let sum = "SELECT CAST(SUM(revision) AS BIGINT) FROM settings_revision";
    let (revision,) = one!(tx, (i64,), sum)?;
    Ok(revision)
}
