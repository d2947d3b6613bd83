//! The sandbox identity provider as its clients see it.

use bappy::identity::http_client;
use bappy::sandbox::identity::{
    IdentitySimConfig, RunningIdentitySim, SandboxClient, SandboxClientError, start,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::sandbox::{acme_token, rotate, sandbox, token_of, token_url};

#[tokio::test]
async fn discovery_has_keycloaks_layout() {
    let sandbox = sandbox();
    let issuer = sandbox.issuer();
    assert_eq!(issuer, format!("http://127.0.0.1:{}/realms/platform", sandbox.addr().port()));
    let document = get(&format!("{issuer}/.well-known/openid-configuration")).await;
    assert_eq!(document["issuer"], issuer);
    assert_eq!(document["token_endpoint"], format!("{issuer}/protocol/openid-connect/token"));
    assert_eq!(document["jwks_uri"], format!("{issuer}/protocol/openid-connect/certs"));
}

#[tokio::test]
async fn a_token_is_got_with_the_secret_in_the_form_or_in_basic() {
    let sandbox = sandbox();
    let grant = ("grant_type", "client_credentials");
    let in_form = [grant, ("client_id", "acme"), ("client_secret", "acme-secret")];
    let requests = [
        post(&sandbox).form(&in_form),
        post(&sandbox).basic_auth("acme", Some("acme-secret")).form(&[grant]),
        post(&sandbox).basic_auth("acm%65", Some("acme-secret")).form(&[in_form[0], in_form[1]]),
    ];
    for request in requests {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 3_600);
        assert!(body["scope"].is_string());
        assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);
    }
}

#[tokio::test]
async fn a_token_carries_keycloaks_claims() {
    let sandbox = sandbox();
    let claims = claims_of(&acme_token(&sandbox).await);
    for (name, value) in [
        ("iss", json!(sandbox.issuer())),
        ("aud", json!("account")),
        ("azp", json!("acme")),
        ("client_id", json!("acme")),
        ("typ", json!("Bearer")),
        ("org_id", json!("acme-org")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3_600);
    let again = claims_of(&acme_token(&sandbox).await);
    assert_eq!(claims["sub"], again["sub"]);
    assert_ne!(claims["jti"], again["jti"]);
    assert!(claims_of(&token_of(&sandbox, "loner").await).get("org_id").is_none());
}

#[tokio::test]
async fn what_oauth_forbids_is_answered_with_its_errors() {
    let sandbox = sandbox();
    let grant = ("grant_type", "client_credentials");
    let (id, secret) = (("client_id", "acme"), ("client_secret", "acme-secret"));
    let url = token_url(&sandbox);
    let as_json = http_client().unwrap().post(url).json(&json!({"grant_type": grant.1}));
    let requests = [
        (
            "wrong secret",
            401,
            "invalid_client",
            post(&sandbox).form(&[grant, id, ("client_secret", "x")]),
        ),
        (
            "unknown client",
            401,
            "invalid_client",
            post(&sandbox).form(&[grant, ("client_id", "x"), secret]),
        ),
        ("no client", 401, "invalid_client", post(&sandbox).form(&[grant])),
        (
            "wrong basic",
            401,
            "invalid_client",
            post(&sandbox).basic_auth("acme", Some("x")).form(&[grant]),
        ),
        ("bearer", 401, "invalid_client", post(&sandbox).bearer_auth("x").form(&[grant])),
        ("password grant", 400, "unsupported_grant_type", {
            post(&sandbox).form(&[("grant_type", "password"), id, secret])
        }),
        ("no grant", 400, "invalid_request", post(&sandbox).form(&[id, secret])),
        ("twice", 400, "invalid_request", post(&sandbox).form(&[grant, id, id, secret])),
        ("two ways", 400, "invalid_request", {
            post(&sandbox).basic_auth("acme", Some("acme-secret")).form(&[grant, id, secret])
        }),
        ("not a form", 400, "invalid_request", as_json),
    ];
    for (fact, status, error, request) in requests {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{fact}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{fact}");
        let is_basic = fact == "wrong basic" || fact == "bearer";
        assert_eq!(response.headers().contains_key("www-authenticate"), is_basic, "{fact}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"], error, "{fact}");
        assert!(body["error_description"].is_string(), "{fact}");
    }
}

#[tokio::test]
async fn rotation_keeps_the_old_keys_unless_told_otherwise() {
    let sandbox = sandbox();
    assert_eq!(published(&sandbox).await, ["RS256"]);
    rotate(&sandbox, "ES256", false).await;
    assert_eq!(published(&sandbox).await, ["ES256", "RS256"]);
    rotate(&sandbox, "EdDSA", true).await;
    assert_eq!(published(&sandbox).await, ["EdDSA"]);

    let without_body = control(&sandbox).send().await.unwrap();
    assert_eq!(without_body.status(), 200);
    assert_eq!(published(&sandbox).await, ["RS256", "EdDSA"]);
    let nonsense = control(&sandbox).json(&json!({"algorithm": "HS256"})).send().await.unwrap();
    assert_eq!(nonsense.status(), 400);
}

#[tokio::test]
async fn the_issuers_host_can_be_set_and_a_taken_port_is_an_error() {
    let listen = "0.0.0.0:0".parse().unwrap();
    let mut config = IdentitySimConfig::new(listen, vec![]);
    let everywhere = start(config.clone()).unwrap();
    assert!(everywhere.issuer().starts_with("http://127.0.0.1:"));
    config.issuer_host = Some("localhost".to_owned());
    let named = start(config.clone()).unwrap();
    assert!(named.issuer().starts_with("http://localhost:"));

    config.listen = everywhere.addr();
    assert!(start(config.clone()).is_err());
    everywhere.stop().await;
    start(config).unwrap().stop().await;
    named.stop().await;
}

#[test]
fn a_client_is_written_with_two_colons() {
    let client = |organization: Option<&str>| SandboxClient {
        id: "a".to_owned(),
        secret: "b".to_owned(),
        organization: organization.map(str::to_owned),
    };
    assert_eq!("a:b:c".parse(), Ok(client(Some("c"))));
    assert_eq!("a:b:".parse(), Ok(client(None)));
    for wrong in ["", "a", "a:b", ":b:c", "a::c", "a:b:c:d"] {
        assert_eq!(wrong.parse::<SandboxClient>(), Err(SandboxClientError), "{wrong}");
    }
}

fn post(sandbox: &RunningIdentitySim) -> RequestBuilder {
    http_client().unwrap().post(token_url(sandbox))
}

fn control(sandbox: &RunningIdentitySim) -> RequestBuilder {
    http_client().unwrap().post(format!("http://{}/_control/rotate", sandbox.addr()))
}

async fn get(url: &str) -> Value {
    let response: Response = http_client().unwrap().get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.json().await.unwrap()
}

/// The algorithms of the published keys.
async fn published(sandbox: &RunningIdentitySim) -> Vec<String> {
    let jwks = get(&format!("{}/protocol/openid-connect/certs", sandbox.issuer())).await;
    let algorithm = |key: &Value| key["alg"].as_str().unwrap().to_owned();
    jwks["keys"].as_array().unwrap().iter().map(algorithm).collect()
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64.decode(payload).unwrap()).unwrap()
}
