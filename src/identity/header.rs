//! Reads a token's header before anything else and refuses what must not get as far as a key.
//!
//! Called by [`Identity::verify`](super::Identity::verify). jsonwebtoken ignores `crit`, `typ`
//! and embedded keys, so they are refused here, by presence: even `"crit": null` is refused.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::error::Refusal;

/// Headers that name or embed a key (RFC 7515, 4.1.2–4.1.6), must be understood (4.1.11), or
/// mean that the payload is encrypted or compressed.
const FORBIDDEN: [&str; 7] = ["crit", "jwk", "jku", "x5u", "x5c", "enc", "zip"];

/// What choosing a key needs to know.
pub(super) struct TokenHeader {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
}

impl TokenHeader {
    pub(super) fn parse(token: &str) -> Result<Self, Refusal> {
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refusal::Malformed);
        };
        let header = BASE64_URL_SAFE_NO_PAD.decode(header).map_err(|_| Refusal::Malformed)?;
        let header: Map<String, Value> =
            serde_json::from_slice(&header).map_err(|_| Refusal::Malformed)?;

        if let Some(name) = FORBIDDEN.into_iter().find(|name| header.contains_key(*name)) {
            return Err(Refusal::ForbiddenHeader(name));
        }
        if !header.get("typ").is_none_or(is_accepted_type) {
            return Err(Refusal::HeaderType);
        }
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(accepted_algorithm)
            .ok_or(Refusal::Algorithm)?;
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(Refusal::Malformed),
        };
        Ok(Self { algorithm, kid })
    }

    /// Whether newer keys could turn this refusal: the key is unknown, or the token names none
    /// and the only keys there are did not fit.
    pub(super) fn may_need_newer_keys(&self, refusal: Refusal) -> bool {
        match refusal {
            Refusal::UnknownKey => true,
            Refusal::Signature => self.kid.is_none(),
            _ => false,
        }
    }
}

/// The four algorithms of the API contract, by their names in RFC 7518 and RFC 8037.
pub(super) fn accepted_algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "PS256" => Some(Algorithm::PS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// `JWT` (RFC 7519) or `at+jwt`, with or without `application/` (RFC 9068, 4).
fn is_accepted_type(typ: &Value) -> bool {
    typ.as_str().is_some_and(|typ| {
        ["JWT", "at+jwt", "application/at+jwt"].iter().any(|ok| typ.eq_ignore_ascii_case(ok))
    })
}
