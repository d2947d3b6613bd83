//! Texts of the operator's that reach a partner: each only in the shape that its field has, so
//! that no other word of the operator's passes through. Called by `wire.rs`.

use serde::Deserializer;
use std::net::IpAddr;

use super::json_fields::lenient;

/// Names that access technologies go by (3GPP TS 23.003 and common use).
const TECHNOLOGIES: [&str; 18] = [
    "2G", "3G", "4G", "5G", "GSM", "GPRS", "EDGE", "UMTS", "HSPA", "HSPA+", "LTE", "LTE-A",
    "LTE-M", "NB-IoT", "NR", "NR-NSA", "NR-SA", "Wi-Fi",
];
/// A host name has so many characters at most (RFC 1035, 2.3.4).
const HOST_CHARS_MAX: usize = 253;
/// SGP.22 gives a matching id no length; real ones have 20 to 40 characters.
const MATCHING_ID_CHARS_MAX: usize = 255;

/// A telephone number (E.164): up to 15 digits, with or without the plus.
pub(super) fn msisdn<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    shown(from, |text| is_digits(text.strip_prefix('+').unwrap_or(text), 5..=15))
}

/// An IMEI (3GPP TS 23.003, 6.2): 14 digits, with a check digit or two of a software version.
pub(super) fn imei<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    shown(from, |text| is_digits(text, 14..=16))
}

/// An address of either version of the Internet protocol.
pub(super) fn ip_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    shown(from, |text| text.parse::<IpAddr>().is_ok())
}

/// An access technology that is known by this name.
pub(super) fn technology<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    shown(from, |text| TECHNOLOGIES.iter().any(|known| known.eq_ignore_ascii_case(text)))
}

/// A mobile country code (E.212).
pub(super) fn is_mcc(text: &str) -> bool {
    is_digits(text, 3..=3)
}

/// A mobile network code (E.212).
pub(super) fn is_mnc(text: &str) -> bool {
    is_digits(text, 2..=3)
}

/// An SM-DP+ address: a host name, as it stands in an activation code between dollar signs.
pub(super) fn is_smdp_address(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    (1..=HOST_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain)
}

/// A matching id (SGP.22, 4.1): letters, digits and hyphens, none too.
pub(super) fn is_matching_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    text.len() <= MATCHING_ID_CHARS_MAX && text.bytes().all(plain)
}

fn shown<'de, D: Deserializer<'de>>(
    from: D,
    fits: impl FnOnce(&str) -> bool,
) -> Result<Option<String>, D::Error> {
    let text: Option<String> = lenient(from)?;
    Ok(text.filter(|text| fits(text)))
}

fn is_digits(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
