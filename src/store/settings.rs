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
use std::time::Duration;

/// What a command changes shows within a second: in this, and the time that the reads take.
const KNOWN_FOR: Duration = Duration::from_millis(500);

/// The count, read through a cache.
pub struct Settings {
    database: Database,
    known: Cache<(), i64>,
}

impl Settings {
    /// Of this database.
    pub fn new(database: Database) -> Self {
        let known = Cache::builder().max_capacity(1).time_to_live(KNOWN_FOR).build();
        Self { database, known }
    }

    /// How often they had changed by then.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        // Read once for all who ask at the same time; a failure is told to each of them.
        // In a task of its own: who asked first may be on a thread that is busy.
        let read = async {
            let database = self.database.clone();
            let read = self.database.runtime().spawn(async move { count(&database).await });
            read.await.map_err(|ended| StoreError::Unavailable(ended.to_string()))?
        };
        let known = self.known.try_get_with((), read).await;
        known.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

async fn count(database: &Database) -> Result<i64, DbError> {
    let mut tx = database.read().await?;
    let sum = "SELECT CAST(SUM(revision) AS BIGINT) FROM settings_revision";
    let (revision,) = one!(tx, (i64,), sum)?;
    Ok(revision)
}
