//! What is counted of operations and SMS.

use super::{Ended, OperationError};
use crate::labels;
use crate::metrics::{Family, counter_of, counters_of, gauge_of, histograms_of};
use crate::model::{OperationKind, OperationState};
use crate::wallet::Command;
use metrics::{Counter, Gauge, Histogram};
use std::sync::LazyLock;

pub(crate) static METRICS: LazyLock<OperationMetrics> = LazyLock::new(OperationMetrics::new);

labels!(OperationKind as "kind" {
    CreateLink = "create_link",
    Topup = "topup",
    RemovePlan = "remove_plan",
    UpdateLink = "update_link",
    SendSms = "send_sms",
});

/// The end of an operation, as the database has it.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Succeeded,
    Refunded,
    Rejected,
}
labels!(End as "end" {
    Succeeded = "succeeded",
    Refunded = "refunded",
    Rejected = "rejected",
});

/// The end of a call, as its caller hears it.
#[derive(Clone, Copy)]
pub(crate) enum Told {
    Done,
    Refused,
    Unavailable,
    Failed,
    Unsettled,
}
labels!(Told as "outcome" {
    Done = "done",
    Refused = "refused",
    Unavailable = "unavailable",
    Failed = "failed",
    Unsettled = "unsettled",
});

impl From<&Ended> for Told {
    fn from(ended: &Ended) -> Self {
        let Err(error) = &ended.result else { return Self::Done };
        match error {
            OperationError::NoLink
            | OperationError::NoSim
            | OperationError::SimInUse
            | OperationError::NoActivation
            | OperationError::LinkState(_)
            | OperationError::StatusChange { .. }
            | OperationError::ActivationOver
            | OperationError::NoPlan(_)
            | OperationError::OtherSponsor
            | OperationError::Refused(_)
            | OperationError::KeyTaken => Self::Refused,
            OperationError::NotAdmitted(_)
            | OperationError::SimHeld
            | OperationError::Overloaded
            | OperationError::Database(_)
            | OperationError::Defect(_) => Self::Unavailable,
            OperationError::Failed { .. } => Self::Failed,
            OperationError::Unsettled => Self::Unsettled,
        }
    }
}

/// How a look of the resolver at one operation ended.
#[derive(Clone, Copy)]
pub(crate) enum Resolved {
    Done,
    Failed,
}
labels!(Resolved as "outcome" { Done = "done", Failed = "failed" });

/// What became of a message that the operator had taken.
#[derive(Clone, Copy)]
pub(crate) enum Arrived {
    Delivered,
    Failed,
}
labels!(Arrived as "status" { Delivered = "delivered", Failed = "failed" });

pub(crate) struct OperationMetrics {
    pub calls: Family<(OperationKind, Told), Counter>,
    pub call_seconds: Family<OperationKind, Histogram>,
    pub running: Gauge,
    pub ends: Family<(OperationKind, End), Counter>,
    pub looks: Family<Resolved, Counter>,
    pub manual: Counter,
    pub sms_handed_over: Counter,
    pub sms_refunded: Counter,
    pub sms_arrived: Family<Arrived, Counter>,
}

impl OperationMetrics {
    fn new() -> Self {
        Self {
            calls: counters_of(
                "bappy_operation_calls_total",
                "Calls that partners wait for, by how they ended: refused is the partner's doing, \
                 unavailable is nothing charged, failed is given back, unsettled is a database \
                 that was lost in between",
            ),
            call_seconds: histograms_of(
                "bappy_operation_call_duration_seconds",
                "Time that a call took that a partner waits for",
            ),
            running: gauge_of(
                "bappy_operations_running",
                "Calls that run now on this instance, whether anybody still waits or not",
            ),
            ends: counters_of(
                "bappy_operations_ended_total",
                "Operations that this instance brought to their end",
            ),
            looks: counters_of(
                "bappy_resolver_looks_total",
                "Looks of the resolver at operations that were left, by whether they came to \
                 something",
            ),
            manual: counter_of(
                "bappy_operations_given_up_total",
                "Operations left to a person by this instance",
            ),
            sms_handed_over: counter_of(
                "bappy_sms_handed_over_total",
                "Messages that the operator has taken",
            ),
            sms_refunded: counter_of(
                "bappy_sms_refunded_total",
                "Messages that were given up, and given back",
            ),
            sms_arrived: counters_of(
                "bappy_sms_ended_total",
                "Messages whose end the operator has told",
            ),
        }
    }

    /// Counts the operations that ended with a command that was carried out.
    pub fn ended_with(&self, command: &Command) {
        match command {
            Command::Settle(ends) => {
                for end in ends {
                    let kind = match end.link {
                        Some(_) => OperationKind::CreateLink,
                        None => OperationKind::Topup,
                    };
                    self.ends.of((kind, End::Succeeded)).increment(1);
                }
            }
            Command::Refund(ends) => {
                for end in ends {
                    let operation = &end.debit.operation;
                    let charged = operation.debit_id.is_some();
                    let end = if charged { End::Refunded } else { End::Rejected };
                    self.ends.of((operation.kind, end)).increment(1);
                }
            }
            Command::Debit(_) | Command::Credit(_) | Command::LinkFee(_) => {}
        }
    }

    /// Counts an operation that ended beside its wallet.
    pub fn ended_as(&self, kind: OperationKind, state: OperationState) {
        let end = match state {
            OperationState::Pending => return,
            OperationState::Succeeded => End::Succeeded,
            OperationState::Refunded => End::Refunded,
            OperationState::Rejected => End::Rejected,
        };
        self.ends.of((kind, end)).increment(1);
    }
}
