//! What tokens are held against: a provider with a key of each kind, an identity and a service
//! that trust it, and claims to spoil.

use bappy::identity::{Identity, IdentityConfig, Refusal, TokenError};
use bappy::sandbox::identity::SigningKey;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use super::keys::{self, claims, with};
use super::service::Service;
use super::{Answer, FakeProvider, TestClock, identity_with};

pub struct Setting {
    pub provider: FakeProvider,
    pub identity: Identity,
    pub claims: Value,
    pub now: i64,
    config: IdentityConfig,
}

impl Setting {
    pub fn new(more_keys: Vec<Value>) -> Self {
        let mut jwks =
            [&*keys::RS256, &keys::PS256, &keys::ES256, &keys::EDDSA].map(SigningKey::jwk).to_vec();
        jwks.extend(more_keys);
        let provider = FakeProvider::start(Answer::Keys(jwks));
        let clock = TestClock::new();
        let config = IdentityConfig {
            audience: Some("account".into()),
            ..IdentityConfig::new(provider.issuer())
        };
        let identity = identity_with(config.clone(), &clock);
        let claims = claims(provider.issuer(), clock.now());
        Self { provider, identity, claims, now: clock.now(), config }
    }

    /// Claims with changes, signed as they should be.
    pub fn claiming(&self, changes: &Value) -> String {
        keys::ES256.sign(&with(self.claims.clone(), changes)).unwrap()
    }

    /// Good claims under a header with changes.
    pub fn headed(&self, key: &SigningKey, changes: &Value) -> String {
        let header = json!({"alg": key.algorithm().name(), "typ": "JWT", "kid": key.kid()});
        key.sign_with_header(&with(header, changes), &self.claims).unwrap()
    }

    /// A whole service that trusts the provider.
    pub async fn service(&self) -> Service {
        Service::start(&self.config).await
    }

    /// Fails unless each token is refused for its reason, by the verification and by the service.
    pub async fn assert_refused(&self, table: Vec<(&str, Refusal, String)>) {
        let good = self.claiming(&json!({}));
        self.identity.verify(&good).await.unwrap();
        let service = self.service().await;
        assert_eq!(service.answer_to(&good).await.unwrap().status, 200);
        let (mut verified, mut sent) = (0, 0);
        for (flaw, refusal, token) in table {
            let outcome = self.identity.verify(&token).await;
            assert_eq!(outcome, Err(TokenError::Invalid(refusal)), "{flaw}");
            verified += 1;
            if let Some(answer) = service.answer_to(&token).await {
                answer.refuses(refusal, flaw);
                sent += 1;
            }
        }
        println!("{verified} bad tokens refused, {sent} of them over HTTP too");
        service.stop().await;
    }
}

/// A token of raw parts.
pub fn token_of(header: &str, payload: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", BASE64.encode(signature))
}

pub fn es256_token_of(payload: &str) -> String {
    let header = json!({"alg": "ES256", "kid": keys::ES256.kid()}).to_string();
    token_of(&header, payload, |message| keys::ES256.signature(message).unwrap())
}
