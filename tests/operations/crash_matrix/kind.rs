//! What is asked for when the process dies.

use super::ground::Ground;
use super::outcome::Outcome;
use crate::load::{Call, Wish};

/// Operations of each kind, and of each shape that takes another path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    CreateEsim,
    CreatePhysical,
    Topup,
    /// Three plans at once, of which the second has the outcome.
    TopupGroup,
    /// Two plans at once, of which the second has the outcome.
    RemovePlans,
    Suspend,
    Reactivate,
    /// Of a Link of which a fee is due.
    ReactivateOwing,
    Rename,
    SendSms,
    /// The monthly job: one Link is charged, one is suspended because its fee is not covered, one
    /// owes nothing.
    MonthlyFees,
}

/// The key of every call.
pub const KEY: &str = "intent";

impl Kind {
    pub const ALL: [Self; 11] = [
        Self::CreateEsim,
        Self::CreatePhysical,
        Self::Topup,
        Self::TopupGroup,
        Self::RemovePlans,
        Self::Suspend,
        Self::Reactivate,
        Self::ReactivateOwing,
        Self::Rename,
        Self::SendSms,
        Self::MonthlyFees,
    ];

    /// What a client asks for; nobody asks for the monthly fees.
    pub fn call(self, ground: &Ground) -> Option<Call> {
        let active = ground.active.clone();
        let wish = match self {
            Self::CreateEsim => Wish::Create,
            Self::CreatePhysical => Wish::CreateOn(ground.card.clone()),
            Self::Topup => Wish::Topup(active, 1),
            Self::TopupGroup => Wish::Topup(active, 3),
            Self::RemovePlans => Wish::RemoveAll(active, ground.topups.clone()),
            Self::Suspend => Wish::Status(active, "suspended"),
            Self::Reactivate => Wish::Status(ground.suspended.clone(), "active"),
            Self::ReactivateOwing => Wish::Status(ground.owing.clone(), "active"),
            Self::Rename => Wish::Rename(active, "Renamed"),
            Self::SendSms => Wish::Sms(active, "The plan is nearly used up.".to_owned()),
            Self::MonthlyFees => return None,
        };
        Some(Call { key: KEY.to_owned(), wish })
    }

    /// The call to the operator whose outcome is scripted, and how many of them pass before.
    pub fn operation(self) -> (&'static str, usize) {
        match self {
            Self::CreateEsim | Self::CreatePhysical => ("create_endpoint", 0),
            Self::Topup => ("add_plan", 0),
            Self::TopupGroup => ("add_plan", 1),
            Self::RemovePlans => ("remove_plan", 1),
            Self::Suspend | Self::Reactivate | Self::ReactivateOwing | Self::MonthlyFees => {
                ("set_status", 0)
            }
            Self::Rename => ("none", 0),
            Self::SendSms => ("send_sms", 0),
        }
    }

    /// Whether an outcome makes sense of it.
    pub fn can_meet(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::InUse => matches!(self, Self::CreateEsim | Self::CreatePhysical),
            // It is not the operator's concern.
            _ => self != Self::Rename || outcome == Outcome::Yes,
        }
    }

    /// Whether it goes on behind its answer, or has none.
    pub fn is_in_background(self) -> bool {
        matches!(self, Self::SendSms | Self::MonthlyFees)
    }

    /// Whether it is charged and waited for: an error means that the money is back.
    pub fn is_charged(self) -> bool {
        matches!(
            self,
            Self::CreateEsim
                | Self::CreatePhysical
                | Self::Topup
                | Self::TopupGroup
                | Self::ReactivateOwing
        )
    }
}
