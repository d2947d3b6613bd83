//! The provider is down: for a while, from the start, for a day.

use std::net::TcpListener;

use bappy::identity::{Refusal, TokenError};
use bappy::sandbox::identity::SigningAlgorithm;

use crate::support::keys::{self, claims};
use crate::support::sandbox::{acme_token, rotate, sandbox};
use crate::support::{Answer, FakeProvider, TestClock, identity};

const UNAVAILABLE: TokenError = TokenError::ProviderUnavailable;

#[tokio::test]
async fn known_keys_verify_new_tokens_while_the_provider_is_down() {
    let (sandbox, clock) = (sandbox(), TestClock::new());
    let identity = identity(sandbox.issuer(), &clock);
    let (first, second) = (acme_token(&sandbox).await, acme_token(&sandbox).await);
    identity.verify(&first).await.unwrap();
    rotate(&sandbox, "ES256", false).await;
    let unknown = acme_token(&sandbox).await;
    sandbox.stop().await;

    identity.verify(&second).await.unwrap();
    clock.advance(700);
    identity.verify(&first).await.unwrap();
    let refused = TokenError::Invalid(Refusal::UnknownKey);
    assert_eq!(identity.verify(&unknown).await, Err(refused));
    assert_eq!(identity.status().reachable, Some(false));
}

#[tokio::test]
async fn a_provider_down_from_the_start_is_unavailable_and_recovers_after_a_second() {
    let (provider, clock) = (FakeProvider::start(Answer::Status(503)), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    for _ in 0..3 {
        assert_eq!(identity.verify(&token).await, Err(UNAVAILABLE));
    }
    assert_eq!(provider.jwks_requests(), 1, "asked again within the back-off");

    provider.answer(Answer::Keys(vec![keys::ES256.jwk()]));
    clock.advance(1);
    identity.verify(&token).await.unwrap();
    assert_eq!(identity.status().reachable, Some(true));
}

#[tokio::test]
async fn a_closed_port_stops_neither_the_start_nor_says_that_a_token_is_bad() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (issuer, clock) = (format!("http://{address}/realms/platform"), TestClock::new());
    let token = keys::ES256.sign(&claims(&issuer, clock.now())).unwrap();
    assert_eq!(identity(&issuer, &clock).verify(&token).await, Err(UNAVAILABLE));
}

#[tokio::test]
async fn a_failed_fetch_for_an_unknown_kid_is_tried_again_after_a_second() {
    let clock = TestClock::new();
    let provider = FakeProvider::start(Answer::Keys(vec![keys::ES256.jwk()]));
    let identity = identity(provider.issuer(), &clock);
    let claims = claims(provider.issuer(), clock.now());
    identity.verify(&keys::ES256.sign(&claims).unwrap()).await.unwrap();

    let new = keys::key(SigningAlgorithm::ES256);
    provider.answer(Answer::Status(500));
    let token = new.sign(&claims).unwrap();
    for _ in 0..3 {
        assert!(identity.verify(&token).await.is_err());
    }
    assert_eq!(provider.jwks_requests(), 2);
    provider.answer(Answer::Keys(vec![new.jwk()]));
    clock.advance(1);
    identity.verify(&token).await.unwrap();
}

#[tokio::test]
async fn keys_are_used_for_a_day_and_no_longer() {
    let clock = TestClock::new();
    let provider = FakeProvider::start(Answer::Keys(vec![keys::ES256.jwk()]));
    let identity = identity(provider.issuer(), &clock);
    let sign = || keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    identity.verify(&sign()).await.unwrap();
    provider.answer(Answer::Status(502));

    clock.advance(86_399);
    identity.verify(&sign()).await.unwrap();
    clock.advance(1);
    let fresh = sign();
    while identity.verify(&fresh).await != Err(UNAVAILABLE) {
        tokio::task::yield_now().await;
    }
    clock.advance(2);
    provider.answer(Answer::Keys(vec![keys::ES256.jwk()]));
    identity.verify(&fresh).await.unwrap();
}

#[tokio::test]
async fn an_empty_or_broken_jwks_leaves_the_known_keys_in_force() {
    let clock = TestClock::new();
    let provider = FakeProvider::start(Answer::Keys(vec![keys::ES256.jwk()]));
    let identity = identity(provider.issuer(), &clock);
    let claims = claims(provider.issuer(), clock.now());
    let good = keys::ES256.sign(&claims).unwrap();
    let stranger = keys::EDDSA.sign(&claims).unwrap();
    identity.verify(&good).await.unwrap();
    let broken = [Answer::Keys(vec![]), Answer::Text("<html>".into()), Answer::Text("[]".into())];
    for answer in broken {
        provider.answer(answer);
        clock.advance(61);
        assert!(identity.verify(&stranger).await.is_err());
        assert_eq!(identity.status().reachable, Some(false));
        identity.verify(&good).await.unwrap();
    }
}
