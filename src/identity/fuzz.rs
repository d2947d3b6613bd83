//! Ways in for the fuzz targets, which have no provider to ask; compiled for them alone.

use chrono::{DateTime, Utc};

use super::claims::{Claims, VerifiedToken};
use super::config::IdentityConfig;
use super::header::TokenHeader;
use super::jwk::{KEYS_MAX, KeySet, usable_keys};

/// How many keys of a JWKS would be used; `None` if it is none.
pub fn keys(document: &[u8]) -> Option<usize> {
    let keys = usable_keys(document)?;
    assert!(keys.len() <= KEYS_MAX);
    Some(keys.len())
}

/// Whether a token is good under the keys of a JWKS.
pub fn is_good(token: &str, jwks: &[u8], config: &IdentityConfig, now: DateTime<Utc>) -> bool {
    let Ok(header) = TokenHeader::parse(token) else { return false };
    let Some(keys) = usable_keys(jwks) else { return false };
    let claims = KeySet::new(keys, 1, now).verify(token, &header, config);
    claims.is_ok_and(|claims| VerifiedToken::check(&claims, config, now).is_ok())
}

/// Whether claims would do under any signature.
pub fn are_good_claims(claims: &[u8], config: &IdentityConfig, now: DateTime<Utc>) -> bool {
    let claims: Option<Claims> = serde_json::from_slice(claims).ok();
    claims.is_some_and(|claims| VerifiedToken::check(&claims, config, now).is_ok())
}
