//! Verified tokens are remembered: long enough to matter, never too long.

use std::sync::Arc;

use bappy::identity::{Refusal, TokenError, VerifiedToken};
use serde_json::json;

use crate::support::keys::{self, claims, with};
use crate::support::sandbox::{acme_token, rotate, sandbox};
use crate::support::{Answer, FakeProvider, TestClock, identity};

#[tokio::test]
async fn a_verified_token_is_remembered_for_60_s() {
    let (provider, clock) = (provider(), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    let first = identity.verify(&token).await.unwrap();
    clock.advance(59);
    assert!(is_same(&first, &identity.verify(&token).await.unwrap()));
    clock.advance(1);
    assert!(!is_same(&first, &identity.verify(&token).await.unwrap()));
}

#[tokio::test]
async fn a_remembered_token_is_not_served_past_its_expiry() {
    let (provider, clock) = (provider(), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let soon = with(claims(provider.issuer(), clock.now()), &json!({"exp": clock.now() + 20}));
    let token = keys::ES256.sign(&soon).unwrap();
    let first = identity.verify(&token).await.unwrap();
    clock.advance(19);
    assert!(is_same(&first, &identity.verify(&token).await.unwrap()));
    clock.advance(1);
    let within_leeway = identity.verify(&token).await.unwrap();
    assert!(!is_same(&first, &within_leeway), "past its expiry it is verified each time");
    clock.advance(29);
    identity.verify(&token).await.unwrap();
    clock.advance(1);
    assert_eq!(identity.verify(&token).await, Err(TokenError::Invalid(Refusal::Expired)));
}

#[tokio::test]
async fn a_removed_key_takes_the_remembered_tokens_with_it() {
    let (sandbox, clock) = (sandbox(), TestClock::new());
    let identity = identity(sandbox.issuer(), &clock);
    let old = acme_token(&sandbox).await;
    identity.verify(&old).await.unwrap();
    rotate(&sandbox, "ES256", true).await;
    identity.verify(&old).await.unwrap();
    identity.verify(&acme_token(&sandbox).await).await.unwrap();
    assert_eq!(identity.verify(&old).await, Err(TokenError::Invalid(Refusal::UnknownKey)));
}

#[tokio::test]
async fn a_refused_token_is_not_remembered() {
    let (provider, clock) = (provider(), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let later = with(claims(provider.issuer(), clock.now()), &json!({"nbf": clock.now() + 31}));
    let token = keys::ES256.sign(&later).unwrap();
    assert!(identity.verify(&token).await.is_err());
    clock.advance(1);
    identity.verify(&token).await.unwrap();
}

#[tokio::test]
async fn fetching_the_same_keys_again_forgets_no_token() {
    let (provider, clock) = (provider(), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    let first = identity.verify(&token).await.unwrap();
    clock.advance(10);
    identity.probe().await;
    assert_eq!(provider.jwks_requests(), 2);
    assert!(is_same(&first, &identity.verify(&token).await.unwrap()));
}

fn is_same(one: &Arc<VerifiedToken>, other: &Arc<VerifiedToken>) -> bool {
    Arc::ptr_eq(one, other)
}

fn provider() -> FakeProvider {
    FakeProvider::start(Answer::Keys(vec![keys::ES256.jwk()]))
}
