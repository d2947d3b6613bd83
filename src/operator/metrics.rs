//! What is counted of calls to the operator.

use bappy_actors::labels;
use bappy_actors::metrics::{Family, counters_of, histograms_of};
use bappy_actors::ports::CallError;
use metrics::{Counter, Histogram};
use std::sync::LazyLock;

pub(super) static METRICS: LazyLock<OperatorMetrics> = LazyLock::new(|| OperatorMetrics {
    calls: counters_of(
        "bappy_operator_calls_total",
        "Calls to the operator: refused is a definite no, unreachable was never sent, unknown may \
         have taken effect",
    ),
    seconds: histograms_of(
        "bappy_operator_call_duration_seconds",
        "Time from the first byte of a call to the operator to the last one of its answer",
    ),
});

/// Makes all metrics of calls to the operator.
pub fn register() {
    LazyLock::force(&METRICS);
}

pub(super) struct OperatorMetrics {
    pub calls: Family<(Call, Outcome), Counter>,
    pub seconds: Family<Call, Histogram>,
}

/// A call of the operator protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Login,
    Catalogue,
    ListSims,
    GetSim,
    CreateEndpoint,
    GetEndpoint,
    FindEndpoint,
    AddPlan,
    RemovePlan,
    SetStatus,
    Connectivity,
    SendSms,
    FindSms,
    GetSms,
    Ping,
}
labels!(Call as "call" {
    Login = "login",
    Catalogue = "catalogue",
    ListSims = "list_sims",
    GetSim = "get_sim",
    CreateEndpoint = "create_endpoint",
    GetEndpoint = "get_endpoint",
    FindEndpoint = "find_endpoint",
    AddPlan = "add_plan",
    RemovePlan = "remove_plan",
    SetStatus = "set_status",
    Connectivity = "connectivity",
    SendSms = "send_sms",
    FindSms = "find_sms",
    GetSms = "get_sms",
    Ping = "ping",
});

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Refused,
    Unauthorized,
    Throttled,
    Unreachable,
    Unknown,
}
labels!(Outcome as "outcome" {
    Done = "done",
    Refused = "refused",
    Unauthorized = "unauthorized",
    Throttled = "throttled",
    Unreachable = "unreachable",
    Unknown = "unknown",
});

impl<T> From<&Result<T, CallError>> for Outcome {
    fn from(answer: &Result<T, CallError>) -> Self {
        match answer {
            Ok(_) => Self::Done,
            Err(CallError::Refused(_)) => Self::Refused,
            Err(CallError::Unauthorized) => Self::Unauthorized,
            Err(CallError::Throttled(_)) => Self::Throttled,
            Err(CallError::Unreachable) => Self::Unreachable,
            Err(CallError::Unknown(_)) => Self::Unknown,
        }
    }
}
