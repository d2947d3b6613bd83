//! A cache whose entries end by the core's own clock: moka bounds how many there are, the [`Clock`]
//! port says how old they are, so that tests and simulations own that too. Used by the handle for
//! what the operator says of a Link.
//!
//! By its own clock moka only lets go of what cannot be told any more: it begins to count when a
//! value is put in, which is after the time since when it is known.

use crate::ports::Clock;
use moka::future::Cache;
use std::{hash::Hash, sync::Arc, time::Duration};

/// Values with the time since when they are known.
#[derive(Clone)]
pub(super) struct TtlCache<K, V> {
    entries: Cache<K, (V, Duration)>,
    clock: Arc<dyn Clock>,
    ttl: Duration,
}

impl<K, V> TtlCache<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// At most `entries_max` values, each for `ttl`.
    pub(super) fn new(entries_max: u64, ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        let entries = Cache::builder().max_capacity(entries_max).time_to_live(ttl).build();
        Self { entries, clock, ttl }
    }

    /// A value, unless its time is over.
    pub(super) async fn get(&self, key: &K) -> Option<V> {
        let (value, since) = self.entries.get(key).await?;
        let age = self.clock.elapsed().saturating_sub(since);
        (age < self.ttl).then_some(value)
    }

    /// How many values it holds, those included whose time is over.
    pub(super) fn entry_count(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Keeps a value from now on.
    pub(super) async fn insert(&self, key: K, value: V) {
        self.entries.insert(key, (value, self.clock.elapsed())).await;
    }

    /// Forgets a value.
    pub(super) async fn invalidate(&self, key: &K) {
        self.entries.invalidate(key).await;
    }

    /// A value, or what `init` gives: once for all who ask at the same time, and not kept where
    /// that is none.
    pub(super) async fn optionally_get_with(
        &self,
        key: K,
        init: impl Future<Output = Option<V>>,
    ) -> Option<V> {
        if let Some(value) = self.get(&key).await {
            return Some(value);
        }
        // Whoever has just put a new one in its place loses it: one call more, at worst.
        self.entries.invalidate(&key).await;
        let init = async { Some((init.await?, self.clock.elapsed())) };
        self.entries.optionally_get_with(key, init).await.map(|(value, _)| value)
    }
}
