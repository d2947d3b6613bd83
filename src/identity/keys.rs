//! Holds the provider's current keys and decides when to fetch them again.
//!
//! Called by [`Identity`](super::Identity). Times are the injected clock's; only latencies are
//! measured by the monotonic one.
//!
//! **Invariants:**
//! - One fetch at a time, however many callers wait for it; it runs in a task of its own, so
//!   that a caller who gives up cancels nobody else's.
//! - A failed fetch leaves the keys as they are.
//! - The lock on the state is never held across an await.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::Clock;
use super::config::IdentityConfig;
use super::fetch::{FetchError, fetch_keys};
use super::jwk::{Key, KeySet};
use super::metrics::{Fetched, METRICS};
use bappy_actors::metrics::{seconds, size};

/// Keys older than this are fetched again beside the next verification: bounds how long a
/// withdrawn key is believed.
const REFRESH_AFTER: TimeDelta = TimeDelta::minutes(10);

/// Keys older than this are not used any more: a provider is not down for a day unnoticed.
pub(super) const STALE_MAX: TimeDelta = TimeDelta::hours(24);

/// After a failed fetch: short, so that the service recovers with its provider; long enough not
/// to hammer one that is starting.
const BACK_OFF: TimeDelta = TimeDelta::seconds(1);

/// How long the outcome of a fetch answers further probes.
const PROBE_INTERVAL: TimeDelta = TimeDelta::seconds(5);

/// `GET /status` answers within 2 s whatever hangs.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How the last fetch from the provider went; all `None` before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Whether it answered with usable keys.
    pub reachable: Option<bool>,
    /// How long it took, discovery included.
    pub latency_ms: Option<u64>,
    /// When it ended.
    pub checked_at: Option<DateTime<Utc>>,
}

/// The keys of one provider.
pub(super) struct KeyStore {
    config: IdentityConfig,
    http: reqwest::Client,
    clock: Clock,
    refetch_interval: TimeDelta,
    /// Of the current set; read on every request, hence beside the lock.
    generation: AtomicU64,
    state: Mutex<State>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    set: Option<Arc<KeySet>>,
    /// Fetches that ended, well or not: who waited for the flight sees whether one ended since.
    ended: u64,
    status: ProviderStatus,
    /// When a fetch for the sake of an unknown key last succeeded.
    rotation_checked_at: Option<DateTime<Utc>>,
}

/// What a fetch is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Keys,
    UnknownKey,
}

impl KeyStore {
    pub(super) fn new(config: &IdentityConfig, http: reqwest::Client, clock: Clock) -> Self {
        let refetch_interval =
            TimeDelta::from_std(config.refetch_interval).unwrap_or(TimeDelta::MAX);
        Self {
            config: config.clone(),
            http,
            clock,
            refetch_interval,
            generation: AtomicU64::new(0),
            state: Mutex::default(),
            flight: tokio::sync::Mutex::default(),
        }
    }

