//! What of the document depends on where it is served: addresses, and the text that shows them.

use crate::config::Config;
use serde_json::{Value, json};

/// The public service.
const PUBLIC_SERVER: &str = "https://api.omaxtelecom.com/bappy/v1";
/// Who issues the tokens for it.
const PUBLIC_ISSUER: &str = "https://id.omaxtelecom.com/realms/platform";
/// The text of the document's first page.
const DESCRIPTION: &str = include_str!("description.md");

/// Where the document is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address of the API as the document gives it: absolute, or a path on the server that
    /// the document comes from.
    server: String,
    /// The same as examples show it: absolute.
    shown_server: String,
    issuer: String,
}

impl Settings {
    /// For the public service: what `bappy openapi` prints.
    pub fn public() -> Self {
        Self {
            server: PUBLIC_SERVER.to_owned(),
            shown_server: PUBLIC_SERVER.to_owned(),
            issuer: PUBLIC_ISSUER.to_owned(),
        }
    }

    /// For a service of this configuration, which names no public address of its own: calls go
    /// where the document came from. One that listens for this machine alone (the sandbox) is
    /// shown in examples as it is.
    pub fn of(config: &Config) -> Self {
        let server = format!("{}/v1", config.base_path);
        let is_local = config.listen.ip().is_loopback() && config.listen.port() != 0;
        let is_public = config.identity.issuer.as_deref().is_none_or(|is| is == PUBLIC_ISSUER);
        let shown_server = if is_local && !is_public {
            format!("http://{}{server}", config.listen)
        } else {
            PUBLIC_SERVER.to_owned()
        };
        let issuer = config.identity.issuer.clone().unwrap_or_else(|| PUBLIC_ISSUER.to_owned());
        Self { server, shown_server, issuer: issuer.trim_end_matches('/').to_owned() }
    }

    fn token_url(&self) -> String {
        format!("{}/protocol/openid-connect/token", self.issuer)
    }

    pub(super) fn info(&self) -> Value {
        let description = DESCRIPTION
            .replace("{server}", &self.shown_server)
            .replace("{token_url}", &self.token_url())
            .replace("{errors}", &super::errors::table());
        json!({
            "title": "Bappy Partner API",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Sell eSIM and physical SIM data plans",
            "description": description,
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        })
    }

    pub(super) fn server(&self) -> Value {
        let is_here = self.server.starts_with('/');
        let description = if is_here { "This server" } else { "The public service" };
        json!({"url": self.server, "description": description})
    }

    pub(super) fn security_schemes(&self) -> Value {
        json!({
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": format!(
                    "An access token of OmaxTelecom ID, got with the client credentials grant at \
                     `{}`. It says which organization you are.",
                    self.token_url(),
                ),
            },
            "oauth2": {
                "type": "oauth2",
                "description": "The same token, for tools that get it themselves.",
                "flows": {"clientCredentials": {"tokenUrl": self.token_url(), "scopes": {}}},
            },
        })
    }
}
