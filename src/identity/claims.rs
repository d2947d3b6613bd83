//! Checks the claims of a token whose signature fits, and keeps the few that matter.
//!
//! **Invariant:** times are judged by the injected clock alone; no value of a claim makes this
//! panic or overflow.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::config::IdentityConfig;
use super::error::Refusal;

/// The payload of a token.
pub(super) type Claims = Map<String, Value>;

/// How far the provider's clock and ours may differ, in seconds: the most that the API contract
/// allows.
pub const LEEWAY_S: u32 = 30;

/// Seconds since 1970 at the end of the year 9999, the last that RFC 3339 can write.
const TIME_MAX_S: f64 = 253_402_300_799.0;

/// What a verified token says about its bearer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The organization claim, where it is a string: an id or a slug.
    pub organization: Option<String>,
    /// The client that the token was issued to: `azp`, else `client_id`.
    pub client_id: Option<String>,
    /// `sub`, where it is a string.
    pub subject: Option<String>,
    /// `exp`. The token is accepted for [`LEEWAY_S`] beyond it.
    pub expires_at: DateTime<Utc>,
}

impl VerifiedToken {
    pub(super) fn check(
        claims: &Claims,
        config: &IdentityConfig,
        now: DateTime<Utc>,
    ) -> Result<Self, Refusal> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);

        if claims.get("iss").and_then(Value::as_str) != Some(config.issuer.as_str()) {
            return Err(Refusal::Issuer);
        }
        if config.audience.as_deref().is_some_and(|expected| !names_audience(claims, expected)) {
            return Err(Refusal::Audience);
        }
        if !claims.get("typ").is_none_or(|typ| typ == "Bearer") {
            return Err(Refusal::TokenType);
        }
        let leeway = TimeDelta::seconds(LEEWAY_S.into());
        let expires_at = time(claims, "exp")?.ok_or(Refusal::TimeClaim("exp"))?;
        if now.signed_duration_since(expires_at) >= leeway {
            return Err(Refusal::Expired);
        }
        let not_before = time(claims, "nbf")?;
        if not_before.is_some_and(|start| start.signed_duration_since(now) > leeway) {
            return Err(Refusal::NotYetValid);
        }
        Ok(Self {
            organization: text(&config.organization_claim),
            client_id: text("azp").or_else(|| text("client_id")),
            subject: text("sub"),
            expires_at,
        })
    }
}

/// `aud` is one string or an array of them (RFC 7519, 4.1.3).
fn names_audience(claims: &Claims, expected: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(audience)) => audience == expected,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == expected),
        _ => false,
    }
}

/// A `NumericDate` (RFC 7519, 2): a JSON number of seconds, fractions allowed.
fn time(claims: &Claims, name: &'static str) -> Result<Option<DateTime<Utc>>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value
        .as_f64()
        .filter(|seconds| (0.0..=TIME_MAX_S).contains(seconds))
        .ok_or(Refusal::TimeClaim(name))?;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked just above")]
    let seconds = seconds as i64;
    DateTime::from_timestamp(seconds, 0).map(Some).ok_or(Refusal::TimeClaim(name))
}
