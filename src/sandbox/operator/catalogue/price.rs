//! Wholesale prices: by volume, by region, by reach, by sponsor.

use crate::reference::Region;

/// What a plan's price depends on.
pub(super) struct PriceOf {
    pub data_mb: u64,
    pub validity_days: u32,
    /// `None`: global.
    pub region: Option<Region>,
    /// Covers more than one country.
    pub roams: bool,
    pub sponsor_percent: u64,
}

impl PriceOf {
    /// In US cents, at least 10.
    pub fn cents(&self) -> u64 {
        // A first gigabyte costs 1.40, each further one half of that.
        let volume_cents = 70 + self.data_mb * 70 / 1_000;
        let region_percent = match self.region {
            Some(Region::Eu) => 80,
            Some(Region::As) => 100,
            Some(Region::Na) => 120,
            Some(Region::La) => 150,
            Some(Region::Oc) => 190,
            Some(Region::Af) => 230,
            None => 260,
        };
        let reach_percent = if self.roams { 130 } else { 100 };
        let validity_percent = 95 + u64::from(self.validity_days) / 2;
        let percents = region_percent * reach_percent * validity_percent * self.sponsor_percent;
        (volume_cents * percents / 100_000_000).max(10)
    }

    /// As a decimal number of dollars with two digits.
    pub fn decimal(&self) -> String {
        let cents = self.cents();
        format!("{}.{:02}", cents / 100, cents % 100)
    }
}
