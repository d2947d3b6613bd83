//! What the status page learns about the provider.

use std::time::Instant;

use bappy::identity::ProviderStatus;

use crate::support::keys::{self, claims};
use crate::support::{Answer, FakeProvider, TestClock, identity};

#[tokio::test]
async fn nothing_is_known_before_the_first_fetch() {
    let clock = TestClock::new();
    let identity = identity("http://127.0.0.1:1/realms/platform", &clock);
    assert_eq!(identity.status(), ProviderStatus::default());
}

#[tokio::test]
async fn a_probe_says_how_the_provider_answered_and_warms_up_the_keys() {
    let clock = TestClock::new();
    let provider = FakeProvider::start(Answer::Keys(vec![keys::ES256.jwk()]));
    let identity = identity(provider.issuer(), &clock);
    let status = identity.probe().await;
    assert_eq!(status.reachable, Some(true));
    assert!(status.latency_ms.is_some());
    assert_eq!(status.checked_at.map(|at| at.timestamp()), Some(clock.now()));
    assert_eq!(identity.status(), status);

    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    identity.verify(&token).await.unwrap();
    assert_eq!(provider.jwks_requests(), 1);
}

#[tokio::test]
async fn probes_in_quick_succession_ask_the_provider_once() {
    let clock = TestClock::new();
    let provider = FakeProvider::start(Answer::Status(503));
    let identity = identity(provider.issuer(), &clock);
    for _ in 0..5 {
        assert_eq!(identity.probe().await.reachable, Some(false));
    }
    assert_eq!(provider.jwks_requests(), 1);
    clock.advance(5);
    provider.answer(Answer::Keys(vec![keys::ES256.jwk()]));
    assert_eq!(identity.probe().await.reachable, Some(true));
}

#[tokio::test]
async fn a_probe_of_a_provider_that_hangs_ends_within_two_seconds() {
    let clock = TestClock::new();
    let provider = FakeProvider::start(Answer::Never);
    let identity = identity(provider.issuer(), &clock);
    let started = Instant::now();
    let status = identity.probe().await;
    assert!(started.elapsed().as_millis() < 2_000);
    assert_eq!((status.reachable, status.latency_ms), (Some(false), Some(1_500)));
}
