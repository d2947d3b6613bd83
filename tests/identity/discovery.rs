//! What the provider may answer, and where keys are never read from.

use bappy::identity::{Identity, IdentityConfig, IdentityConfigError, TokenError, http_client};
use serde_json::json;

use crate::support::keys::{self, claims};
use crate::support::{Answer, FakeProvider, TestClock, identity, identity_with};

#[tokio::test]
async fn an_answer_that_is_not_the_providers_keys_is_not_used() {
    let long = json!({"keys": [keys::ES256.jwk()], "pad": "x".repeat(300_000)}).to_string();
    let symmetric = json!({"kty": "oct", "k": "c2VjcmV0"});
    let answers = [
        ("a redirect", Answer::Redirect),
        ("an error", Answer::Status(500)),
        ("no content", Answer::Status(204)),
        ("too long", Answer::Text(long)),
        ("not JSON", Answer::Text("<html>".to_owned())),
        ("no key", Answer::Keys(vec![])),
        ("only symmetric keys", Answer::Keys(vec![symmetric])),
    ];
    let clock = TestClock::new();
    for (fact, answer) in answers {
        let provider = FakeProvider::start(answer);
        let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
        let outcome = identity(provider.issuer(), &clock).verify(&token).await;
        assert_eq!(outcome, Err(TokenError::ProviderUnavailable), "{fact}");
    }
}

#[tokio::test]
async fn a_client_that_follows_redirects_gets_no_keys_from_elsewhere() {
    let (provider, clock) = (FakeProvider::start(Answer::Redirect), TestClock::new());
    let follows = reqwest::Client::builder().build().unwrap();
    let config = IdentityConfig::new(provider.issuer());
    let identity = Identity::new(config, follows, clock.port()).unwrap();
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    assert_eq!(identity.verify(&token).await, Err(TokenError::ProviderUnavailable));
}

#[tokio::test]
async fn a_discovery_document_of_another_issuer_is_not_used() {
    let (provider, clock) = (provider(), TestClock::new());
    let token = keys::ES256.sign(&claims(provider.issuer(), clock.now())).unwrap();
    let changes = [
        json!({"issuer": format!("{}/", provider.issuer())}),
        json!({"issuer": "https://id.example.com"}),
        json!({"issuer": null}),
        json!({"jwks_uri": "file:///etc/passwd"}),
        json!({"jwks_uri": "/jwks"}),
    ];
    for change in changes {
        provider.change_discovery(change.clone());
        let outcome = identity(provider.issuer(), &clock).verify(&token).await;
        assert_eq!(outcome, Err(TokenError::ProviderUnavailable), "{change}");
    }
    assert_eq!(provider.jwks_requests(), 0);
}

#[tokio::test]
async fn a_jwks_url_in_the_settings_replaces_discovery() {
    let (provider, clock) = (provider(), TestClock::new());
    let config = IdentityConfig {
        jwks_url: Some(provider.jwks_url()),
        ..IdentityConfig::new("https://id.example.com/realms/platform")
    };
    let token = keys::ES256.sign(&claims(&config.issuer, clock.now())).unwrap();
    identity_with(config, &clock).verify(&token).await.unwrap();
    assert_eq!(provider.discovery_requests(), 0);
}

#[tokio::test]
async fn only_so_many_keys_are_read() {
    let clock = TestClock::new();
    let mut jwks: Vec<_> =
        (0..64).map(|n| keys::with(keys::ES256.jwk(), &json!({"kid": n.to_string()}))).collect();
    jwks.push(keys::EDDSA.jwk());
    let provider = FakeProvider::start(Answer::Keys(jwks));
    let identity = identity(provider.issuer(), &clock);
    let claims = claims(provider.issuer(), clock.now());
    let header = json!({"alg": "ES256", "kid": "63"});
    identity.verify(&keys::ES256.sign_with_header(&header, &claims).unwrap()).await.unwrap();
    assert!(identity.verify(&keys::EDDSA.sign(&claims).unwrap()).await.is_err());
}

#[test]
fn settings_that_cannot_work_are_named() {
    let check = |config: IdentityConfig| {
        let clock = TestClock::new().port();
        Identity::new(config, http_client().unwrap(), clock).err()
    };
    let wrong = Some(IdentityConfigError::NotAnHttpUrl { key: "identity.issuer" });
    assert_eq!(check(IdentityConfig::new("id.example.com")), wrong);
    assert_eq!(check(IdentityConfig::new("ftp://id.example.com")), wrong);
    let mut config = IdentityConfig::new("https://id.example.com");
    assert_eq!(check(config.clone()), None);
    config.jwks_url = Some("certs".to_owned());
    let wrong = IdentityConfigError::NotAnHttpUrl { key: "identity.jwks_url" };
    assert_eq!(check(config), Some(wrong));
}

fn provider() -> FakeProvider {
    FakeProvider::start(Answer::Keys(vec![keys::ES256.jwk()]))
}
