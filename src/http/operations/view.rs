//! An operation as partners see it.

use crate::http::keyed_call::failure_kind;
use crate::http::openapi::ErrorCode;
use crate::http::show;
use crate::store::attempts::Attempt;
use bappy_actors::model::{LinkId, Money, OperationId, OperationKind, OperationState, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// An attempt to change something, and how it ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Operation)]
pub struct OperationView {
    id: OperationId,
    kind: OperationKind,
    state: OperationState,
    /// Null for a Link that was never made.
    link_id: Option<LinkId>,
    /// What it charges; given back where the state is `refunded`.
    amount: Money,
    /// Why it failed, where it did.
    error: Option<OperationError>,
    #[serde(serialize_with = "show::at")]
    created_at: Timestamp,
    /// Null while it is pending.
    #[serde(serialize_with = "show::at_or_null")]
    settled_at: Option<Timestamp>,
}

/// Why an operation failed.
#[derive(Debug, Serialize, ToSchema)]
struct OperationError {
    #[schema(value_type = ErrorCode)]
    code: &'static str,
    message: &'static str,
}

impl From<Attempt> for OperationView {
    fn from(operation: Attempt) -> Self {
        let error = operation.failure.map(|failure| {
            let kind = failure_kind(failure);
            OperationError { code: kind.code(), message: kind.message() }
        });
        let made = operation.state == OperationState::Succeeded;
        Self {
            id: operation.id,
            kind: operation.kind,
            state: operation.state,
            link_id: (made || operation.kind != OperationKind::CreateLink)
                .then_some(operation.link_id),
            amount: operation.amount,
            error,
            created_at: operation.created_at,
            settled_at: operation.settled_at,
        }
    }
}
