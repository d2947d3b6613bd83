//! ICCIDs as numbers: nineteen digits with the Luhn check digit last (ITU-T E.118).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Nineteen digits beginning with 89.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Iccid(u64);

impl Iccid {
    /// Adds the check digit to eighteen digits.
    pub(super) const fn from_payload(payload: u64) -> Self {
        Self(payload * 10 + luhn_digit(payload))
    }

    /// The first eighteen digits; `None` where the check digit is wrong.
    pub(super) const fn payload(self) -> Option<u64> {
        let payload = self.0 / 10;
        if luhn_digit(payload) == self.0 % 10 { Some(payload) } else { None }
    }

    /// Reads nineteen digits; the check digit is not looked at.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 19 && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse().ok().map(Self) } else { None }
    }

    /// The number, for the parts of a card that are derived from it.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// The Luhn check digit of `payload`: every second digit from the right is doubled.
pub(in super::super) const fn luhn_digit(mut payload: u64) -> u64 {
    let mut sum = 0;
    let mut double = true;
    while payload > 0 {
        let mut digit = payload % 10;
        if double {
            digit *= 2;
            if digit > 9 {
                digit -= 9;
            }
        }
        sum += digit;
        double = !double;
        payload /= 10;
    }
    (10 - sum % 10) % 10
}

impl fmt::Display for Iccid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:019}", self.0)
    }
}

impl Serialize for Iccid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Iccid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected an ICCID of 19 digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_luhns() {
        // The worked example of the Luhn algorithm: 7992739871 takes a 3.
        assert_eq!(luhn_digit(7_992_739_871), 3);
        assert_eq!(Iccid(79_927_398_713).payload(), Some(7_992_739_871));
        assert_eq!(Iccid(79_927_398_714).payload(), None);
    }
}
