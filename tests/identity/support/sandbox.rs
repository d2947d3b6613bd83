//! The sandbox identity provider with two clients, and the calls that tests make to it.

use bappy::identity::http_client;
use bappy::sandbox::identity::{IdentitySimConfig, RunningIdentitySim, start};
use serde_json::{Value, json};

/// `acme` with an organization, `loner` without.
pub fn sandbox() -> RunningIdentitySim {
    let clients = ["acme:acme-secret:acme-org", "loner:loner-secret:"];
    let clients = clients.map(|client| client.parse().unwrap()).to_vec();
    start(IdentitySimConfig::new("127.0.0.1:0".parse().unwrap(), clients)).unwrap()
}

pub fn token_url(sandbox: &RunningIdentitySim) -> String {
    format!("{}/protocol/openid-connect/token", sandbox.issuer())
}

/// An access token of `acme`'s.
pub async fn acme_token(sandbox: &RunningIdentitySim) -> String {
    token_of(sandbox, "acme").await
}

/// An access token of a client whose secret is `<id>-secret`.
pub async fn token_of(sandbox: &RunningIdentitySim, id: &str) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", &format!("{id}-secret")),
    ];
    let answer = http_client().unwrap().post(token_url(sandbox)).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    body["access_token"].as_str().unwrap().to_owned()
}

/// Makes a new signing key.
pub async fn rotate(sandbox: &RunningIdentitySim, algorithm: &str, drop_old: bool) {
    let url = format!("http://{}/_control/rotate", sandbox.addr());
    let body = json!({"algorithm": algorithm, "drop_old": drop_old});
    let answer = http_client().unwrap().post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}
