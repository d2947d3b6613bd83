//! What names a Link, and what names a request: nothing but what the contract says is either.
#![no_main]

use bappy::http::idempotency_key::IdempotencyKey;
use bappy::http::identifier::Identifier;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Identifier::parse(text) {
        Some(Identifier::Id(id)) => assert_eq!(id.to_string(), text.to_ascii_lowercase()),
        Some(Identifier::Iccid(iccid)) => {
            assert!(iccid == text && (19..=20).contains(&iccid.len()));
            assert!(iccid.bytes().all(|byte| byte.is_ascii_digit()));
        }
        None => {}
    }
    if let Some(key) = IdempotencyKey::parse(text) {
        assert!(key.as_str() == text && (1..=255).contains(&text.len()));
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b':' | b'.' | b'-');
        assert!(text.bytes().all(plain));
    }
});
