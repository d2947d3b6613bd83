//! Tokens of `POST /api/login`. They live in memory: after a restart every caller must log in
//! again, as with an operator whose tokens end early.

use std::hash::{BuildHasher, RandomState};

use dashmap::DashMap;

use super::clock::Timestamp;

/// How long a token lives.
pub(super) const TOKEN_LIFE_SECONDS: u32 = 3_600;

#[derive(Default)]
pub(super) struct Sessions(DashMap<u128, Timestamp>);

impl Sessions {
    /// A new token. Each `RandomState` hashes with keys that the system's random source began.
    pub fn issue(&self) -> String {
        let random = || u128::from(RandomState::new().hash_one(Timestamp::now().micros()));
        let token = random() << 64 | random();
        let ends = Timestamp::now().plus_seconds(f64::from(TOKEN_LIFE_SECONDS));
        self.0.insert(token, ends);
        format!("{token:032x}")
    }

    /// Whether an `Authorization` header bears a token that was issued here and has not ended.
    pub fn admits(&self, authorization: &str) -> bool {
        let bearer = authorization.strip_prefix("Bearer ").filter(|token| token.len() == 32);
        let token = bearer.and_then(|token| u128::from_str_radix(token, 16).ok());
        let ends = token.and_then(|token| self.0.get(&token).map(|ends| *ends));
        ends.is_some_and(|ends| Timestamp::now() < ends)
    }
}
