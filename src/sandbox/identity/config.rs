//! Who may get tokens from the sandbox identity provider, and where it listens.

use std::net::SocketAddr;
use std::str::FromStr;

/// What [`start`](super::start) needs.
#[derive(Debug, Clone)]
pub struct IdentitySimConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The clients that may get tokens.
    pub clients: Vec<SandboxClient>,
    /// The host in the issuer instead of the listening address, for example `localhost`.
    pub issuer_host: Option<String>,
}

impl IdentitySimConfig {
    /// The issuer's host is that of the listening address.
    pub fn new(listen: SocketAddr, clients: Vec<SandboxClient>) -> Self {
        Self { listen, clients, issuer_host: None }
    }
}

/// A client of the sandbox. On the command line: `ID:SECRET:ORG`, where `ORG` may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxClient {
    /// The client id.
    pub id: String,
    /// Its secret; without colons.
    pub secret: String,
    /// What its tokens carry as `org_id`; `None`: no such claim.
    pub organization: Option<String>,
}

/// The text is not `ID:SECRET:ORG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client is written ID:SECRET:ORG, where only ORG may be empty")]
pub struct SandboxClientError;

impl FromStr for SandboxClient {
    type Err = SandboxClientError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':');
        let (Some(id), Some(secret), Some(organization), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(SandboxClientError);
        };
        if id.is_empty() || secret.is_empty() {
            return Err(SandboxClientError);
        }
        let organization = (!organization.is_empty()).then(|| organization.to_owned());
        Ok(Self { id: id.to_owned(), secret: secret.to_owned(), organization })
    }
}
