//! `from` and `to` in a query: UTC dates, or times.
//!
//! **Invariant:** both bounds are inclusive: a date with its whole day, a time with its whole
//! millisecond, as times are shown with milliseconds.

use crate::http::field_errors::FieldErrors;
use crate::http::show;
use crate::store::period::Period;
use bappy_actors::model::Timestamp;
use chrono::{DateTime, Datelike, NaiveDate, SubsecRound, TimeDelta};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// One end of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// A UTC date.
    Date(NaiveDate),
    /// A time.
    Time(Timestamp),
}

impl Bound {
    /// Reads `2026-11-23`, or an RFC 3339 time. The years are those that both can be written with.
    fn parse(text: &str) -> Option<Self> {
        let bound = if text.len() == "2026-11-23".len() {
            let is_date = text.bytes().enumerate().all(|(place, byte)| match place {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
            Self::Date(text.parse().ok().filter(|_| is_date)?)
        } else {
            Self::Time(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
        };
        (1..=9999).contains(&bound.date().year()).then_some(bound)
    }

    /// The day that it is or lies in.
    pub(super) fn date(self) -> NaiveDate {
        match self {
            Self::Date(date) => date,
            Self::Time(time) => time.date_naive(),
        }
    }
}

/// The period from one bound to another; without one it is open on that side.
pub(super) fn between(from: Option<Bound>, to: Option<Bound>) -> Period {
    let from = from.and_then(|from| match from {
        Bound::Date(date) => Period::of_days(date, date).from,
        Bound::Time(time) => Some(time),
    });
    let until = to.and_then(|to| match to {
        Bound::Date(date) => Period::of_days(date, date).until,
        Bound::Time(time) => Some(time.trunc_subsecs(3) + TimeDelta::milliseconds(1)),
    });
    // What is past the last year that can be written is open: nothing is written there.
    Period { from, until: until.filter(|until| until.year() <= 9999) }
}

/// Notes a period that ends before it begins.
pub(super) fn check(from: Option<Bound>, to: Option<Bound>, errors: &mut FieldErrors) {
    let Period { from, until } = between(from, to);
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        errors.add("from", "from must not be after to.");
    }
}

impl PartialSchema for Bound {
    fn schema() -> RefOr<Schema> {
        let text = |format| {
            let format = Some(SchemaFormat::KnownFormat(format));
            ObjectBuilder::new().schema_type(Type::String).format(format)
        };
        AnyOfBuilder::new()
            .description(Some("A UTC date, with its whole day, or a time."))
            .item(text(KnownFormat::Date))
            .item(text(KnownFormat::DateTime))
            .into()
    }
}

impl ToSchema for Bound {
    fn name() -> Cow<'static, str> {
        "PeriodBound".into()
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(
                "must be a UTC date such as 2026-11-23, or an RFC 3339 time such as \
                 2026-11-23T05:23:00Z",
            )
        })
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Date(date) => date.serialize(serializer),
            Self::Time(time) => show::at(time, serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> Option<Bound> {
        Bound::parse(text)
    }

    #[test]
    fn a_bound_is_a_date_or_a_time_and_nothing_else() {
        for text in ["2026-11-23", "0001-01-01", "9999-12-31"] {
            assert_eq!(bound(text), Some(Bound::Date(text.parse().unwrap())));
        }
        let time = Some(Bound::Time("2026-11-23T05:23:00.123Z".parse().unwrap()));
        assert_eq!(bound("2026-11-23T05:23:00.123Z"), time);
        assert_eq!(bound("2026-11-23T07:23:00.123+02:00"), time);
        for text in [
            "",
            "2026-11-31",
            "2026-1-1",
            "20261123",
            "+2026-11-1",
            "2026-11-23T05:23",
            "0000-01-01",
            "2026-11-23 ",
            "yesterday",
            "1700000000",
            "2026-11-23T05:23:00",
            "９９９９",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(bound(text), None, "{text}");
        }
    }

    #[test]
    fn both_bounds_are_inclusive() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let day = between(bound("2026-11-23"), bound("2026-11-23"));
        assert_eq!((day.from, day.until), (at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z")));
        let same = bound("2026-11-23T05:23:00.123456Z");
        let moment = between(same, same);
        assert_eq!(moment.from, at("2026-11-23T05:23:00.123456Z"));
        assert_eq!(moment.until, at("2026-11-23T05:23:00.124Z"));
        assert_eq!(between(None, bound("9999-12-31")), Period::default());
        assert_eq!(between(None, bound("9999-12-31T23:59:59.999Z")), Period::default());
    }

    #[test]
    fn a_period_does_not_end_before_it_begins() {
        for (from, to, wrong) in [
            ("2026-11-23", "2026-11-23", false),
            ("2026-11-24", "2026-11-23", true),
            ("2026-11-23T10:00:00Z", "2026-11-23", false),
            ("2026-11-23", "2026-11-22T23:59:59.999Z", true),
            ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", false),
            ("2026-11-23T10:00:00.001Z", "2026-11-23T10:00:00Z", true),
        ] {
            let mut errors = FieldErrors::default();
            check(bound(from), bound(to), &mut errors);
            assert_eq!(!errors.is_empty(), wrong, "{from} to {to}");
        }
    }
}
