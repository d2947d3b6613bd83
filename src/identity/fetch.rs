//! Asks the provider for its keys: discovery, then the JWKS.
//!
//! Called by [`KeyStore`](super::keys::KeyStore) alone, which bounds how often.
//!
//! **Invariants:** an answer is read up to 256 KiB; redirects are refused; a discovery document
//! of another issuer is refused, and so is one that leads from https to http.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::config::IdentityConfig;
use super::jwk::{Key, usable_keys};

/// For discovery and JWKS together. Longer than any healthy provider needs; a caller without a
/// token that fits a known key waits this long at most.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// A JWKS with a certificate chain for every key has 10 KiB.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Why a fetch failed; for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer")]
    Http(#[from] reqwest::Error),
    #[error("no complete answer within 5 s")]
    TimedOut,
    #[error("answered with status {0}")]
    Status(u16),
    #[error("redirected, which is not followed")]
    Redirected,
    #[error("answered with more than 256 KiB")]
    TooLarge,
    #[error("the discovery document is not valid")]
    Discovery,
    #[error("the discovery document names another issuer than identity.issuer")]
    OtherIssuer,
    #[error("jwks_uri is not an acceptable URL")]
    JwksUrl,
    #[error("the JWKS is not valid")]
    Jwks,
    #[error("the JWKS holds no usable key")]
    NoUsableKey,
}

/// The client to hand to [`Identity::new`](super::Identity::new): follows no redirects and gives
/// up in time.
pub fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .timeout(FETCH_TIMEOUT)
        .user_agent(concat!("bappy/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The provider's usable keys, at least one.
pub(super) async fn fetch_keys(
    config: &IdentityConfig,
    http: &reqwest::Client,
) -> Result<Vec<Key>, FetchError> {
    let fetch = async {
        let url = match &config.jwks_url {
            Some(url) => Url::parse(url).map_err(|_| FetchError::JwksUrl)?,
            None => discover(config, http).await?,
        };
        let keys = usable_keys(&get(http, url).await?).ok_or(FetchError::Jwks)?;
        if keys.is_empty() { Err(FetchError::NoUsableKey) } else { Ok(keys) }
    };
    tokio::time::timeout(FETCH_TIMEOUT, fetch).await.unwrap_or(Err(FetchError::TimedOut))
}

/// `jwks_uri` of the discovery document (`OpenID` Connect Discovery 1.0, 4.3: the issuer must be
/// the one that was asked for).
async fn discover(config: &IdentityConfig, http: &reqwest::Client) -> Result<Url, FetchError> {
    #[derive(Deserialize)]
    struct Discovery {
        issuer: String,
        jwks_uri: String,
    }
    let base = config.issuer.trim_end_matches('/');
    let url = Url::parse(&format!("{base}/.well-known/openid-configuration"))
        .map_err(|_| FetchError::Discovery)?;
    let asked_securely = url.scheme() == "https";
    let document = get(http, url).await?;
    let discovery: Discovery =
        serde_json::from_slice(&document).map_err(|_| FetchError::Discovery)?;
    if discovery.issuer != config.issuer {
        return Err(FetchError::OtherIssuer);
    }
    let jwks_url = Url::parse(&discovery.jwks_uri).map_err(|_| FetchError::JwksUrl)?;
    match jwks_url.scheme() {
        "https" => Ok(jwks_url),
        "http" if !asked_securely => Ok(jwks_url),
        _ => Err(FetchError::JwksUrl),
    }
}

async fn get(http: &reqwest::Client, url: Url) -> Result<Vec<u8>, FetchError> {
    let request = http.get(url.clone()).header("accept", "application/json");
    let mut response = request.send().await?;
    if *response.url() != url || response.status().is_redirection() {
        return Err(FetchError::Redirected);
    }
    if response.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let mut document = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if document.len() + chunk.len() > DOCUMENT_BYTES_MAX {
            return Err(FetchError::TooLarge);
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document)
}
