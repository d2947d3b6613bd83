//! One identity provider a test process: making its key takes a while in a debug build.

use bappy::identity::http_client;
use bappy::sandbox::identity::{IdentitySimConfig, RunningIdentitySim, SandboxClient, start};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::OnceLock;
use tokio::sync::Mutex;

static SANDBOX: OnceLock<RunningIdentitySim> = OnceLock::new();
static TOKENS: Mutex<Option<HashMap<String, String>>> = Mutex::const_new(None);

/// acme's tokens name their organization, globex' only their client; a stranger's name none.
const CLIENTS: [(&str, Option<&str>); 4] =
    [("acme", Some("acme")), ("globex", None), ("initech", Some("initech")), ("stranger", None)];

async fn sandbox() -> &'static RunningIdentitySim {
    let make = || {
        let clients = CLIENTS.map(|(id, organization)| SandboxClient {
            id: id.to_owned(),
            secret: format!("{id}-secret"),
            organization: organization.map(str::to_owned),
        });
        start(IdentitySimConfig::new("127.0.0.1:0".parse().unwrap(), clients.to_vec())).unwrap()
    };
    tokio::task::spawn_blocking(move || SANDBOX.get_or_init(make)).await.unwrap()
}

pub async fn issuer() -> String {
    sandbox().await.issuer().to_owned()
}

/// A client's token, good for an hour and asked for once.
pub async fn token(client: &str) -> String {
    let mut tokens = TOKENS.lock().await;
    let tokens = tokens.get_or_insert_default();
    if let Some(token) = tokens.get(client) {
        return token.clone();
    }
    let url = format!("{}/protocol/openid-connect/token", sandbox().await.issuer());
    let secret = format!("{client}-secret");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_secret", secret.as_str()),
    ];
    let answer = http_client().unwrap().post(url).form(&form).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    let token = body["access_token"].as_str().unwrap().to_owned();
    tokens.insert(client.to_owned(), token.clone());
    token
}
