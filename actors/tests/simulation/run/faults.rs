//! How each call fares on its way: drawn when it is made.

use super::conditions::{Conditions, OperatorFaults, StoreFaults};
use crate::support::draws::Draws;
use bappy_actors::ports::{CallError, Refusal, UnknownCause};
use std::time::Duration;

/// Time on the way; no time is some turns of everybody else.
#[derive(Clone, Copy, Debug)]
pub enum Pause {
    Turns(u64),
    Time(Duration),
}

impl Pause {
    fn drawn(draws: &mut Draws, ms_max: u64) -> Self {
        match draws.below(4) {
            0 => Self::Turns(draws.below(4)),
            1 | 2 => Self::Time(Duration::from_millis(draws.between(1, ms_max.min(10)))),
            _ => Self::Time(Duration::from_millis(draws.between(1, ms_max))),
        }
    }

    pub async fn pass(self) {
        match self {
            Self::Turns(turns) => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
            }
            Self::Time(time) => tokio::time::sleep(time).await,
        }
    }
}

/// When, in the course of a call, its process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    Not,
    /// Before it leaves.
    Before,
    /// While it is on its way.
    OnTheWay,
    /// When it has taken effect.
    After,
}

impl Killed {
    pub fn drawn(draws: &mut Draws, per_myriad: u64) -> Self {
        if draws.below(10_000) >= per_myriad {
            return Self::Not;
        }
        draws.pick(&[Self::Before, Self::OnTheWay, Self::After])
    }
}

/// What becomes of a call to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFate {
    Answered,
    /// Delivered once more after a while.
    Twice(Duration),
    Away,
    /// The answer is lost, and nothing was written; or it was; or it will be.
    LostBefore,
    LostAfter,
    LostAndLate(Duration),
    Panic,
    PanicAfter,
}

impl StoreFate {
    pub fn drawn(draws: &mut Draws, faults: &StoreFaults, is_write: bool) -> Self {
        if draws.chance(faults.away) {
            return Self::Away;
        }
        if draws.chance(faults.panic) {
            return draws.pick(&[Self::Panic, Self::PanicAfter]);
        }
        if is_write && draws.chance(faults.lost) {
            let late = Self::LostAndLate(Duration::from_millis(draws.between(1, 30_000)));
            let soon = Self::LostAndLate(Duration::from_millis(draws.between(1, 300)));
            return draws.pick(&[Self::LostBefore, Self::LostAfter, late, soon]);
        }
        if is_write && draws.chance(faults.twice) {
            return Self::Twice(Duration::from_millis(draws.between(0, 3_000)));
        }
        Self::Answered
    }
}

/// What becomes of a call to the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorFate {
    Answered,
    /// Told without anything being done.
    Told(CallError),
    /// Done, and this told.
    Lost(UnknownCause),
    /// No answer; done after a while, or never.
    Hangs(Option<Duration>),
    /// Half of it is done.
    Half,
    Panic,
    PanicAfter,
}

impl OperatorFate {
    pub fn drawn(draws: &mut Draws, conditions: &Conditions, method: &str) -> Self {
        let OperatorFaults { refused, error, lost, hang, unreachable, half, panic, .. } =
            conditions.operator;
        if draws.chance(refused) {
            let refusal = draws.pick(&[Refusal::NotAllowed, Refusal::Other("422".to_owned())]);
            return Self::Told(CallError::Refused(refusal));
        }
        if draws.chance(error) {
            return Self::Told(CallError::Unknown(UnknownCause::ErrorAnswer("500".to_owned())));
        }
        if draws.chance(lost) {
            let wrapped = UnknownCause::ErrorAnswer("wrapped".to_owned());
            let unreadable = UnknownCause::Unreadable("empty".to_owned());
            return Self::Lost(draws.pick(&[UnknownCause::Cut, wrapped, unreadable]));
        }
        if draws.chance(hang) {
            let late_max = u64::try_from(conditions.late_max.as_millis()).unwrap();
            let soon = Duration::from_millis(draws.between(0, 10_000.min(late_max)));
            let late = Duration::from_millis(draws.between(0, late_max));
            return Self::Hangs(draws.pick(&[None, Some(soon), Some(late)]));
        }
        if draws.chance(unreachable) {
            let pause =
                draws.pick(&[None, Some(Duration::from_secs(1)), Some(Duration::from_mins(1))]);
            let throttled = CallError::Throttled(pause);
            return Self::Told(draws.pick(&[CallError::Unreachable, throttled]));
        }
        if method == "op_create" && draws.chance(half) {
            return Self::Half;
        }
        if draws.chance(panic) {
            return draws.pick(&[Self::Panic, Self::PanicAfter]);
        }
        Self::Answered
    }
}

/// The way to somewhere and back.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    pub there: Pause,
    pub back: Pause,
}

impl Ways {
    pub fn drawn(draws: &mut Draws, ms_max: u64) -> Self {
        Self { there: Pause::drawn(draws, ms_max), back: Pause::drawn(draws, ms_max) }
    }
}
