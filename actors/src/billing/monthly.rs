//! Runs the monthly fees by itself: on the 1st, or as soon afterwards as the service is up.
//!
//! Only the current month is charged so: a month in which the service never ran would come as a
//! surprise when it is over, and is for a person to decide (`bappy fees run --month`).

use super::METRICS;
use super::run::{FeeRun, FeeRunError};
use crate::metrics::{Job, job_succeeded};
use crate::model::{Month, Timestamp};
use crate::ports::{FeeBook, StoreError};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Looks whether something is to be done this often.
const POLL: Duration = Duration::from_mins(1);

/// A month is charged from this time of it on: a Link that was created in its last second is
/// committed by then, whatever it had to wait for.
const GRACE: Duration = Duration::from_mins(5);

/// The monthly fees of this instance.
pub struct MonthlyFees {
    run: FeeRun,
}

impl MonthlyFees {
    /// Runs `run` by itself.
    pub fn new(run: FeeRun) -> Self {
        Self { run }
    }

    /// Runs until the task is dropped or `stop` is notified.
    pub async fn run(self, stop: Arc<Notify>) {
        let mut stopped = std::pin::pin!(stop.notified());
        loop {
            let month = due_month(self.run.clock.now());
            let catching_up = async {
                let Some(month) = month else {
                    return job_succeeded(Job::Fees, self.run.clock.now());
                };
                match self.catch_up(month).await {
                    Ok(_) => job_succeeded(Job::Fees, self.run.clock.now()),
                    Err(error) => {
                        METRICS.failures.increment(1);
                        tracing::warn!(%month, %error, "the monthly fees are not all charged yet");
                    }
                }
            };
            // What is cut here is gone on with at the next start.
            tokio::select! {
                biased;
                () = &mut stopped => return,
                () = catching_up => {}
            }
            tokio::select! {
                biased;
                () = &mut stopped => return,
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Charges a month for every organization whose run is not complete; says how many it
    /// completed. One that cannot be charged keeps no other from it.
    pub async fn catch_up(&self, month: Month) -> Result<u64, FeeRunError> {
        let (mut completed, mut after, mut failed) = (0, None, None);
        loop {
            let payers = self.run.payers(Some(month), after).await?;
            let Some(last) = payers.last() else { return failed.map_or(Ok(completed), Err) };
            after = Some(last.org);
            for payer in payers {
                let tally = match self.run.charge(payer, month, |_| {}).await {
                    Ok(tally) => tally,
                    // The next would find it away as well.
                    Err(error @ FeeRunError::Store(StoreError::Unavailable(_))) => {
                        return Err(error);
                    }
                    Err(error) => {
                        tracing::warn!(org = %payer.org, %month, %error, "no monthly fees yet");
                        failed = failed.or(Some(error));
                        continue;
                    }
                };
                if tally.left == 0 {
                    let now = self.run.clock.now();
                    self.run.book.complete(payer.org, month, now).await?;
                    completed += 1;
                }
                if tally.charged + tally.suspended > 0 {
                    let (charged, suspended) = (tally.charged, tally.suspended);
                    tracing::info!(org = %payer.org, %month, charged, suspended, "monthly fees");
                }
            }
        }
    }
}

/// How many organizations there are whose fees of this month are not all charged, up to 100; none
/// before they fall due.
pub async fn unfinished_organizations(
    book: &dyn FeeBook,
    now: Timestamp,
) -> Result<usize, StoreError> {
    const SHOWN_MAX: i64 = 100;
    let Some(month) = due_month(now) else { return Ok(0) };
    Ok(book.payers(Some(month), None, SHOWN_MAX).await?.len())
}

/// The month whose fees are to be charged at a time; none in the first minutes of a month.
fn due_month(now: Timestamp) -> Option<Month> {
    let month = Month::of(now);
    (now >= month.begins_at() + GRACE).then_some(month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_charged_from_its_first_minutes_to_its_end() {
        for (time, month) in [
            ("2027-01-31T23:59:59Z", Some("2027-01")),
            ("2027-02-01T00:00:00Z", None),
            ("2027-02-01T00:04:59Z", None),
            ("2027-02-01T00:05:00Z", Some("2027-02")),
            ("2027-02-28T23:59:59Z", Some("2027-02")),
        ] {
            let expected = month.map(|month| month.parse().unwrap());
            assert_eq!(due_month(time.parse().unwrap()), expected, "{time}");
        }
    }
}
