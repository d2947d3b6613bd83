//! What comes next in the life of a charged call to the operator: pure, a table of cases.
//!
//! **Invariants.** A definite no ends in a refund with nothing to clean up. An unknown outcome is
//! read back before anything is decided, and a refund after one is always watched. A call that
//! was sent with an unknown outcome is never sent again.

use crate::model::{Cleanup, Failure, Timestamp};
use crate::ports::{CallError, Refusal, UnknownCause};

/// Read-backs of one unknown outcome while a caller waits: a second and third try pass over a
/// single lost answer; more would only keep the caller waiting.
pub const READ_BACKS_MAX: u8 = 3;
/// Cards tried for one new Link, each found in use by somebody else.
pub const SIMS_TRIED_MAX: u8 = 5;
/// Times a throttled call is sent again.
pub const THROTTLED_MAX: u8 = 3;

/// What is asked of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// A new endpoint on any fresh card.
    Create,
    /// A new endpoint on the card that the partner named: there is no other.
    CreateOnCard,
    /// A plan on an endpoint.
    Add,
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// To be sent, or sent.
    Sending,
    /// Being read back, because its outcome is unknown: with the failure to tell if it is absent.
    ReadingBack(Failure),
    /// Being read back, because the card is in use: perhaps by ourselves.
    ReadingBackSim,
}

/// A charged call on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is asked.
    pub kind: CallKind,
    /// Where it is.
    pub phase: Phase,
    /// Read-backs made in this phase.
    pub reads: u8,
    /// Cards tried.
    pub sims: u8,
    /// Times it was throttled.
    pub throttled: u8,
}

impl Progress {
    /// A call that was not sent yet.
    pub fn new(kind: CallKind) -> Self {
        Self { kind, phase: Phase::Sending, reads: 0, sims: 1, throttled: 0 }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The operator did it.
    Done,
    /// The call failed.
    Failed(CallError),
    /// The read-back shows it.
    Found,
    /// The read-back shows that it is not there.
    Absent,
    /// It could not be read back.
    Unreadable,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send it (again, after the pause that the operator asked for).
    Send,
    /// Claim another card, store it, and send with that.
    SendWithOtherSim,
    /// Read it back.
    ReadBack,
    /// It is done: settle.
    Settle,
    /// It failed: refund.
    Refund(Failure, Cleanup),
}

/// The next step. `time_left`: whether another call to the operator fits before the deadline.
pub fn step(progress: Progress, event: &Event, time_left: bool) -> (Progress, Next) {
    let no = |failure| (progress, Next::Refund(failure, Cleanup::None));
    let watch = |failure| (progress, Next::Refund(failure, Cleanup::Watching));
    let read_back = |phase| {
        let reading = Progress { phase, reads: 1, ..progress };
        match (time_left, phase) {
            (true, _) => (reading, Next::ReadBack),
            (false, Phase::ReadingBack(failure)) => watch(failure),
            (false, _) => watch(Failure::ProvisioningFailed),
        }
    };
    match (progress.phase, event) {
        (_, Event::Done | Event::Found) => (progress, Next::Settle),
        (_, Event::Failed(error)) => match error {
            CallError::Refused(Refusal::SimInUse) if progress.kind != CallKind::Add => {
                read_back(Phase::ReadingBackSim)
            }
            CallError::Unauthorized => no(Failure::ConfigError),
            CallError::Unreachable => no(Failure::ProviderUnavailable),
            CallError::Throttled(_) if time_left && progress.throttled < THROTTLED_MAX => {
                (Progress { throttled: progress.throttled + 1, ..progress }, Next::Send)
            }
            CallError::Refused(_) | CallError::Throttled(_) => no(Failure::ProvisioningError),
            CallError::Unknown(UnknownCause::ErrorAnswer(_)) => {
                read_back(Phase::ReadingBack(Failure::ProvisioningError))
            }
            CallError::Unknown(_) => read_back(Phase::ReadingBack(Failure::ProvisioningFailed)),
        },
        (Phase::ReadingBackSim, Event::Absent) => {
            let other = progress.kind == CallKind::Create && progress.sims < SIMS_TRIED_MAX;
            if time_left && other {
                let sims = progress.sims + 1;
                (
                    Progress { phase: Phase::Sending, reads: 0, sims, ..progress },
                    Next::SendWithOtherSim,
                )
            } else {
                no(Failure::ProvisioningError)
            }
        }
        (Phase::ReadingBack(failure), Event::Absent) => watch(failure),
        // Nothing was sent that could be absent.
        (Phase::Sending, Event::Absent | Event::Unreadable) => watch(Failure::ProvisioningFailed),
        (phase, Event::Unreadable) => {
            if time_left && progress.reads < READ_BACKS_MAX {
                (Progress { reads: progress.reads + 1, ..progress }, Next::ReadBack)
            } else if let Phase::ReadingBack(failure) = phase {
                watch(failure)
            } else {
                watch(Failure::ProvisioningError)
            }
        }
    }
}

/// What a read-back shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is there.
    Found,
    /// It is not there.
    Absent,
    /// It could not be read.
    Unreadable,
}

