//! The provider's keys change while the service runs.

use std::sync::Arc;

use bappy::identity::{Identity, IdentityConfig, Refusal, TokenError};
use bappy::sandbox::identity::{SigningAlgorithm, SigningKey};
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::keys::{self, claims};
use crate::support::sandbox::{acme_token, rotate, sandbox};
use crate::support::{Answer, FakeProvider, TestClock, identity, identity_with};

const UNKNOWN_KEY: TokenError = TokenError::Invalid(Refusal::UnknownKey);

#[tokio::test]
async fn a_new_key_is_followed_without_a_restart_and_the_old_one_stays_good() {
    let (sandbox, clock) = (sandbox(), TestClock::new());
    let identity = identity(sandbox.issuer(), &clock);
    let old = acme_token(&sandbox).await;
    identity.verify(&old).await.unwrap();

    rotate(&sandbox, "ES256", false).await;
    let new = acme_token(&sandbox).await;
    identity.verify(&new).await.unwrap();
    identity.verify(&old).await.unwrap();

    clock.advance(30);
    rotate(&sandbox, "EdDSA", true).await;
    identity.verify(&acme_token(&sandbox).await).await.unwrap();
    assert_eq!(identity.verify(&old).await, Err(UNKNOWN_KEY));
    assert_eq!(identity.verify(&new).await, Err(UNKNOWN_KEY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_verifications_share_one_fetch_from_a_cold_start() {
    let (provider, clock) = (provider_with(&[&keys::ES256]), TestClock::new());
    let identity = Arc::new(identity(provider.issuer(), &clock));
    let outcomes = verify_concurrently(&identity, distinct_tokens(&keys::ES256, &provider, &clock));
    assert!(outcomes.await.iter().all(Result::is_ok));
    assert_eq!(provider.jwks_requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_unknown_kid_is_asked_for_once_per_interval_under_64_concurrent_verifications() {
    let (provider, clock) = (provider_with(&[&keys::ES256]), TestClock::new());
    let identity = Arc::new(identity(provider.issuer(), &clock));
    let good = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    identity.verify(&good).await.unwrap();
    assert_eq!(provider.jwks_requests(), 1);

    let stranger = keys::key(SigningAlgorithm::ES256);
    for (advance_s, requests_after) in [(0, 2), (29, 2), (1, 3), (29, 3), (31, 4)] {
        clock.advance(advance_s);
        let tokens = distinct_tokens(&stranger, &provider, &clock);
        let outcomes = verify_concurrently(&identity, tokens).await;
        assert!(outcomes.iter().all(|outcome| *outcome == Err(UNKNOWN_KEY)));
        assert_eq!(provider.jwks_requests(), requests_after, "after {advance_s} s");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_key_is_fetched_once_for_all_who_need_it() {
    let (provider, clock) = (provider_with(&[&keys::ES256]), TestClock::new());
    let identity = Arc::new(identity(provider.issuer(), &clock));
    let good = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    identity.verify(&good).await.unwrap();

    let new = keys::key(SigningAlgorithm::EdDsa);
    provider.answer(Answer::Keys(vec![keys::ES256.jwk(), new.jwk()]));
    let outcomes = verify_concurrently(&identity, distinct_tokens(&new, &provider, &clock)).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(provider.jwks_requests(), 2);
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_cancel_the_fetch() {
    let (provider, clock) = (provider_with(&[&keys::ES256]), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    tokio::select! {
        biased;
        outcome = identity.verify(&token) => panic!("answered without a fetch: {outcome:?}"),
        () = std::future::ready(()) => {}
    }
    while identity.status().reachable.is_none() {
        tokio::task::yield_now().await;
    }
    identity.verify(&token).await.unwrap();
    assert_eq!(provider.jwks_requests(), 1);
}

#[tokio::test]
async fn a_stranger_as_the_first_caller_costs_one_fetch() {
    let (provider, clock) = (provider_with(&[&keys::ES256]), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let token = keys::EDDSA.sign(&claims(provider.issuer(), clock.now())).unwrap();
    assert_eq!(identity.verify(&token).await, Err(UNKNOWN_KEY));
    assert_eq!(provider.jwks_requests(), 1);
}

#[tokio::test]
async fn a_key_without_kid_is_followed_too() {
    let clock = TestClock::new();
    let anonymous = |key: &SigningKey| keys::without(key.jwk(), "kid");
    let provider = FakeProvider::start(Answer::Keys(vec![anonymous(&keys::ES256)]));
    let identity = identity(provider.issuer(), &clock);
    let new = keys::key(SigningAlgorithm::ES256);
    for key in [&*keys::ES256, &new] {
        provider.answer(Answer::Keys(vec![anonymous(key)]));
        let claims = claims(provider.issuer(), clock.now());
        let token = key.sign_with_header(&json!({"alg": "ES256"}), &claims).unwrap();
        identity.verify(&token).await.unwrap();
    }
}

#[tokio::test]
async fn the_interval_between_fetches_is_configurable() {
    let (provider, clock) = (provider_with(&[&keys::ES256]), TestClock::new());
    let config = IdentityConfig {
        refetch_interval: std::time::Duration::from_secs(2),
        ..IdentityConfig::new(provider.issuer())
    };
    let identity = identity_with(config, &clock);
    for _ in 0..3 {
        let new = keys::key(SigningAlgorithm::ES256);
        provider.answer(Answer::Keys(vec![new.jwk()]));
        let token = new.sign(&claims(provider.issuer(), clock.now())).unwrap();
        identity.verify(&token).await.unwrap();
        clock.advance(2);
    }
}

#[tokio::test]
async fn a_withdrawn_key_is_noticed_after_ten_minutes_without_any_unknown_kid() {
    let (provider, clock) = (provider_with(&[&keys::ES256]), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    identity.verify(&token).await.unwrap();
    let fetched_at = identity.status().checked_at.unwrap();
    provider.answer(Answer::Keys(vec![keys::EDDSA.jwk()]));

    clock.advance(599);
    identity.verify(&token).await.unwrap();
    assert_eq!(provider.jwks_requests(), 1);

    clock.advance(61);
    // Answered from the keys at hand; the new ones are fetched beside it.
    identity.verify(&token).await.unwrap();
    while identity.status().checked_at.unwrap() - fetched_at < TimeDelta::seconds(660) {
        tokio::task::yield_now().await;
    }
    assert_eq!(identity.verify(&token).await, Err(UNKNOWN_KEY));
}

fn provider_with(keys: &[&SigningKey]) -> FakeProvider {
    FakeProvider::start(Answer::Keys(keys.iter().map(|key| key.jwk()).collect()))
}

/// 64 tokens that differ, so that none is answered from the cache.
fn distinct_tokens(key: &SigningKey, provider: &FakeProvider, clock: &TestClock) -> Vec<String> {
    let claims = claims(provider.issuer(), clock.now());
    (0..64).map(|n| key.sign(&keys::with(claims.clone(), &json!({"jti": n}))).unwrap()).collect()
}

async fn verify_concurrently(
    identity: &Arc<Identity>,
    tokens: Vec<String>,
) -> Vec<Result<(), TokenError>> {
    let tasks = tokens.into_iter().map(|token| {
        let identity = Arc::clone(identity);
        tokio::spawn(async move { identity.verify(&token).await.map(|_| ()) })
    });
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}
