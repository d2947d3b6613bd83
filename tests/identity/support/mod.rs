//! What the tests share: a clock they set, a provider they spoil, tokens they sign.

pub mod clock;
pub mod keys;
pub mod provider;
pub mod sandbox;
pub mod service;
pub mod setting;

use bappy::identity::{Identity, IdentityConfig, http_client};

pub use clock::TestClock;
pub use provider::{Answer, FakeProvider};

/// An [`Identity`] for an issuer, with every setting at its default.
pub fn identity(issuer: &str, clock: &TestClock) -> Identity {
    identity_with(IdentityConfig::new(issuer), clock)
}

/// An [`Identity`] with settings of the test's own.
pub fn identity_with(config: IdentityConfig, clock: &TestClock) -> Identity {
    Identity::new(config, http_client().unwrap(), clock.port()).unwrap()
}