/// What to do with an operation that was interrupted: nobody was told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// It took effect: settle.
    Settle,
    /// It may still take effect: look again later.
    Wait,
    /// It did not take effect in all the time it had: refund, and watch a while longer.
    RefundAndWatch,
}

/// Decides on an interrupted operation.
pub fn resume(seen: Seen, now: Timestamp, horizon_at: Timestamp) -> Resume {
    match seen {
        Seen::Found => Resume::Settle,
        Seen::Absent | Seen::Unreadable if now < horizon_at => Resume::Wait,
        Seen::Absent | Seen::Unreadable => Resume::RefundAndWatch,
    }
}

/// What to do for a refunded operation of which the operator may hold something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tidy {
    /// It landed: undo it.
    Undo,
    /// Look again later.
    Wait,
    /// Nothing is there and nothing can appear any more.
    Done,
    /// It cannot be settled by the program.
    Manual,
}

/// Decides on a refunded operation that is watched. Only what was read at or past `watch_until`
/// proves absence; past `give_up_at` a person has to look.
pub fn tidy(seen: Seen, now: Timestamp, watch_until: Timestamp, give_up_at: Timestamp) -> Tidy {
    match seen {
        Seen::Found if now < give_up_at => Tidy::Undo,
        Seen::Absent if now >= watch_until => Tidy::Done,
        Seen::Found | Seen::Absent | Seen::Unreadable if now >= give_up_at => Tidy::Manual,
        Seen::Found | Seen::Absent | Seen::Unreadable => Tidy::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(cause: UnknownCause) -> Event {
        Event::Failed(CallError::Unknown(cause))
    }

    fn run(kind: CallKind, events: &[Event]) -> Next {
        let mut progress = Progress::new(kind);
        let mut next = Next::Send;
        for event in events {
            (progress, next) = step(progress, event, true);
        }
        next
    }

    #[test]
    fn each_outcome_leads_to_its_end() {
        use CallError::{Refused, Throttled, Unauthorized, Unreachable};
        use Cleanup::{None, Watching};
        use Failure::{ConfigError, ProviderUnavailable, ProvisioningError, ProvisioningFailed};
        let fail = Event::Failed;
        let error_answer = error(UnknownCause::ErrorAnswer("500".into()));
        let cases: Vec<(CallKind, Vec<Event>, Next)> = vec![
            (CallKind::Add, vec![Event::Done], Next::Settle),
            (
                CallKind::Add,
                vec![fail(Refused(Refusal::NoPlan))],
                Next::Refund(ProvisioningError, None),
            ),
            (CallKind::Add, vec![fail(Unreachable)], Next::Refund(ProviderUnavailable, None)),
            (CallKind::Add, vec![fail(Unauthorized)], Next::Refund(ConfigError, None)),
            (CallKind::Add, vec![fail(Throttled(Option::None))], Next::Send),
            (CallKind::Add, vec![error_answer.clone()], Next::ReadBack),
            (CallKind::Add, vec![error_answer.clone(), Event::Found], Next::Settle),
            (
                CallKind::Add,
                vec![error_answer.clone(), Event::Absent],
                Next::Refund(ProvisioningError, Watching),
            ),
            (
                CallKind::Add,
                vec![error(UnknownCause::Cut), Event::Absent],
                Next::Refund(ProvisioningFailed, Watching),
            ),
            (CallKind::Add, vec![error(UnknownCause::TimedOut), Event::Unreadable], Next::ReadBack),
            (
                CallKind::Add,
                vec![
                    error(UnknownCause::TimedOut),
                    Event::Unreadable,
                    Event::Unreadable,
                    Event::Unreadable,
                ],
                Next::Refund(ProvisioningFailed, Watching),
            ),
            // A card in use is no reason to give up a new Link, but it is one for a plan.
            (CallKind::Create, vec![fail(Refused(Refusal::SimInUse))], Next::ReadBack),
            (
                CallKind::Create,
                vec![fail(Refused(Refusal::SimInUse)), Event::Absent],
                Next::SendWithOtherSim,
            ),
            (CallKind::Create, vec![fail(Refused(Refusal::SimInUse)), Event::Found], Next::Settle),
            // There is no other than the card that was named.
            (
                CallKind::CreateOnCard,
                vec![fail(Refused(Refusal::SimInUse)), Event::Found],
                Next::Settle,
            ),
            (
                CallKind::CreateOnCard,
                vec![fail(Refused(Refusal::SimInUse)), Event::Absent],
                Next::Refund(ProvisioningError, None),
            ),
            (
                CallKind::CreateOnCard,
                vec![
                    fail(Refused(Refusal::SimInUse)),
                    Event::Unreadable,
                    Event::Unreadable,
                    Event::Unreadable,
                ],
                Next::Refund(ProvisioningError, Watching),
            ),
            (
                CallKind::Add,
                vec![fail(Refused(Refusal::SimInUse))],
                Next::Refund(ProvisioningError, None),
            ),
        ];
        for (kind, events, next) in cases {
            assert_eq!(run(kind, &events), next, "{events:?}");
        }
    }

    #[test]
    fn an_operator_whose_cards_are_all_in_use_is_given_up() {
        let mut progress = Progress::new(CallKind::Create);
        let in_use = Event::Failed(CallError::Refused(Refusal::SimInUse));
        let mut sims = 1;
        loop {
            (progress, _) = step(progress, &in_use, true);
            let (after, next) = step(progress, &Event::Absent, true);
            progress = after;
            match next {
                Next::SendWithOtherSim => sims += 1,
                next => {
                    assert_eq!(next, Next::Refund(Failure::ProvisioningError, Cleanup::None));
                    break;
                }
            }
        }
        assert_eq!(sims, SIMS_TRIED_MAX);
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Failed(CallError::Refused(Refusal::SimInUse))),
            Just(Event::Failed(CallError::Refused(Refusal::NoPlan))),
            Just(Event::Failed(CallError::Unauthorized)),
            Just(Event::Failed(CallError::Unreachable)),
            Just(Event::Failed(CallError::Throttled(None))),
            Just(error(UnknownCause::Cut)),
            Just(error(UnknownCause::ErrorAnswer(String::new()))),
            Just(Event::Absent),
            Just(Event::Unreadable),
        ]
    }

    proptest! {
        /// Whatever happens, a call ends; and once its outcome was unknown it is not sent again
        /// and not refunded without a watch.
        #[test]
        fn every_call_ends_and_an_unknown_one_is_watched(
            kind in prop::sample::select(&[CallKind::Create, CallKind::CreateOnCard, CallKind::Add]),
            events in prop::collection::vec((any_event(), any::<bool>()), 64),
        ) {
            let mut progress = Progress::new(kind);
            let (mut was_unknown, mut ended, mut expects_read) = (false, false, false);
            for (event, time_left) in events {
                // A read-back answers with what was seen, a call with how it went.
                let is_seen = matches!(event, Event::Absent | Event::Unreadable);
                if is_seen != expects_read {
                    continue;
                }
                was_unknown |= matches!(event, Event::Failed(CallError::Unknown(_)));
                let (after, next) = step(progress, &event, time_left);
                progress = after;
                expects_read = next == Next::ReadBack;
                match next {
                    Next::Send | Next::SendWithOtherSim => prop_assert!(!was_unknown),
                    Next::Refund(_, cleanup) => {
                        prop_assert!(!was_unknown || cleanup == Cleanup::Watching);
                        ended = true;
                        break;
                    }
                    Next::Settle => unreachable!("nothing was done or found"),
                    Next::ReadBack => {}
                }
            }
            // 64 events that fit are more than any path has; few may fit.
            let _ = ended;
        }

        #[test]
        fn what_is_found_is_settled_or_undone_and_absence_is_believed_only_in_the_end(
            seen in prop_oneof![Just(Seen::Found), Just(Seen::Absent), Just(Seen::Unreadable)],
            now in 0i64..1000, horizon in 0i64..1000,
        ) {
            let at = |s| Timestamp::from_timestamp(s, 0).unwrap();
            match resume(seen, at(now), at(horizon)) {
                Resume::Settle => prop_assert_eq!(seen, Seen::Found),
                Resume::Wait => prop_assert!(now < horizon && seen != Seen::Found),
                Resume::RefundAndWatch => prop_assert!(now >= horizon && seen != Seen::Found),
            }
            match tidy(seen, at(now), at(horizon), at(horizon + 500)) {
                Tidy::Undo => prop_assert_eq!(seen, Seen::Found),
                Tidy::Done => prop_assert!(seen == Seen::Absent && now >= horizon),
                Tidy::Manual => prop_assert!(now >= horizon + 500 && seen != Seen::Absent),
                Tidy::Wait => prop_assert!(seen != Seen::Found),
            }
        }
    }
}
