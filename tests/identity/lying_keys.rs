//! A provider that lies about its keys, or drowns us in them.

use std::io::Write;
use std::time::{Duration, Instant};

use bappy::identity::{IdentityConfig, Refusal, TokenError};
use bappy::sandbox::identity::{SigningAlgorithm, SigningKey};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::keys::{self, claims, with};
use crate::support::service::Service;
use crate::support::setting::token_of;
use crate::support::{Answer, FakeProvider, TestClock, identity};

/// What a fetch may take, by `src/identity/fetch.rs`.
const FETCH_TIME: Duration = Duration::from_secs(5);

const UNKNOWN_KEY: TokenError = TokenError::Invalid(Refusal::UnknownKey);

/// What becomes of a token under these keys.
async fn verdict(jwks: Vec<Value>, sign: impl Fn(&str, i64) -> String) -> Result<(), TokenError> {
    let (provider, clock) = (FakeProvider::start(Answer::Keys(jwks)), TestClock::new());
    let token = sign(provider.issuer(), clock.now());
    identity(provider.issuer(), &clock).verify(&token).await.map(|_| ())
}

fn signed_by(key: &SigningKey) -> impl Fn(&str, i64) -> String {
    |issuer, now| key.sign(&claims(issuer, now)).unwrap()
}

#[tokio::test]
async fn keys_that_share_a_kid_are_each_tried_with_their_own_type_alone() {
    let stranger = keys::key(SigningAlgorithm::ES256);
    let kid = &json!({"kid": keys::ES256.kid()});
    let named_alike = [&stranger, &keys::RS256, &keys::EDDSA].map(|key| with(key.jwk(), kid));
    for right_at in 0..=named_alike.len() {
        let mut jwks = named_alike.to_vec();
        jwks.insert(right_at, keys::ES256.jwk());
        assert_eq!(verdict(jwks, signed_by(&keys::ES256)).await, Ok(()), "{right_at}");
    }
    let others = || vec![keys::ES256.jwk(), with(keys::RS256.jwk(), kid)];
    let forged = verdict(others(), |issuer, now| {
        let header = json!({"alg": "ES256", "kid": keys::ES256.kid()});
        stranger.sign_with_header(&header, &claims(issuer, now)).unwrap()
    });
    assert_eq!(forged.await, Err(TokenError::Invalid(Refusal::Signature)));
    let of_another_type = verdict(others(), |issuer, now| {
        let header = json!({"alg": "EdDSA", "kid": keys::ES256.kid()});
        keys::EDDSA.sign_with_header(&header, &claims(issuer, now)).unwrap()
    });
    assert_eq!(of_another_type.await, Err(UNKNOWN_KEY));
}

