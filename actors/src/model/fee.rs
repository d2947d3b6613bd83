//! Monthly fees: what each Link that is not inactive costs once a calendar month.

use super::{EntryId, LinkId, Money, Timestamp};
use chrono::{Datelike, NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A calendar month in UTC; as text `2026-12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    /// Its first day.
    first: NaiveDate,
}

impl Month {
    /// The month that a time is in.
    pub fn of(at: Timestamp) -> Self {
        let day = at.date_naive();
        Self { first: day.with_day(1).unwrap_or(day) }
    }

    /// When it begins.
    pub fn begins_at(self) -> Timestamp {
        self.first.and_time(NaiveTime::MIN).and_utc()
    }

    /// The month after it; at the end of the calendar itself.
    #[must_use]
    pub fn next(self) -> Self {
        let next = self.first.checked_add_months(chrono::Months::new(1));
        Self { first: next.unwrap_or(self.first) }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// A text is not a month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a month; write one such as 2026-12")]
pub struct NotAMonth(String);

impl FromStr for Month {
    type Err = NotAMonth;

    fn from_str(text: &str) -> Result<Self, NotAMonth> {
        let no = || NotAMonth(text.to_owned());
        let (year, month) = text.split_once('-').ok_or_else(no)?;
        let digits =
            |part: &str, len| part.len() == len && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return Err(no());
        }
        let (year, month) = (year.parse().map_err(|_| no())?, month.parse().map_err(|_| no())?);
        Ok(Self { first: NaiveDate::from_ymd_opt(year, month, 1).ok_or_else(no)? })
    }
}

impl TryFrom<String> for Month {
    type Error = NotAMonth;

    fn try_from(text: String) -> Result<Self, NotAMonth> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

/// A Link's fee of a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFee {
    /// The Link.
    pub link_id: LinkId,
    /// The month.
    pub month: Month,
    /// What it costs; above zero.
    pub amount: Money,
}

impl LinkFee {
    /// What the ledger says of it.
    pub fn description(&self) -> String {
        format!("Link fee: {}", self.month)
    }
}

/// A fee that a ledger entry charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChargedFee {
    /// The fee.
    pub fee: LinkFee,
    /// Whether it was due, and is paid to reactivate its Link.
    pub was_due: bool,
    /// The entry.
    pub entry_id: EntryId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_text_with_four_digits_and_two() {
        let december: Month = "2026-12".parse().unwrap();
        assert_eq!(december.to_string(), "2026-12");
        assert_eq!(december.next().to_string(), "2027-01");
        for text in ["", "2026", "2026-13", "2026-00", "26-12", "2026-1", "2026-012", "+026-12"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        assert!("2026-02".parse::<Month>().unwrap() < "2026-11".parse().unwrap());
    }

    #[test]
    fn a_month_begins_at_midnight_utc_and_holds_its_last_moment() {
        let january: Month = "2027-01".parse().unwrap();
        assert_eq!(january.begins_at().to_rfc3339(), "2027-01-01T00:00:00+00:00");
        for (time, month) in [
            ("2027-01-31T23:59:59.999999Z", "2027-01"),
            ("2027-02-01T00:00:00Z", "2027-02"),
            ("2028-02-29T12:00:00Z", "2028-02"),
            ("2026-12-31T23:59:59Z", "2026-12"),
            ("2027-01-01T00:30:00+01:00", "2026-12"),
        ] {
            assert_eq!(Month::of(time.parse().unwrap()).to_string(), month, "{time}");
        }
    }
}
