//! Keys made once for all tests, and the claims of a token with nothing wrong.

use std::sync::LazyLock;

use bappy::sandbox::identity::{SigningAlgorithm, SigningKey};
use serde_json::{Value, json};

pub static RS256: LazyLock<SigningKey> = LazyLock::new(|| key(SigningAlgorithm::RS256));
pub static PS256: LazyLock<SigningKey> = LazyLock::new(|| key(SigningAlgorithm::PS256));
pub static ES256: LazyLock<SigningKey> = LazyLock::new(|| key(SigningAlgorithm::ES256));
pub static EDDSA: LazyLock<SigningKey> = LazyLock::new(|| key(SigningAlgorithm::EdDsa));

/// A key of its own for one test.
pub fn key(algorithm: SigningAlgorithm) -> SigningKey {
    SigningKey::generate(algorithm).unwrap()
}

/// Claims that are accepted at `now`, for an hour.
pub fn claims(issuer: &str, now: i64) -> Value {
    json!({
        "iss": issuer, "sub": "service-account", "aud": "account", "azp": "acme",
        "typ": "Bearer", "iat": now, "exp": now + 3_600, "org_id": "acme",
    })
}

/// `object` with some members replaced; `null` in `changes` stays a `null`.
pub fn with(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

/// `object` without a member.
pub fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name).unwrap();
    object
}
