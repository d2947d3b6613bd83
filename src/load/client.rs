//! Who calls: client ids with their secrets, and the tokens that they get.

use super::LoadError;
use serde::Deserialize;
use std::time::Duration;

/// A client of the identity provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
}

impl std::str::FromStr for Client {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
                Ok(Self { id: id.to_owned(), secret: secret.to_owned() })
            }
            _ => Err("a client is written ID:SECRET".to_owned()),
        }
    }
}

/// Who calls, and how they come by their tokens.
#[derive(Clone, Debug)]
pub enum Clients {
    /// Each gets a token of its own, and another before that one runs out.
    Credentials {
        /// The identity provider's token endpoint.
        token_url: String,
        /// One for each wallet.
        clients: Vec<Client>,
    },
    /// A token from elsewhere; it must outlast the run.
    Token(String),
}

/// A token and how long it lives.
#[derive(Deserialize)]
pub struct Token {
    /// The token itself.
    pub access_token: String,
    expires_in: Option<u64>,
}

/// Where the provider does not say how long a token lives, it is renewed this often.
const LIFETIME_S: u64 = 300;

impl Token {
    /// When to get the next one: well before this one runs out.
    pub fn renew_after(&self) -> Duration {
        Duration::from_secs(self.expires_in.unwrap_or(LIFETIME_S)) * 4 / 5
    }
}

/// Gets a token by the client-credentials grant.
pub async fn token(
    http: &reqwest::Client,
    token_url: &str,
    client: &Client,
) -> Result<Token, LoadError> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &client.id),
        ("client_secret", &client.secret),
    ];
    let answer = http.post(token_url).form(&form).send().await.map_err(|error| {
        let why = super::api::cause(&error);
        LoadError(format!(
            "no token: {token_url} cannot be reached ({why}); name the identity provider's token \
             endpoint with --token-url, or give a token with --token-file"
        ))
    })?;
    let status = answer.status();
    if !status.is_success() {
        return Err(LoadError(format!(
            "no token for client `{}`: {token_url} answers {status}; are its id and secret right?",
            client.id
        )));
    }
    answer.json().await.map_err(|_| {
        LoadError(format!("{token_url} answers with no token; is it a token endpoint?"))
    })
}
