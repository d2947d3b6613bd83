//! Periods of time that rows are asked for, and how they lie on UTC days. Called by the reads of
//! the ledger's entries and of its daily totals.

use bappy_actors::model::Timestamp;
use chrono::{NaiveDate, NaiveTime, TimeDelta};

/// From a time on, and up to but without another. Without a bound it is open on that side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// The first moment in it.
    pub from: Option<Timestamp>,
    /// The first moment past it.
    pub until: Option<Timestamp>,
}

impl Period {
    /// From the begin of a day to the end of another.
    pub fn of_days(first: NaiveDate, last: NaiveDate) -> Self {
        let until = last.succ_opt().map(begin);
        Self { from: Some(begin(first)), until }
    }

    /// Whether it is open on both sides.
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }

    /// Whether nothing can be in it.
    pub(super) fn is_empty(&self) -> bool {
        self.from.zip(self.until).is_some_and(|(from, until)| from >= until)
    }

    /// The first day of which some is in it.
    pub(super) fn first_day(&self) -> Option<NaiveDate> {
        self.from.map(|from| from.date_naive())
    }

    /// The last day of which some is in it.
    pub(super) fn last_day(&self) -> Option<NaiveDate> {
        // Times are kept in whole microseconds.
        self.until.map(|until| (until - TimeDelta::microseconds(1)).date_naive())
    }

    /// What of a day is in it, where some is and some is not.
    pub(super) fn cut(&self, day: NaiveDate) -> Option<(Timestamp, Timestamp)> {
        let (start, end) = (begin(day), begin(day) + TimeDelta::days(1));
        let from = self.from.map_or(start, |from| from.max(start));
        let until = self.until.map_or(end, |until| until.min(end));
        (from < until && (start < from || until < end)).then_some((from, until))
    }

    /// The days that it cuts, two at most, each with what of it is in the period.
    pub(super) fn cuts(&self) -> Vec<(NaiveDate, Timestamp, Timestamp)> {
        let mut days = vec![self.first_day(), self.last_day()];
        days.dedup();
        let days = days.into_iter().flatten();
        days.filter_map(|day| self.cut(day).map(|(from, until)| (day, from, until))).collect()
    }
}

/// When a UTC day begins.
fn begin(day: NaiveDate) -> Timestamp {
    day.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn whole_days_are_not_cut() {
        let period = Period::of_days(day("2026-11-22"), day("2026-11-23"));
        let bounds = (at("2026-11-22T00:00:00Z"), at("2026-11-24T00:00:00Z"));
        assert_eq!((period.from, period.until), (Some(bounds.0), Some(bounds.1)));
        let days = (Some(day("2026-11-22")), Some(day("2026-11-23")));
        assert_eq!((period.first_day(), period.last_day()), days);
        assert_eq!(period.cuts(), []);
        assert_eq!(Period::default().cuts(), []);
    }

    #[test]
    fn a_day_is_cut_where_a_bound_is_inside_of_it() {
        let (from, until) = (at("2026-11-22T00:00:00.000001Z"), at("2026-11-23T23:59:59.999999Z"));
        let midnight = at("2026-11-23T00:00:00Z");
        let period = Period { from: Some(from), until: Some(until) };
        let both = [(day("2026-11-22"), from, midnight), (day("2026-11-23"), midnight, until)];
        assert_eq!(period.cuts(), both);
        let (from, until) = (at("2026-11-22T10:00:00Z"), at("2026-11-22T11:00:00Z"));
        let within = Period { from: Some(from), until: Some(until) };
        assert_eq!(within.cuts(), [(day("2026-11-22"), from, until)]);
        let open = Period { from: None, until: Some(until) };
        assert_eq!(open.cuts(), [(day("2026-11-22"), at("2026-11-22T00:00:00Z"), until)]);
        assert_eq!(Period { from: Some(until), until: Some(from) }.cuts(), []);
    }
}
