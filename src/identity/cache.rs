//! Remembers verified tokens for up to 60 s, so that a busy client's token is verified once a
//! minute and not once a request.
//!
//! **Invariants:** the key is the token's SHA-256, never the token (what serves a connection alone may
//! hold its own); an entry serves neither past
//! the token's `exp` nor for keys of another generation than the current one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use moka::Expiry;
use moka::future::Cache;

use super::claims::VerifiedToken;

/// How long a verification is remembered: what a removed key or a revoked client may cost.
const REMEMBERED_MAX_S: u32 = 60;

/// A client uses a token or two at a time; 10,000 entries are about 5 MB.
const ENTRIES_MAX: u64 = 10_000;

/// How long a token that was verified serves without being looked at again.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    generation: u64,
    serves_until: DateTime<Utc>,
}

impl Validity {
    /// Whether it serves at this time, with keys of this generation.
    pub(super) fn holds(self, now: DateTime<Utc>, generation: u64) -> bool {
        now < self.serves_until && self.generation == generation
    }
}

/// A token that was verified.
#[derive(Clone)]
struct Entry {
    token: Arc<VerifiedToken>,
    validity: Validity,
    /// The same span for moka, which evicts by its own clock.
    lifetime: Duration,
}

/// Evicts every entry at its own time.
struct Lifetime;

impl Expiry<[u8; 32], Entry> for Lifetime {
    fn expire_after_create(&self, _: &[u8; 32], entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.lifetime)
    }

    fn expire_after_update(
        &self,
        _: &[u8; 32],
        entry: &Entry,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.lifetime)
    }
}

/// The verified tokens of one [`Identity`](super::Identity).
pub(super) struct TokenCache(Cache<[u8; 32], Entry>);

impl TokenCache {
    pub(super) fn new() -> Self {
        Self(Cache::builder().max_capacity(ENTRIES_MAX).expire_after(Lifetime).build())
    }

    /// How many it holds, about.
    pub(super) fn len(&self) -> u64 {
        self.0.entry_count()
    }

    pub(super) async fn get(
        &self,
        digest: &[u8; 32],
        now: DateTime<Utc>,
        generation: u64,
    ) -> Option<(Arc<VerifiedToken>, Validity)> {
        let Entry { token, validity, .. } = self.0.get(digest).await?;
        validity.holds(now, generation).then_some((token, validity))
    }

    /// A token within its leeway (`exp` passed) is not remembered.
    pub(super) async fn insert(
        &self,
        digest: [u8; 32],
        token: Arc<VerifiedToken>,
        now: DateTime<Utc>,
        generation: u64,
    ) {
        let remembered = TimeDelta::seconds(REMEMBERED_MAX_S.into());
        let lifetime = token.expires_at.signed_duration_since(now).min(remembered);
        let validity = Validity { generation, serves_until: now + lifetime };
        if let Ok(lifetime) = lifetime.to_std() {
            self.0.insert(digest, Entry { token, validity, lifetime }).await;
        }
    }
}
