//! A small seeded random source (`SplitMix64`): the same seed gives the same sequence on every
//! machine and in every version, which no `rand` generator promises.
//!
//! **Invariant:** nothing here is secret; tokens take their entropy elsewhere (`sessions`).

/// `SplitMix64`'s increment: 2^64 divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Scrambles a number (`SplitMix64`'s finalizer); different inputs give different outputs.
pub(super) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A sequence of numbers that its seed determines.
pub(super) struct Random(u64);

impl Random {
    /// The sequence number `stream` of this seed. Sequences of one seed do not depend on each
    /// other, so that calls served side by side each have their own.
    pub const fn stream(seed: u64, stream: u64) -> Self {
        Self(mix(seed.wrapping_add(GOLDEN_GAMMA)) ^ mix(stream.wrapping_mul(GOLDEN_GAMMA)))
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact in a float")]
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normal with mean 0 and deviation 1 (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}
