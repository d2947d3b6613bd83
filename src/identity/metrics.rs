//! What is counted of tokens and of the provider's keys.

use super::error::{Refusal, TokenError};
use bappy_actors::labels;
use bappy_actors::metrics::{CacheMetrics, Family, counters_of, gauge_of, histogram_of};
use metrics::{Counter, Gauge, Histogram};
use std::sync::LazyLock;

pub(super) static METRICS: LazyLock<IdentityMetrics> = LazyLock::new(|| IdentityMetrics {
    tokens: counters_of(
        "bappy_tokens_total",
        "Bearer tokens that were checked: verified, or why they were not accepted",
    ),
    remembered: CacheMetrics::of("tokens"),
    fetches: counters_of(
        "bappy_jwks_fetches_total",
        "Fetches of the identity provider's keys, discovery included",
    ),
    fetch_seconds: histogram_of(
        "bappy_jwks_fetch_duration_seconds",
        "Time that a fetch of the identity provider's keys took",
    ),
    fetched_at: gauge_of(
        "bappy_jwks_last_success_timestamp_seconds",
        "When the identity provider's keys were last fetched well; 0 before the first time",
    ),
    keys: gauge_of("bappy_jwks_keys", "Keys of the identity provider that can be used"),
});

/// Makes all metrics of tokens.
pub fn register() {
    LazyLock::force(&METRICS);
}

pub(super) struct IdentityMetrics {
    tokens: Family<Checked, Counter>,
    pub remembered: CacheMetrics,
    pub fetches: Family<Fetched, Counter>,
    pub fetch_seconds: Histogram,
    pub fetched_at: Gauge,
    pub keys: Gauge,
}

/// How a fetch ended.
#[derive(Clone, Copy)]
pub(super) enum Fetched {
    Done,
    Failed,
}
labels!(Fetched as "outcome" { Done = "done", Failed = "failed" });

/// How checking a token ended.
#[derive(Clone, Copy)]
enum Checked {
    Verified,
    TooLong,
    Malformed,
    Algorithm,
    ForbiddenHeader,
    HeaderType,
    UnknownKey,
    Signature,
    Issuer,
    Audience,
    TokenType,
    TimeClaim,
    Expired,
    NotYetValid,
    NoKeys,
}
labels!(Checked as "outcome" {
    Verified = "verified",
    TooLong = "too_long",
    Malformed = "malformed",
    Algorithm = "algorithm",
    ForbiddenHeader = "forbidden_header",
    HeaderType = "header_type",
    UnknownKey = "unknown_key",
    Signature = "signature",
    Issuer = "issuer",
    Audience = "audience",
    TokenType = "token_type",
    TimeClaim = "time_claim",
    Expired = "expired",
    NotYetValid = "not_yet_valid",
    NoKeys = "no_keys",
});

impl From<TokenError> for Checked {
    fn from(error: TokenError) -> Self {
        let refusal = match error {
            TokenError::ProviderUnavailable => return Self::NoKeys,
            TokenError::Invalid(refusal) => refusal,
        };
        match refusal {
            Refusal::TooLong => Self::TooLong,
            Refusal::Malformed => Self::Malformed,
            Refusal::Algorithm => Self::Algorithm,
            Refusal::ForbiddenHeader(_) => Self::ForbiddenHeader,
            Refusal::HeaderType => Self::HeaderType,
            Refusal::UnknownKey => Self::UnknownKey,
            Refusal::Signature => Self::Signature,
            Refusal::Issuer => Self::Issuer,
            Refusal::Audience => Self::Audience,
            Refusal::TokenType => Self::TokenType,
            Refusal::TimeClaim(_) => Self::TimeClaim,
            Refusal::Expired => Self::Expired,
            Refusal::NotYetValid => Self::NotYetValid,
        }
    }
}

impl IdentityMetrics {
    /// Counts a token that was checked.
    pub fn checked<T>(&self, outcome: &Result<T, TokenError>) {
        let outcome = outcome.as_ref().err().map_or(Checked::Verified, |&error| error.into());
        self.tokens.of(outcome).increment(1);
    }
}
