//! The sandbox identity provider: a real HTTP server with Keycloak's layout and a fixed list of
//! clients, for `bappy sandbox`, `bappy identity-sim` and tests.
//!
//! Serves under `/realms/platform`: discovery, the client-credentials grant and the JWKS; and
//! `POST /_control/rotate`, which makes a new signing key.
//!
//! **Invariants:** it runs in a thread of its own, so that it starts from any tokio runtime; it
//! listens before [`start`] returns; its keys live in memory only. Nothing here is fit to guard
//! anything real.

mod config;
mod control;
mod discovery;
mod server;
mod signing_key;
mod state;
mod token;

pub use config::{IdentitySimConfig, SandboxClient, SandboxClientError};
pub use server::{RunningIdentitySim, start};
pub use signing_key::{SigningAlgorithm, SigningError, SigningKey};
