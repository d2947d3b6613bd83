//! The settings of token verification, as the composition root reads them from `identity.*`.

use std::time::Duration;

use url::Url;

/// Which tokens are accepted, and where the keys come from.
#[derive(Debug, Clone)]
pub struct IdentityConfig {
    /// The issuer, compared byte for byte with the token's `iss` and the discovery document's
    /// `issuer`; a `String` because a `Url` would normalize it.
    pub issuer: String,
    /// Where set, a token's `aud` must be or contain it; where not, `aud` is not looked at.
    pub audience: Option<String>,
    /// The claim that holds the organization's id or slug.
    pub organization_claim: String,
    /// Where set, the keys are read from here and discovery is skipped.
    pub jwks_url: Option<String>,
    /// The shortest time between two fetches for the sake of unknown keys. The default of 30 s
    /// bounds what a flood of forged tokens can cost the provider.
    pub refetch_interval: Duration,
}

/// A setting that cannot be used; its text names the key.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdentityConfigError {
    /// Not an absolute http or https URL.
    #[error("{key} must be an http:// or https:// URL")]
    NotAnHttpUrl {
        /// The configuration key.
        key: &'static str,
    },
    /// No claim can have an empty name.
    #[error("identity.organization_claim must not be empty")]
    EmptyClaimName,
}

impl IdentityConfig {
    /// The defaults for an issuer: no audience, claim `org_id`, keys by discovery, 30 s.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: None,
            organization_claim: "org_id".to_owned(),
            jwks_url: None,
            refetch_interval: Duration::from_secs(30),
        }
    }

    pub(super) fn check(&self) -> Result<(), IdentityConfigError> {
        check_url("identity.issuer", &self.issuer)?;
        if let Some(url) = &self.jwks_url {
            check_url("identity.jwks_url", url)?;
        }
        if self.organization_claim.is_empty() {
            return Err(IdentityConfigError::EmptyClaimName);
        }
        Ok(())
    }
}

fn check_url(key: &'static str, text: &str) -> Result<(), IdentityConfigError> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
        _ => Err(IdentityConfigError::NotAnHttpUrl { key }),
    }
}
