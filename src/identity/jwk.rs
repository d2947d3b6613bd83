//! A JSON Web Key Set as a set of keys that may verify, and the check of one signature.
//!
//! **Invariants:** a set holds no symmetric key, no key whose private half was published with it,
//! no RSA key below 2048 bits and no key for another use than signatures; a key verifies only
//! algorithms of its own type and, where the JWK names an `alg`, that one alone.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::claims::Claims;
use super::config::IdentityConfig;
use super::error::Refusal;
use super::header::{TokenHeader, accepted_algorithm};

/// Keys kept of one JWKS: a provider publishes a handful, and every look-up walks the list.
pub(super) const KEYS_MAX: usize = 64;

/// Keys tried for a token that names none: each try is a public-key operation.
const TRIES_MAX: usize = 8;

/// Accepted RSA moduli, in bits: the lower bound is NIST's, the upper one aws-lc's.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Accepted RSA exponents, in bits: aws-lc's. With 1 every message is its own signature, and a
/// long one makes each verification expensive.
const RSA_EXPONENT_BITS: std::ops::RangeInclusive<usize> = 2..=33;

/// The keys of one answer of the provider.
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Rises when the keys change, so that tokens verified with removed keys are checked anew.
    pub(super) generation: u64,
    pub(super) fetched_at: DateTime<Utc>,
}

/// One usable public key.
#[derive(Clone)]
pub(super) struct Key {
    /// The JWK as it was published, to tell whether the keys have changed.
    published: Value,
    kid: Option<String>,
    /// What the key may verify: one algorithm, or RS256 and PS256 for RSA without an `alg`.
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// The members of a JWK that matter here (RFC 7517, 7518 and 8037).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private half of every asymmetric type.
    d: Option<IgnoredAny>,
}

impl KeySet {
    pub(super) fn new(keys: Vec<Key>, generation: u64, fetched_at: DateTime<Utc>) -> Self {
        Self { keys, generation, fetched_at }
    }

    pub(super) fn has_same_keys(&self, keys: &[Key]) -> bool {
        self.keys.iter().map(|key| &key.published).eq(keys.iter().map(|key| &key.published))
    }

    /// The claims, if the signature fits a key that fits the header.
    pub(super) fn verify(
        &self,
        token: &str,
        header: &TokenHeader,
        config: &IdentityConfig,
    ) -> Result<Claims, Refusal> {
        let fits = |key: &&Key| {
            key.algorithms.contains(&header.algorithm)
                && (header.kid.is_none() || key.kid == header.kid)
        };
        let validation = validation(header.algorithm, config);
        let mut refusal = Refusal::UnknownKey;
        for key in self.keys.iter().filter(fits).take(TRIES_MAX) {
            match jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => refusal = refusal_of(error.kind()),
            }
            if refusal != Refusal::Signature {
                break;
            }
        }
        Err(refusal)
    }
}

/// Every setting is spelled out, since the library's defaults accept a missing `iss` or `aud`.
/// It reads the system's clock, so the times are left to `claims.rs`; there `iss` and `aud` are
/// checked again more strictly (the library takes an array for `iss`).
fn validation(algorithm: Algorithm, config: &IdentityConfig) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.algorithms = vec![algorithm];
    validation.leeway = 0;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_issuer(&[&config.issuer]);
    validation.validate_aud = config.audience.is_some();
    match &config.audience {
        Some(audience) => {
            validation.set_audience(&[audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        }
        None => validation.set_required_spec_claims(&["exp", "iss"]),
    }
    validation
}

fn refusal_of(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidIssuer => Refusal::Issuer,
        ErrorKind::InvalidAudience => Refusal::Audience,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "iss" => Refusal::Issuer,
            "aud" => Refusal::Audience,
            _ => Refusal::TimeClaim("exp"),
        },
        _ => Refusal::Malformed,
    }
}

/// The usable keys of a JWKS document, [`KEYS_MAX`] at most; the others are passed over, as
/// RFC 7517, 5 asks. `None` if it is no JWKS.
pub(super) fn usable_keys(document: &[u8]) -> Option<Vec<Key>> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<Value>,
    }
    let document: Document = serde_json::from_slice(document).ok()?;
    Some(document.keys.into_iter().filter_map(usable_key).take(KEYS_MAX).collect())
}

fn usable_key(published: Value) -> Option<Key> {
    let jwk = Jwk::deserialize(&published).ok()?;
    if jwk.r#use.as_deref().is_some_and(|purpose| purpose != "sig")
        || jwk.key_ops.as_ref().is_some_and(|ops| !ops.iter().any(|op| op == "verify"))
    {
        return None;
    }
    if jwk.d.is_some() {
        // Whoever read this document can sign in the provider's name.
        tracing::warn!("the JWKS holds a private key, which is not used");
        return None;
    }
    let (decoding, mut algorithms) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => (rsa_key(&jwk)?, vec![Algorithm::RS256, Algorithm::PS256]),
        ("EC", Some("P-256")) => (p256_key(&jwk)?, vec![Algorithm::ES256]),
        ("OKP", Some("Ed25519")) => (ed25519_key(&jwk)?, vec![Algorithm::EdDSA]),
        _ => return None,
    };
    if let Some(alg) = &jwk.alg {
        let only = accepted_algorithm(alg)?;
        algorithms.retain(|algorithm| *algorithm == only);
    }
    (!algorithms.is_empty()).then_some(Key { published, kid: jwk.kid, algorithms, decoding })
}

fn rsa_key(jwk: &Jwk) -> Option<DecodingKey> {
    let (n, e) = (octets(jwk.n.as_deref())?, octets(jwk.e.as_deref())?);
    let (n, e) = (significant(&n)?, significant(&e)?);
    let fits = RSA_BITS.contains(&bits(n))
        && RSA_EXPONENT_BITS.contains(&bits(e))
        && [n, e].iter().all(|odd| odd.last().is_some_and(|octet| octet & 1 == 1));
    fits.then(|| DecodingKey::from_rsa_raw_components(n, e))
}

/// A number's octets without leading zeros; `None` for zero.
fn significant(octets: &[u8]) -> Option<&[u8]> {
    octets.get(octets.iter().position(|octet| *octet != 0)?..)
}

fn bits(significant: &[u8]) -> usize {
    let unused = significant.first().map_or(0, |octet| octet.leading_zeros() as usize);
    significant.len() * 8 - unused
}

fn p256_key(jwk: &Jwk) -> Option<DecodingKey> {
    let (x, y) = (octets(jwk.x.as_deref())?, octets(jwk.y.as_deref())?);
    if x.len() != 32 || y.len() != 32 {
        return None;
    }
    DecodingKey::from_ec_components(jwk.x.as_deref()?, jwk.y.as_deref()?).ok()
}

fn ed25519_key(jwk: &Jwk) -> Option<DecodingKey> {
    let x = octets(jwk.x.as_deref())?;
    (x.len() == 32).then(|| DecodingKey::from_ed_der(&x))
}

fn octets(text: Option<&str>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text?).ok()
}
