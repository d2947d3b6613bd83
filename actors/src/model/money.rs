//! Money: whole millionths of a currency unit, with checked arithmetic. Never a float.

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Decimal places that are kept: a millionth of a unit, fine enough for a price per SMS.
const SCALE: u32 = 6;
const MICROS_PER_UNIT: i64 = 1_000_000;
const MICROS_PER_CENT: i64 = 10_000;

/// An amount in millionths of a currency unit. Negative for debits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i64);

/// Why a text is not an amount, or a sum cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number such as `12.50`.
    #[error("`{0}` is not an amount; write a decimal number such as 12.50")]
    NotANumber(String),
    /// More than six decimal places.
    #[error("`{0}` has more than six decimal places")]
    TooPrecise(String),
    /// Beyond ±9.2 million million units.
    #[error("the amount is out of range")]
    OutOfRange,
}

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);

    /// From millionths of a unit, as stored.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths of a unit, as stored.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The exact value of a decimal number, if it has at most six decimal places.
    pub fn from_decimal(value: Decimal) -> Result<Self, MoneyError> {
        let scaled = value
            .checked_mul(Decimal::from(MICROS_PER_UNIT))
            .ok_or(MoneyError::OutOfRange)?
            .normalize();
        if scaled.scale() != 0 {
            return Err(MoneyError::TooPrecise(value.to_string()));
        }
        i64::try_from(scaled).map(Self).map_err(|_| MoneyError::OutOfRange)
    }

    /// As a decimal number of units.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.0, SCALE)
    }

    /// The sum, if it is in range.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, if it is in range.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The sum of many, if it is in range.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Self>) -> Option<Self> {
        amounts.into_iter().try_fold(Self::ZERO, Self::checked_add)
    }

    /// The same amount with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        // Saturates only at i64::MIN, which no ledger entry can hold.
        Self(self.0.saturating_neg())
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// This price times `factor`, rounded half up to cents.
    pub fn scaled_to_cents(self, factor: Decimal) -> Result<Self, MoneyError> {
        let cents = self
            .to_decimal()
            .checked_mul(factor)
            .ok_or(MoneyError::OutOfRange)?
            .round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        Self::from_decimal(cents)
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let plain = !text.is_empty()
            && text.len() <= 32
            && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
        let value = if plain { Decimal::from_str_exact(text).ok() } else { None };
        Self::from_decimal(value.ok_or_else(|| MoneyError::NotANumber(text.to_owned()))?)
    }
}

impl fmt::Display for Money {
    /// At least two decimal places, and no more than are needed: `4.50`, `0.035`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let (units, rest) =
            (micros / MICROS_PER_UNIT.unsigned_abs(), micros % MICROS_PER_UNIT.unsigned_abs());
        if rest % MICROS_PER_CENT.unsigned_abs() == 0 {
            return write!(f, "{sign}{units}.{:02}", rest / MICROS_PER_CENT.unsigned_abs());
        }
        let digits = format!("{rest:06}");
        write!(f, "{sign}{units}.{}", digits.trim_end_matches('0'))
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// An ISO 4217 currency code: three capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        // Made only from three ASCII capitals.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(format!("`{text}` is not a currency; write an ISO 4217 code such as USD")),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_show_at_least_two_decimals_and_no_more_than_needed() {
        for (micros, text) in [
            (4_500_000, "4.50"),
            (35_000, "0.035"),
            (0, "0.00"),
            (-43_750_000, "-43.75"),
            (1, "0.000001"),
            (-10_000, "-0.01"),
            (1_000_000_000, "1000.00"),
        ] {
            assert_eq!(Money::from_micros(micros).to_string(), text);
            assert_eq!(text.parse::<Money>(), Ok(Money::from_micros(micros)));
        }
    }

    #[test]
    fn what_is_not_a_plain_decimal_is_refused() {
        for text in ["", "abc", "1e5", "1,5", "0x10", " 1", "1.2.3", "NaN", "1_000", "--1"] {
            assert!(matches!(text.parse::<Money>(), Err(MoneyError::NotANumber(_))), "{text}");
        }
        assert!(matches!("0.0000001".parse::<Money>(), Err(MoneyError::TooPrecise(_))));
        assert_eq!("9999999999999999".parse::<Money>(), Err(MoneyError::OutOfRange));
    }

    #[test]
    fn a_markup_rounds_half_up_to_cents() {
        let price: Money = "4.50".parse().unwrap();
        assert_eq!(price.scaled_to_cents("1.25".parse().unwrap()).unwrap().to_string(), "5.63");
        assert_eq!(
            "0.02"
                .parse::<Money>()
                .unwrap()
                .scaled_to_cents("1.25".parse().unwrap())
                .unwrap()
                .to_string(),
            "0.03"
        );
    }

    proptest! {
        #[test]
        fn text_and_back_is_the_same_amount(micros in any::<i64>().prop_filter("range", |m| *m != i64::MIN)) {
            let money = Money::from_micros(micros);
            prop_assert_eq!(money.to_string().parse::<Money>(), Ok(money));
        }
    }
}
