//! What the endpoints share: the issuer, the clients and the keys.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::{Value, json};

use super::config::SandboxClient;
use super::signing_key::SigningKey;

/// The realm of the sandbox, the same as the real provider's.
pub(super) const REALM_PATH: &str = "/realms/platform";

/// Old public keys kept in the JWKS: more rotations than a test makes, fewer than the service
/// reads.
const OLD_KEYS_MAX: usize = 32;

/// One running provider.
pub(super) struct State {
    pub(super) issuer: String,
    clients: Vec<SandboxClient>,
    keys: Mutex<Keys>,
}

struct Keys {
    current: Arc<SigningKey>,
    /// JWKs, newest first.
    old: Vec<Value>,
}

impl State {
    pub(super) fn new(issuer: String, clients: Vec<SandboxClient>, key: SigningKey) -> Self {
        let keys = Mutex::new(Keys { current: Arc::new(key), old: Vec::new() });
        Self { issuer, clients, keys }
    }

    /// The client, if the secret is its own.
    pub(super) fn authenticate(&self, id: &str, secret: &str) -> Option<&SandboxClient> {
        let client = self.clients.iter().find(|client| client.id == id)?;
        verify_slices_are_equal(client.secret.as_bytes(), secret.as_bytes()).ok().map(|()| client)
    }

    pub(super) fn signing_key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.keys().current)
    }

    /// Signs with `key` from now on; `drop_old` forgets all former public keys, else they stay.
    pub(super) fn rotate(&self, key: SigningKey, drop_old: bool) {
        let mut keys = self.keys();
        let former = std::mem::replace(&mut keys.current, Arc::new(key));
        if drop_old {
            keys.old.clear();
        } else {
            keys.old.insert(0, former.jwk());
            keys.old.truncate(OLD_KEYS_MAX);
        }
    }

    pub(super) fn jwks(&self) -> Value {
        let keys = self.keys();
        let all: Vec<Value> =
            std::iter::once(keys.current.jwk()).chain(keys.old.iter().cloned()).collect();
        json!({ "keys": all })
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
