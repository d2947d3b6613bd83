//! Chance that a seed decides.

use fastrand::Rng;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Random(Rng);

impl Random {
    /// One of many streams of a seed.
    pub fn stream(seed: u64, stream: u64) -> Self {
        Self(Rng::with_seed(Rng::with_seed(seed).u64(..) ^ Rng::with_seed(!stream).u64(..)))
    }

    pub fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// From 0 to below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0.usize(..bound.max(1))
    }

    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// From `from` to below `to`.
    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.0.u64(from..to))
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        self.0.shuffle(all);
    }
}
