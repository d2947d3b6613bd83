//! Verifies the bearer tokens of an `OpenID` provider: who is calling, and until when.
//!
//! Called by the HTTP layer for every request that needs a token, and by `GET /status`. Knows
//! nothing of actix-web or SQL; which organization a token leads to is decided by the caller
//! from [`VerifiedToken`].
//!
//! **Invariants:**
//! - Nothing of a token is trusted before its signature was checked with a key of the
//!   provider's JWKS; neither a token nor a part of one is ever logged.
//! - A provider that cannot be reached stops neither the start nor the verification of tokens
//!   whose keys are known, for a day at most.
//! - Whatever tokens arrive, the provider is asked at a bounded rate, one fetch at a time.

mod cache;
mod claims;
mod config;
mod error;
mod fetch;
#[cfg(fuzzing)]
pub mod fuzz;
mod header;
mod jwk;
mod keys;
mod metrics;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

pub use cache::Validity;
pub use claims::{LEEWAY_S, VerifiedToken};
pub use config::{IdentityConfig, IdentityConfigError};
pub use error::{Refusal, TokenError};
pub use fetch::http_client;
pub use keys::ProviderStatus;
pub use metrics::register as register_metrics;

use cache::TokenCache;
use header::TokenHeader;
use keys::KeyStore;
use metrics::METRICS;

/// Where the time comes from: the wall clock in the service, set by hand in tests.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Longest token accepted, in bytes. Keycloak's are 1–2 KiB; the bound keeps the cost of
/// decoding garbage small and is part of the API contract.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Verifies tokens of one issuer. Share it behind an `Arc`; every method takes `&self`.
pub struct Identity {
    config: IdentityConfig,
    clock: Clock,
    keys: Arc<KeyStore>,
    cache: TokenCache,
}

impl Identity {
    /// Checks the settings and connects to nothing: the keys are fetched when first needed, or
    /// by a [`probe`](Self::probe). `http` is best made by [`http_client`]: it must not follow
    /// redirects (an answer from elsewhere than asked is refused all the same).
    pub fn new(
        config: IdentityConfig,
        http: reqwest::Client,
        clock: Clock,
    ) -> Result<Self, IdentityConfigError> {
        config.check()?;
        let keys = KeyStore::new(&config, http, Arc::clone(&clock));
        Ok(Self { config, clock, keys: Arc::new(keys), cache: TokenCache::new() })
    }

    /// Verifies one compact JWT (without the `Bearer ` in front). A token verified within the
    /// last 60 s costs one SHA-256 and one look-up.
    ///
    /// Runs on any tokio runtime. Waits for the provider only where no key fits, 5 s at most.
    pub async fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        let verified = self.check(token).await;
        METRICS.checked(&verified);
        verified
    }

    /// What a token says that was verified lately, and how long that stands. Asks nobody and counts
    /// nothing.
    pub async fn remembered(&self, token: &str) -> Option<(Arc<VerifiedToken>, Validity)> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        self.of_digest(&digest(token)).await
    }

    /// Whether a token still serves that was [`remembered`](Self::remembered).
    pub fn is_valid(&self, validity: Validity) -> bool {
        validity.holds((self.clock)(), self.keys.generation())
    }

    /// Counts a token that was [`remembered`](Self::remembered), and with which somebody was let in.
    pub fn count_remembered(&self) {
        METRICS.remembered.asked(true);
        METRICS.checked(&Ok::<_, TokenError>(()));
    }

    async fn of_digest(&self, digest: &[u8; 32]) -> Option<(Arc<VerifiedToken>, Validity)> {
        self.cache.get(digest, (self.clock)(), self.keys.generation()).await
    }

    /// Brings up to date what the metrics show of the cache.
    pub fn observe(&self) {
        METRICS.remembered.holds(self.cache.len());
    }

    async fn check(&self, token: &str) -> Result<Arc<VerifiedToken>, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLong.into());
        }
        let digest = digest(token);
        let known = self.of_digest(&digest).await;
        METRICS.remembered.asked(known.is_some());
        if let Some((known, _)) = known {
            return Ok(known);
        }
        let header = TokenHeader::parse(token)?;
        let (claims, generation) = self.check_signature(token, &header).await?;
        let now = (self.clock)();
        let verified = Arc::new(VerifiedToken::check(&claims, &self.config, now)?);
        self.cache.insert(digest, Arc::clone(&verified), now, generation).await;
        Ok(verified)
    }

    /// How the last fetch from the provider went. Asks nobody.
    pub fn status(&self) -> ProviderStatus {
        self.keys.status()
    }

    /// Fetches discovery and keys now, waits 1.5 s at most and says how it went. Concurrent
    /// probes share one fetch, and within 5 s of a fetch its outcome is answered again, so that
    /// a public status page cannot be used to load the provider. Also serves to warm up the keys
    /// at the start.
    pub async fn probe(&self) -> ProviderStatus {
        self.keys.probe().await
    }

    /// The claims, once the signature fits one of the provider's keys, and the generation of the
    /// key set that it was checked with.
    async fn check_signature(
        &self,
        token: &str,
        header: &TokenHeader,
    ) -> Result<(claims::Claims, u64), TokenError> {
        let (set, fetched_just_now) =
            self.keys.current().await.ok_or(TokenError::ProviderUnavailable)?;
        match set.verify(token, header, &self.config) {
            Ok(claims) => Ok((claims, set.generation)),
            Err(refusal) if !fetched_just_now && header.may_need_newer_keys(refusal) => {
                let newer = self.keys.newer_than(&set).await.ok_or(refusal)?;
                Ok((newer.verify(token, header, &self.config)?, newer.generation))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