#[tokio::test]
async fn a_key_that_anybody_could_sign_with_or_that_cannot_verify_is_passed_over() {
    let es = |change: Value| with(keys::ES256.jwk(), &change);
    let rs = |change: Value| with(keys::RS256.jwk(), &change);
    let ed = |change: Value| with(keys::EDDSA.jwk(), &change);
    let modulus = BASE64.decode(rs(json!({}))["n"].as_str().unwrap()).unwrap();
    let even: Vec<u8> = modulus.iter().rev().skip(1).rev().copied().chain([0x42]).collect();
    let exponent = |octets: &[u8]| rs(json!({"e": BASE64.encode(octets)}));
    let length = |octets: usize| rs(json!({"n": BASE64.encode(vec![0xff; octets])}));
    for (lie, jwk) in [
        ("a private EC key", es(json!({"d": BASE64.encode([7; 32])}))),
        ("a private RSA key", rs(json!({"d": BASE64.encode([7; 256])}))),
        ("a private Ed25519 key", ed(json!({"d": BASE64.encode([7; 32])}))),
        ("a private key that cannot be read", es(json!({"d": 7}))),
        ("a shared secret that says ES256", es(json!({"kty": "oct", "k": "c2VjcmV0"}))),
        ("an EC key that says RSA", es(json!({"kty": "RSA"}))),
        ("an RSA key that says EC", rs(json!({"kty": "EC", "crv": "P-256"}))),
        ("an EC key that says RS256", es(json!({"alg": "RS256"}))),
        ("an EC key that says none", es(json!({"alg": "none"}))),
        ("an EC key that says HS256", es(json!({"alg": "HS256"}))),
        ("a key for encryption", es(json!({"use": "enc"}))),
        ("a key that only signs", es(json!({"key_ops": ["sign"]}))),
        ("another curve", es(json!({"crv": "secp256k1"}))),
        ("a curve in lower case", es(json!({"crv": "p-256"}))),
        ("X25519", ed(json!({"crv": "X25519"}))),
        ("a short coordinate", es(json!({"x": BASE64.encode([1; 31])}))),
        ("a long coordinate", es(json!({"y": BASE64.encode([1; 33])}))),
        ("no coordinate", es(json!({"y": null}))),
        ("a number for a coordinate", es(json!({"x": 1}))),
        ("RSA of 512 bits", length(64)),
        ("RSA of 1024 bits", length(128)),
        ("RSA of 2040 bits", length(255)),
        ("RSA of 16384 bits", length(2048)),
        ("RSA of 1,000,000 bits", length(125_000)),
        ("a modulus of zeros", rs(json!({"n": BASE64.encode([0; 256])}))),
        ("an even modulus", rs(json!({"n": BASE64.encode(even)}))),
        ("no exponent", exponent(&[])),
        ("the exponent 0", exponent(&[0, 0, 0])),
        ("the exponent 1", exponent(&[0, 0, 1])),
        ("an even exponent", exponent(&[1, 0, 0])),
        ("an exponent of 34 bits", exponent(&[3, 0, 0, 0, 1])),
        ("an exponent as long as the modulus", exponent(&modulus)),
    ] {
        // Another key beside it, or there would be none to say anything about a token.
        let jwks = vec![jwk, keys::PS256.jwk()];
        for key in [&*keys::ES256, &keys::RS256, &keys::EDDSA] {
            assert_eq!(verdict(jwks.clone(), signed_by(key)).await, Err(UNKNOWN_KEY), "{lie}");
        }
    }
}

/// With the exponent 1 the padded digest is its own signature: no secret is needed.
#[tokio::test]
async fn a_signature_made_without_a_key_is_worth_nothing_under_the_exponent_1() {
    let jwk = with(keys::RS256.jwk(), &json!({"e": "AQ"}));
    let forged = verdict(vec![jwk, keys::PS256.jwk()], |issuer, now| {
        let header = json!({"alg": "RS256", "kid": keys::RS256.kid()}).to_string();
        token_of(&header, &claims(issuer, now).to_string(), padded_digest)
    });
    assert_eq!(forged.await, Err(UNKNOWN_KEY));
}

/// EMSA-PKCS1-v1_5 (RFC 8017, 9.2) of SHA-256, for 2048 bits.
fn padded_digest(message: &[u8]) -> Vec<u8> {
    const DIGEST_INFO: [u8; 19] =
        [48, 49, 48, 13, 6, 9, 96, 134, 72, 1, 101, 3, 4, 2, 1, 5, 0, 4, 32];
    let mut padded = vec![0, 1];
    padded.resize(256 - 1 - DIGEST_INFO.len() - 32, 0xff);
    padded.push(0);
    padded.extend_from_slice(&DIGEST_INFO);
    padded.extend_from_slice(&Sha256::digest(message));
    padded
}

/// An [`Answer`] that is refused for what it is, and not when the time for it is over.
async fn is_refused_quickly(what: &str, answer: Answer) -> FakeProvider {
    let (provider, clock) = (FakeProvider::start(answer), TestClock::new());
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    let identity = identity(provider.issuer(), &clock);
    let started = Instant::now();
    let outcome = identity.verify(&token).await;
    assert_eq!(outcome, Err(TokenError::ProviderUnavailable), "{what}");
    assert!(started.elapsed() < FETCH_TIME, "{what}: {:?}", started.elapsed());
    provider
}

#[tokio::test]
async fn a_jwks_of_100_mb_is_read_no_further_than_its_limit() {
    let provider = is_refused_quickly("100 MB", Answer::Long(100_000_000)).await;
    // What the sockets' buffers take beside what is read.
    assert!(provider.bytes_sent() < 16_000_000, "{} bytes", provider.bytes_sent());
}

