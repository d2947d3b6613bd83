//! What comes next in the life of a queued SMS: pure, a table of cases.
//!
//! **Invariants.** What may be with the operator is not sent again. It is given up only once it
//! was read to be absent when nothing of it could land any more: what cannot be read is no proof.

use crate::model::{Failure, Timestamp};
use crate::ports::{CallError, SmsReport};
use std::time::Duration;

/// What to do with a queued message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Store that it may be sent, and send it.
    Send,
    /// Look whether it is there.
    Look,
    /// It was never sent, and its time is over.
    GiveUp,
}

/// Whose turn it is, by whether it may have been sent.
pub(super) fn turn(
    attempted_at: Option<Timestamp>,
    now: Timestamp,
    deadline_at: Timestamp,
) -> Turn {
    match attempted_at {
        Some(_) => Turn::Look,
        None if now < deadline_at => Turn::Send,
        None => Turn::GiveUp,
    }
}

/// How a message goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The operator has it: settle.
    Settle(SmsReport),
    /// It has not, and never will: refund.
    Refund(Failure),
    /// It was not sent: it may be sent again, not before the pause that the operator asked for.
    NotSent(Option<Duration>),
    /// It may be there: look now.
    Look,
    /// Look again later; at the time given what is seen becomes certain.
    LookAgain(Timestamp),
    /// It cannot be settled by the program.
    Manual,
}

/// What the answer to a sent message means.
pub(super) fn sent(answer: Result<SmsReport, CallError>) -> Next {
    match answer {
        Ok(report) => Next::Settle(report),
        Err(CallError::Refused(_)) => Next::Refund(Failure::ProvisioningError),
        Err(CallError::Throttled(pause)) => Next::NotSent(pause),
        Err(CallError::Unauthorized | CallError::Unreachable) => Next::NotSent(None),
        Err(CallError::Unknown(_)) => Next::Look,
    }
}

/// When what is known of a message that may have been sent becomes certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// What is not there when it is looked for from then on was never sent.
    pub certain_at: Timestamp,
    /// What could not be read until then is left to a person.
    pub give_up_at: Timestamp,
}

/// What a look shows; none: it could not be read.
pub(super) type Look = Option<Option<SmsReport>>;

/// What a look that began at `at` means.
pub(super) fn looked(look: Look, at: Timestamp, bounds: Bounds) -> Next {
    match look {
        Some(Some(report)) => Next::Settle(report),
        Some(None) if at >= bounds.certain_at => Next::Refund(Failure::ProvisioningFailed),
        None if at >= bounds.give_up_at => Next::Manual,
        Some(None) | None => Next::LookAgain(bounds.certain_at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{Refusal, SmsState, UnknownCause};
    use proptest::prelude::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_timestamp(s, 0).unwrap()
    }

    fn report() -> SmsReport {
        SmsReport { sms_id: "S".to_owned(), state: SmsState::Accepted }
    }

    #[test]
    fn each_answer_leads_to_its_end() {
        let pause = Some(Duration::from_secs(3));
        let cases = [
            (Ok(report()), Next::Settle(report())),
            (
                Err(CallError::Refused(Refusal::NotAllowed)),
                Next::Refund(Failure::ProvisioningError),
            ),
            (Err(CallError::Throttled(pause)), Next::NotSent(pause)),
            (Err(CallError::Unauthorized), Next::NotSent(None)),
            (Err(CallError::Unreachable), Next::NotSent(None)),
            (Err(CallError::Unknown(UnknownCause::Cut)), Next::Look),
            (Err(CallError::Unknown(UnknownCause::TimedOut)), Next::Look),
            (Err(CallError::Unknown(UnknownCause::ErrorAnswer("500".into()))), Next::Look),
        ];
        for (answer, next) in cases {
            assert_eq!(sent(answer.clone()), next, "{answer:?}");
        }
    }

    #[test]
    fn only_what_was_never_attempted_is_sent_and_only_in_time() {
        assert_eq!(turn(None, at(0), at(1)), Turn::Send);
        assert_eq!(turn(None, at(1), at(1)), Turn::GiveUp);
        assert_eq!(turn(Some(at(0)), at(0), at(1)), Turn::Look);
        assert_eq!(turn(Some(at(0)), at(9), at(1)), Turn::Look);
    }

    proptest! {
        #[test]
        fn what_is_there_is_settled_and_only_certain_absence_is_refunded(
            seen in 0..3, now in 0i64..1000, certain in 0i64..1000,
        ) {
            let look = match seen { 0 => Some(Some(report())), 1 => Some(None), _ => None };
            let bounds = Bounds { certain_at: at(certain), give_up_at: at(certain + 100) };
            match looked(look.clone(), at(now), bounds) {
                Next::Settle(_) => prop_assert_eq!(look, Some(Some(report()))),
                Next::Refund(_) => prop_assert!(look == Some(None) && now >= certain),
                Next::Manual => prop_assert!(look.is_none() && now >= certain + 100),
                Next::LookAgain(by) => prop_assert!(
                    by == at(certain) && (
                    (look == Some(None) && now < certain) || (look.is_none() && now < certain + 100))
                ),
                next => prop_assert!(false, "{next:?}"),
            }
        }
    }
}
