//! What a run of the monthly fees did, or would do, with the Links of one organization.

use crate::model::{LinkStatus, Money, Month};
use crate::ports::Candidate;

/// Counts of Links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Looked at.
    pub links: u64,
    /// Charged.
    pub charged: u64,
    /// What was charged, in the wallet's currency.
    pub amount: Money,
    /// Not covered by the balance: suspended, and due when reactivated.
    pub suspended: u64,
    /// Suspended for an earlier fee, so that none falls due.
    pub waived: u64,
    /// Decided on by an earlier run, or another one at the same time.
    pub decided: u64,
    /// Not settled, because something else runs on the Link or the database was away: for the next
    /// run.
    pub left: u64,
}

impl Tally {
    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            links: self.links + other.links,
            charged: self.charged + other.charged,
            amount: self.amount.checked_add(other.amount).unwrap_or(self.amount),
            suspended: self.suspended + other.suspended,
            waived: self.waived + other.waived,
            decided: self.decided + other.decided,
            left: self.left + other.left,
        }
    }
}

/// What a run for a month does with a Link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: no fee falls due of it.
    Free,
    /// Nothing: its fee was decided on.
    Decided,
    /// Charges it, or has it suspended.
    Charge,
    /// Notes that no fee falls due.
    Waive,
    /// Has it suspended after all, for a fee that fell due earlier.
    Suspend,
    /// Leaves it to the next run: whether it is still suspended for a fee is not known yet.
    Later,
}

/// Decides on a Link for a month.
pub(super) fn verdict(candidate: &Candidate, month: Month) -> Verdict {
    let is_older = candidate.created_at < month.begins_at();
    if candidate.status == LinkStatus::Inactive || !is_older {
        return Verdict::Free;
    }
    match candidate.owes {
        // Its suspension failed for good, or is still under way.
        Some(_) if candidate.status == LinkStatus::Active => Verdict::Suspend,
        _ if candidate.is_decided => Verdict::Decided,
        Some(owed) if owed < month => Verdict::Waive,
        // A month before the one that it is suspended for.
        Some(_) => Verdict::Free,
        None if candidate.is_in_between => Verdict::Later,
        None => Verdict::Charge,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LinkId;
    use uuid::Uuid;

    fn candidate(created_at: &str, status: LinkStatus) -> Candidate {
        Candidate {
            link_id: LinkId(Uuid::nil()),
            iccid: String::new(),
            endpoint_id: String::new(),
            status,
            created_at: created_at.parse().unwrap(),
            is_decided: false,
            owes: None,
            is_in_between: false,
        }
    }

    fn month(text: &str) -> Month {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_fee_is_for_the_month_after_the_creation() {
        let late = candidate("2027-01-31T23:59:59.999999Z", LinkStatus::Active);
        assert_eq!(verdict(&late, month("2026-12")), Verdict::Free);
        assert_eq!(verdict(&late, month("2027-01")), Verdict::Free);
        assert_eq!(verdict(&late, month("2027-02")), Verdict::Charge);
        assert_eq!(verdict(&late, month("2028-02")), Verdict::Charge);
        let on_the_first = candidate("2027-02-01T00:00:00Z", LinkStatus::Active);
        assert_eq!(verdict(&on_the_first, month("2027-02")), Verdict::Free);
        assert_eq!(verdict(&on_the_first, month("2027-03")), Verdict::Charge);
    }

    #[test]
    fn a_link_costs_its_fee_until_it_is_inactive() {
        for (status, expected) in [
            (LinkStatus::Active, Verdict::Charge),
            (LinkStatus::Suspended, Verdict::Charge),
            (LinkStatus::Inactive, Verdict::Free),
        ] {
            let candidate = candidate("2026-06-01T00:00:00Z", status);
            assert_eq!(verdict(&candidate, month("2026-07")), expected, "{status:?}");
        }
    }

    #[test]
    fn a_link_that_owes_a_fee_owes_no_other() {
        let mut candidate = candidate("2026-06-01T00:00:00Z", LinkStatus::Suspended);
        candidate.owes = Some(month("2026-08"));
        assert_eq!(verdict(&candidate, month("2026-07")), Verdict::Free);
        assert_eq!(verdict(&candidate, month("2026-09")), Verdict::Waive);
        candidate.is_decided = true;
        assert_eq!(verdict(&candidate, month("2026-08")), Verdict::Decided);
        candidate.status = LinkStatus::Active;
        assert_eq!(verdict(&candidate, month("2026-08")), Verdict::Suspend);
        candidate.status = LinkStatus::Inactive;
        assert_eq!(verdict(&candidate, month("2026-08")), Verdict::Free);
    }

    #[test]
    fn a_link_that_is_being_reactivated_is_looked_at_later() {
        let mut candidate = candidate("2026-06-01T00:00:00Z", LinkStatus::Suspended);
        candidate.is_in_between = true;
        assert_eq!(verdict(&candidate, month("2026-09")), Verdict::Later);
        candidate.is_decided = true;
        assert_eq!(verdict(&candidate, month("2026-09")), Verdict::Decided);
    }
}