#[tokio::test]
async fn a_jwks_that_unfolds_to_more_than_it_looks_is_not_unfolded() {
    let good = json!({"keys": [keys::ES256.jwk()]}).to_string();
    let packed = |document: &mut dyn Iterator<Item = &[u8]>| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        document.for_each(|part| encoder.write_all(part).unwrap());
        encoder.finish().unwrap()
    };
    let space = vec![b' '; 1_000_000];
    let bomb = packed(&mut std::iter::repeat_n(&space[..], 200).chain([good.as_bytes()]));
    assert!(bomb.len() < 250_000, "small enough on the wire: {}", bomb.len());
    is_refused_quickly("a bomb", Answer::Gzip(bomb)).await;
    let whole = packed(&mut [good.as_bytes()].into_iter());
    is_refused_quickly("half of it", Answer::Gzip(whole[..whole.len() / 2].to_vec())).await;
    is_refused_quickly("not compressed at all", Answer::Gzip(good.into_bytes())).await;

    let (provider, clock) = (FakeProvider::start(Answer::Gzip(whole)), TestClock::new());
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    identity(provider.issuer(), &clock).verify(&token).await.unwrap();
}

#[tokio::test]
async fn a_jwks_of_strange_json_holds_no_keys() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let key = keys::ES256.jwk();
    let within_limits = "\"x\",".repeat(60_000);
    for (what, text) in [
        ("deep", deep.clone()),
        ("deep keys", format!(r#"{{"keys": {deep}}}"#)),
        ("keys of text", format!(r#"{{"keys": [{within_limits}"x"]}}"#)),
        ("keys twice", format!(r#"{{"keys": [], "keys": [{key}]}}"#)),
        ("keys an object", json!({"keys": {"0": key}}).to_string()),
        ("keys a text", json!({"keys": key.to_string()}).to_string()),
        ("a list", json!([key]).to_string()),
        ("a text", json!(key.to_string()).to_string()),
        ("two documents", format!("{0}{0}", json!({"keys": [key]}))),
        ("a huge number", r#"{"keys": [], "n": 1e999}"#.to_owned()),
        ("half of it", json!({"keys": [key]}).to_string().split_off(40)),
        ("nothing", String::new()),
    ] {
        is_refused_quickly(what, Answer::Text(text)).await;
    }
}

/// The service then answers 503, and has nobody wait longer than that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_or_trickles_costs_a_caller_one_fetch_and_then_a_503() {
    let waits = [Answer::Never, Answer::Trickle].map(|answer| async {
        let provider = FakeProvider::start(answer);
        let config = IdentityConfig::new(provider.issuer());
        let service = Service::start(&config).await;
        let now = TestClock::new().now();
        let token = keys::ES256.sign(&claims(provider.issuer(), now)).unwrap();
        let started = Instant::now();
        let many = (0..20).map(|_| service.answer_to(&token));
        for answer in futures_util::future::join_all(many).await {
            let answer = answer.unwrap();
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_eq!(answer.body["error"]["code"], "SERVICE_UNAVAILABLE");
            assert_eq!(answer.headers["retry-after"], "1");
        }
        let took = started.elapsed();
        // One fetch and not one for each, however slow the machine.
        assert!(took > FETCH_TIME / 2 && took < FETCH_TIME * 3, "{took:?}");
        assert_eq!(provider.jwks_requests(), 1, "all waited for one answer");
        service.stop().await;
    });
    futures_util::future::join_all(waits).await;
}

#[tokio::test]
async fn a_provider_that_begins_to_hang_keeps_nobody_waiting_whose_key_is_known() {
    let clock = TestClock::new();
    let provider = FakeProvider::start(Answer::Keys(vec![keys::ES256.jwk()]));
    let identity = identity(provider.issuer(), &clock);
    let sign = |n: i64| {
        let claims = with(claims(provider.issuer(), clock.now()), &json!({"jti": n}));
        keys::ES256.sign(&claims).unwrap()
    };
    identity.verify(&sign(0)).await.unwrap();
    provider.answer(Answer::Never);
    clock.advance(700);
    let started = Instant::now();
    for n in 1..20 {
        identity.verify(&sign(n)).await.unwrap();
    }
    assert!(started.elapsed() < FETCH_TIME / 2, "{:?}", started.elapsed());
    while provider.jwks_requests() < 2 {
        tokio::task::yield_now().await;
    }
}