    /// The generation of the current keys; 0 before the first.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(super) fn status(&self) -> ProviderStatus {
        self.lock().status
    }

    /// The keys to verify with, and whether they were fetched within this call. `None`: there are
    /// none, or none young enough, and the provider does not answer.
    pub(super) async fn current(self: &Arc<Self>) -> Option<(Arc<KeySet>, bool)> {
        let now = (self.clock)();
        let (known, ended, may_refresh) = {
            let state = self.lock();
            let since_last = state.status.checked_at.map(|at| now.signed_duration_since(at));
            let may_refresh = !is_within(since_last, self.refetch_interval);
            if !state.has_usable_keys(now) && state.is_backing_off(now) {
                return None;
            }
            (state.set.clone().filter(|_| state.has_usable_keys(now)), state.ended, may_refresh)
        };
        if let Some(set) = known {
            let age = now.signed_duration_since(set.fetched_at);
            if age >= REFRESH_AFTER && may_refresh && self.flight.try_lock().is_ok() {
                self.spawn_fetch(ended, Purpose::Keys);
            }
            return Some((set, false));
        }
        self.fetch(ended, Purpose::Keys).await;
        let now = (self.clock)();
        let state = self.lock();
        state.set.clone().filter(|_| state.has_usable_keys(now)).map(|set| (set, true))
    }

    /// Keys other than those of `set`, in which a token's key was not found: fetched meanwhile,
    /// or now, if the last time was not too recent.
    pub(super) async fn newer_than(self: &Arc<Self>, set: &KeySet) -> Option<Arc<KeySet>> {
        let now = (self.clock)();
        let (newer, ended) = {
            let state = self.lock();
            let newer = state.newer_than(set);
            let since_last = state.rotation_checked_at.map(|at| now.signed_duration_since(at));
            let is_too_soon =
                is_within(since_last, self.refetch_interval) || state.is_backing_off(now);
            if newer.is_none() && is_too_soon {
                return None;
            }
            (newer, state.ended)
        };
        if newer.is_some() {
            return newer;
        }
        self.fetch(ended, Purpose::UnknownKey).await;
        self.lock().newer_than(set)
    }

    pub(super) async fn probe(self: &Arc<Self>) -> ProviderStatus {
        let now = (self.clock)();
        let ended = {
            let state = self.lock();
            let since_last = state.status.checked_at.map(|at| now.signed_duration_since(at));
            if is_within(since_last, PROBE_INTERVAL) {
                return state.status;
            }
            state.ended
        };
        match tokio::time::timeout(PROBE_TIMEOUT, self.fetch(ended, Purpose::Keys)).await {
            Ok(()) => self.status(),
            Err(_) => ProviderStatus {
                reachable: Some(false),
                latency_ms: Some(as_millis(PROBE_TIMEOUT)),
                checked_at: Some((self.clock)()),
            },
        }
    }

    /// Returns once a fetch has ended that the caller has not seen yet (it saw `ended`).
    async fn fetch(self: &Arc<Self>, ended: u64, purpose: Purpose) {
        if let Err(error) = self.spawn_fetch(ended, purpose).await {
            tracing::error!(%error, "fetching the identity provider's keys was cut short");
        }
    }

    fn spawn_fetch(self: &Arc<Self>, ended: u64, purpose: Purpose) -> tokio::task::JoinHandle<()> {
        let store = Arc::clone(self);
        tokio::spawn(async move {
            let _flight = store.flight.lock().await;
            if store.lock().ended != ended {
                return;
            }
            let started = Instant::now();
            let outcome = fetch_keys(&store.config, &store.http).await;
            store.record(outcome, purpose, started.elapsed());
        })
    }

    fn record(&self, outcome: Result<Vec<Key>, FetchError>, purpose: Purpose, took: Duration) {
        let now = (self.clock)();
        METRICS.fetch_seconds.record(took);
        let fetched = if outcome.is_ok() { Fetched::Done } else { Fetched::Failed };
        METRICS.fetches.of(fetched).increment(1);
        let mut state = self.lock();
        state.ended += 1;
        state.status = ProviderStatus {
            reachable: Some(outcome.is_ok()),
            latency_ms: Some(as_millis(took)),
            checked_at: Some(now),
        };
        let keys = match outcome {
            Ok(keys) => keys,
            Err(error) => {
                drop(state);
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::warn!(error, "cannot fetch the identity provider's keys");
                return;
            }
        };
        if purpose == Purpose::UnknownKey {
            state.rotation_checked_at = Some(now);
        }
        let count = keys.len();
        METRICS.keys.set(size(count));
        METRICS.fetched_at.set(seconds(now));
        let is_change = !state.set.as_ref().is_some_and(|set| set.has_same_keys(&keys));
        let generation = self.generation() + u64::from(is_change);
        state.set = Some(Arc::new(KeySet::new(keys, generation, now)));
        self.generation.store(generation, Ordering::Release);
        drop(state);
        if is_change {
            tracing::info!(count, "the identity provider's keys are new");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_usable_keys(&self, now: DateTime<Utc>) -> bool {
        let is_usable = |set: &Arc<KeySet>| now.signed_duration_since(set.fetched_at) < STALE_MAX;
        self.set.as_ref().is_some_and(is_usable)
    }

    fn is_backing_off(&self, now: DateTime<Utc>) -> bool {
        let since_last = self.status.checked_at.map(|at| now.signed_duration_since(at));
        self.status.reachable == Some(false) && is_within(since_last, BACK_OFF)
    }

    fn newer_than(&self, set: &KeySet) -> Option<Arc<KeySet>> {
        self.set.clone().filter(|current| current.generation != set.generation)
    }
}

/// Whether something happened less than `interval` ago. A time that lies ahead, after the clock
/// was set back, does not count: it must not stop fetches until the clock catches up.
fn is_within(since: Option<TimeDelta>, interval: TimeDelta) -> bool {
    since.is_some_and(|since| since >= TimeDelta::zero() && since < interval)
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
