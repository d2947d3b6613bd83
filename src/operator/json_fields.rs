//! How single JSON fields of the protocol are read. Called by `wire.rs`.

use bappy_actors::model::{Money, MoneyError, Timestamp};
use chrono::{DateTime, SubsecRound, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Value, value::RawValue};

/// An optional field: one of another shape counts as absent.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// An RFC 3339 time, cut to the microseconds that are stored.
pub(super) fn time<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text: Option<String> = lenient(deserializer)?;
    Ok(text
        .and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
        .map(|time| time.with_timezone(&Utc).trunc_subsecs(6)))
}

/// A price as decimal text, or as a JSON number. A number is taken by its shortest decimal text,
/// rounded to the millionths that are kept (a sender's float may drag `…0000004` behind it).
pub(super) fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    let raw = <Box<RawValue>>::deserialize(deserializer)?;
    let price = decimal(raw.get()).map_err(D::Error::custom)?;
    if price.is_negative() {
        return Err(D::Error::custom(format!("`{}` is below zero", raw.get())));
    }
    Ok(price)
}

fn decimal(json: &str) -> Result<Money, String> {
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).map_err(|error| error.to_string())?;
        return text.parse().map_err(|error: MoneyError| error.to_string());
    }
    let number: f64 = serde_json::from_str(json).map_err(|_| format!("`{json}` is not a price"))?;
    // `Display` of a double is its shortest decimal text, without an exponent.
    let shortest = number.to_string().parse::<Decimal>().map_err(|error| error.to_string())?;
    Money::from_decimal(shortest.round_dp(6)).map_err(|error| error.to_string())
}

/// A plan's days, of which there is at least one.
pub(super) fn days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
    let days = i32::deserialize(deserializer)?;
    if days < 1 {
        return Err(D::Error::custom(format!("`{days}` is not a number of days")));
    }
    Ok(days)
}
