//! Tokens, claims and key sets. No token is good but the one that was signed.
#![no_main]

use bappy::identity::{IdentityConfig, fuzz};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

/// Published keys, and the one token that was signed with one of them; good until the year 2286.
const JWKS: &[u8] = include_bytes!("../seeds/tokens/jwks");
const SIGNED: &str = include_str!("../seeds/tokens/signed");

static CONFIG: LazyLock<IdentityConfig> = LazyLock::new(|| IdentityConfig {
    audience: Some("account".to_owned()),
    ..IdentityConfig::new("https://id.example.com/realms/test")
});

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fuzz_target!(|bytes: &[u8]| {
    let _ = fuzz::keys(bytes);
    let _ = fuzz::are_good_claims(bytes, &CONFIG, now());
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    assert!(!fuzz::is_good(text, JWKS, &CONFIG, now()) || text == SIGNED, "forged: {text}");
    // The same as a header or a payload, under the signature that there is.
    let mut parts = SIGNED.split('.');
    let (header, payload, signature) =
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let own = BASE64.encode(text);
    for token in
        [format!("{own}.{payload}.{signature}"), format!("{header}.{own}.{signature}")]
    {
        assert!(!fuzz::is_good(&token, JWKS, &CONFIG, now()) || token == SIGNED, "{token}");
    }
});
