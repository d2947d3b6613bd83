//! Tokens that must be accepted, and what is read from them.

use bappy::identity::IdentityConfig;
use bappy::sandbox::identity::{SigningAlgorithm, SigningKey};
use serde_json::{Value, json};

use crate::support::keys::{self, claims, with, without};
use crate::support::sandbox::{rotate, sandbox, token_of};
use crate::support::{Answer, FakeProvider, TestClock, identity, identity_with};

#[tokio::test]
async fn a_token_of_the_sandbox_is_accepted_for_each_algorithm() {
    let (sandbox, clock) = (sandbox(), TestClock::new());
    for algorithm in ["RS256", "PS256", "ES256", "EdDSA"] {
        rotate(&sandbox, algorithm, true).await;
        let token = token_of(&sandbox, "acme").await;
        let verified = identity(sandbox.issuer(), &clock).verify(&token).await.unwrap();
        assert_eq!(verified.organization.as_deref(), Some("acme-org"), "{algorithm}");
        assert_eq!(verified.client_id.as_deref(), Some("acme"), "{algorithm}");
        assert!(verified.subject.is_some(), "{algorithm}");
        assert!((verified.expires_at.timestamp() - clock.now() - 3_600).abs() < 60);
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_client_without_an_organization_is_known_by_its_client_id() {
    let (sandbox, clock) = (sandbox(), TestClock::new());
    let token = token_of(&sandbox, "loner").await;
    let verified = identity(sandbox.issuer(), &clock).verify(&token).await.unwrap();
    assert_eq!(verified.organization, None);
    assert_eq!(verified.client_id.as_deref(), Some("loner"));
}

#[tokio::test]
async fn the_client_id_is_azp_before_client_id_and_the_organization_only_a_string() {
    let (provider, clock) = (provider(), TestClock::new());
    let identity = identity(provider.issuer(), &clock);
    let claims = claims(provider.issuer(), clock.now());

    let both = with(claims.clone(), &json!({"azp": "a", "client_id": "b", "org_id": ["x"]}));
    let verified = identity.verify(&keys::ES256.sign(&both).unwrap()).await.unwrap();
    assert_eq!(verified.client_id.as_deref(), Some("a"));
    assert_eq!(verified.organization, None);

    let second = without(with(claims, &json!({"client_id": "b"})), "azp");
    let verified = identity.verify(&keys::ES256.sign(&second).unwrap()).await.unwrap();
    assert_eq!(verified.client_id.as_deref(), Some("b"));
}

#[tokio::test]
async fn the_organization_claim_can_have_another_name() {
    let (provider, clock) = (provider(), TestClock::new());
    let config = IdentityConfig {
        organization_claim: "https://example.com/tenant".into(),
        ..IdentityConfig::new(provider.issuer())
    };
    let tenant = json!({"https://example.com/tenant": "globex"});
    let token = keys::ES256.sign(&with(claims(provider.issuer(), clock.now()), &tenant)).unwrap();
    let verified = identity_with(config, &clock).verify(&token).await.unwrap();
    assert_eq!(verified.organization.as_deref(), Some("globex"));
}

#[tokio::test]
async fn the_edges_of_what_the_contract_allows_are_accepted() {
    let (provider, clock) = (provider(), TestClock::new());
    let now = clock.now();
    let config = IdentityConfig {
        audience: Some("account".into()),
        ..IdentityConfig::new(provider.issuer())
    };
    let identity = identity_with(config, &clock);

    let payloads = [
        ("aud in an array", json!({"aud": ["other", "account"]})),
        ("expired within the leeway", json!({"exp": now - 29})),
        ("a fraction of a second", json!({"exp": 4_000_000_000.5_f64})),
        ("not before, within the leeway", json!({"nbf": now + 30})),
        ("issued in the future", json!({"iat": now + 3_600})),
        ("text outside ASCII", json!({"name": "Çağrı 🚀"})),
    ];
    for (fact, changes) in payloads {
        let claims = with(claims(provider.issuer(), now), &changes);
        let outcome = identity.verify(&keys::ES256.sign(&claims).unwrap()).await;
        assert!(outcome.is_ok(), "{fact}: {outcome:?}");
    }
    let untyped = without(claims(provider.issuer(), now), "typ");
    identity.verify(&keys::ES256.sign(&untyped).unwrap()).await.unwrap();

    let types = ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"].map(|typ| json!(typ));
    for typ in types.iter().map(Some).chain([None]) {
        let mut header = json!({"alg": "ES256", "kid": keys::ES256.kid(), "x5t": "thumbprint"});
        if let Some(typ) = typ {
            header["typ"] = typ.clone();
        }
        let claims = claims(provider.issuer(), now);
        let token = keys::ES256.sign_with_header(&header, &claims).unwrap();
        let outcome = identity.verify(&token).await;
        assert!(outcome.is_ok(), "header typ {typ:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_token_without_kid_is_tried_with_every_key_of_its_type() {
    let clock = TestClock::new();
    let others: Vec<SigningKey> = (0..3).map(|_| keys::key(SigningAlgorithm::ES256)).collect();
    let mut jwks: Vec<Value> = others.iter().map(SigningKey::jwk).collect();
    jwks.extend([keys::EDDSA.jwk(), keys::ES256.jwk()]);
    let provider = FakeProvider::start(Answer::Keys(jwks));
    let identity = identity(provider.issuer(), &clock);
    let claims = claims(provider.issuer(), clock.now());
    for key in [&*keys::ES256, &keys::EDDSA] {
        let header = json!({"alg": key.algorithm().name()});
        let token = key.sign_with_header(&header, &claims).unwrap();
        assert!(identity.verify(&token).await.is_ok(), "{}", key.algorithm().name());
    }
}

#[tokio::test]
async fn an_rsa_key_without_alg_verifies_rs256_and_ps256() {
    let clock = TestClock::new();
    let jwks = [&*keys::RS256, &keys::PS256].map(|key| without(without(key.jwk(), "alg"), "use"));
    let provider = FakeProvider::start(Answer::Keys(jwks.to_vec()));
    let identity = identity(provider.issuer(), &clock);
    for key in [&*keys::RS256, &keys::PS256] {
        let token = key.sign(&claims(provider.issuer(), clock.now())).unwrap();
        identity.verify(&token).await.unwrap();
    }
}

fn provider() -> FakeProvider {
    FakeProvider::start(Answer::Keys(vec![keys::ES256.jwk()]))
}
