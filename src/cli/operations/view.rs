//! An operation as commands print it.

use crate::http::show;
use crate::store::Text;
use crate::store::attempts::Attempt;
use bappy_actors::model::{
    Cleanup, Failure, LinkId, Money, OperationId, OperationKind, OperationState, Timestamp,
};
use clap::ValueEnum;
use serde::Serialize;

/// What an operation that is not over waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Open {
    /// It runs, or will be brought to its end
    Pending,
    /// Refunded, and the operator may still hold something of it
    Watched,
    /// A person has to look
    Manual,
}

impl Open {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Watched => "watched",
            Self::Manual => "manual",
        }
    }
}

/// An operation.
#[derive(Serialize)]
pub(super) struct OperationView {
    pub id: OperationId,
    pub organization: String,
    pub kind: OperationKind,
    pub state: OperationState,
    pub cleanup: Cleanup,
    /// None once it is over.
    pub open: Option<Open>,
    pub link_id: LinkId,
    pub amount: Money,
    pub failure: Option<Failure>,
    #[serde(serialize_with = "show::at")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "show::at_or_null")]
    pub settled_at: Option<Timestamp>,
}

impl OperationView {
    pub(super) fn new(attempt: &Attempt, organization: String) -> Self {
        let open = match (attempt.state, attempt.cleanup) {
            (_, Cleanup::Manual) => Some(Open::Manual),
            (OperationState::Pending, _) => Some(Open::Pending),
            (_, Cleanup::Watching) => Some(Open::Watched),
            _ => None,
        };
        Self {
            id: attempt.id,
            organization,
            kind: attempt.kind,
            state: attempt.state,
            cleanup: attempt.cleanup,
            open,
            link_id: attempt.link_id,
            amount: attempt.amount,
            failure: attempt.failure,
            created_at: attempt.created_at,
            settled_at: attempt.settled_at,
        }
    }

    /// What it waits for, or how it ended.
    pub(super) fn standing(&self) -> &'static str {
        self.open.map_or_else(|| self.state.word(), Open::word)
    }

    /// In one line.
    pub(super) fn line(&self) -> String {
        let (kind, standing) = (self.kind.word(), self.standing());
        let failure = self.failure.map(|failure| format!(", {}", failure.word()));
        format!(
            "{} of {}: {kind} of {} is {standing}{}.",
            self.id,
            self.organization,
            self.amount,
            failure.unwrap_or_default()
        )
    }
}
