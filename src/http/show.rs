//! How values are written in answers: times, volumes, ratios of them.

use bappy_actors::model::{Timestamp, Volume};
use chrono::SecondsFormat;
use serde::Serializer;

/// RFC 3339 in UTC with milliseconds, as text.
pub fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Serializes a time: RFC 3339 in UTC with milliseconds.
pub fn at<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time(*at))
}

/// The same, or null.
pub fn at_or_null<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.serialize_str(&time(*at)),
        None => serializer.serialize_none(),
    }
}

/// Serializes a volume as gigabytes (MB / 1000).
pub fn gigabytes<S: Serializer>(volume: &Volume, serializer: S) -> Result<S::Ok, S::Error> {
    volume.serialize_gb(serializer)
}
