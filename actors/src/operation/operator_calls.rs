//! The calls that operations make to the operator, with their read-backs and their undoing.
//!
//! **Invariant.** What is read back or undone is found by our reference, never just by its card.

use super::step::Seen;
use crate::gateway::Permit;
use crate::model::{Operation, Request};
use crate::ports::{
    CallError, Endpoint, EndpointStatus, InstanceState, NewEndpoint, PlanInstance, Refusal,
    UnknownCause,
};
use std::time::Duration;

/// What an operation made at the operator.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Landed {
    /// The endpoint's id.
    pub endpoint_id: String,
    /// The number of a new endpoint.
    pub msisdn: Option<String>,
    /// The plan on it; none where only the endpoint was made: not to be settled, but to be undone.
    pub instance: Option<PlanInstance>,
}

/// Sends what a charged operation asks for.
pub(super) async fn send(
    permit: &mut Permit,
    operation: &Operation,
    left: Duration,
) -> Result<Landed, CallError> {
    let reference = operation.id.to_string();
    match &operation.request {
        Request::CreateLink { name, iccid, operator_plan_id } => {
            let name = name.as_deref().unwrap_or(&reference);
            let new = NewEndpoint { iccid, operator_plan_id, name, reference: reference.as_str() };
            let endpoint = permit
                .call(left, |operator, token, timeout| {
                    let new = new.clone();
                    async move { operator.create_endpoint(&token, new, timeout).await }
                })
                .await?;
            landed_endpoint(endpoint, iccid, &reference)
                .filter(|landed| landed.instance.is_some())
                .ok_or_else(|| unreadable("an endpoint without its card or plan"))
        }
        Request::Topup { endpoint_id, operator_plan_id, .. } => {
            let (endpoint, plan) = (endpoint_id.as_str(), operator_plan_id.as_str());
            let reference = reference.as_str();
            let instance = permit
                .call(left, |operator, token, timeout| async move {
                    operator.add_plan(&token, endpoint, plan, reference, timeout).await
                })
                .await?;
            if instance.reference.as_deref().is_some_and(|told| told != reference) {
                return Err(unreadable("a plan under another reference"));
            }
            Ok(Landed { endpoint_id: endpoint_id.clone(), msisdn: None, instance: Some(instance) })
        }
        Request::RemovePlans { .. } | Request::UpdateLink { .. } | Request::SendSms { .. } => {
            Err(CallError::Refused(Refusal::Other("not a charged operation".to_owned())))
        }
    }
}

fn unreadable(what: &str) -> CallError {
    CallError::Unknown(UnknownCause::Unreadable(what.to_owned()))
}

/// The result of a new endpoint: its card must be ours.
fn landed_endpoint(endpoint: Endpoint, iccid: &str, reference: &str) -> Option<Landed> {
    if endpoint.iccid != iccid {
        return None;
    }
    let of_ours = |p: &PlanInstance| p.reference.as_deref() == Some(reference);
    let place = endpoint.plans.iter().position(of_ours);
    let instance = endpoint.plans.into_iter().nth(place.unwrap_or(0));
    Some(Landed { endpoint_id: endpoint.endpoint_id, msisdn: endpoint.msisdn, instance })
}

/// Looks whether what an operation asked for is there. What is there but not whole is unreadable,
/// and told all the same: it can be undone.
pub(super) async fn read_back(
    permit: &mut Permit,
    operation: &Operation,
    left: Duration,
) -> (Seen, Option<Landed>) {
    let reference = operation.id.to_string();
    let read = match &operation.request {
        Request::CreateLink { iccid, .. } => {
            let iccid = iccid.as_str();
            let read = permit.call(left, |operator, token, timeout| async move {
                operator.endpoints_of_sim(&token, iccid, timeout).await
            });
            read.await.map(|endpoints| {
                let ours = endpoints.into_iter().find(|e| {
                    e.reference.as_deref() == Some(reference.as_str())
                        && e.status != EndpointStatus::Terminated
                });
                ours.map(|endpoint| landed_endpoint(endpoint, iccid, &reference))
            })
        }
        Request::Topup { endpoint_id, .. } => {
            let id = endpoint_id.as_str();
            let read = permit.call(left, |operator, token, timeout| async move {
                operator.endpoint(&token, id, timeout).await
            });
            read.await.map(|endpoint| {
                let endpoint =
                    endpoint.filter(|endpoint| endpoint.status != EndpointStatus::Terminated)?;
                let ours = endpoint.plans.into_iter().find(|plan| {
                    plan.reference.as_deref() == Some(reference.as_str())
                        && plan.state != InstanceState::Removed
                });
                ours.map(|instance| {
                    let endpoint_id = endpoint_id.clone();
                    Some(Landed { endpoint_id, msisdn: None, instance: Some(instance) })
                })
            })
        }
        Request::RemovePlans { .. } | Request::UpdateLink { .. } | Request::SendSms { .. } => {
            return (Seen::Unreadable, None);
        }
    };
    match read {
        Ok(Some(Some(landed))) if landed.instance.is_some() => (Seen::Found, Some(landed)),
        // There under our reference, but not as it should be: not to be settled, nor absent.
        Ok(Some(Some(landed))) => (Seen::Unreadable, Some(landed)),
        Ok(Some(None)) => (Seen::Unreadable, None),
        Ok(None) => (Seen::Absent, None),
        Err(error) => {
            tracing::warn!(operation = %operation.id, ?error, "read-back failed");
            (Seen::Unreadable, None)
        }
    }
}

/// Undoes what landed. Already gone is done.
pub(super) async fn undo(
    permit: &mut Permit,
    operation: &Operation,
    landed: &Landed,
    left: Duration,
) -> Result<(), CallError> {
    let endpoint = landed.endpoint_id.as_str();
    if matches!(operation.request, Request::CreateLink { .. }) {
        let terminated = permit.call(left, |operator, token, timeout| async move {
            operator.set_status(&token, endpoint, EndpointStatus::Terminated, timeout).await
        });
        return match terminated.await {
            Err(CallError::Refused(Refusal::NoEndpoint)) => Ok(()),
            ended => ended,
        };
    }
    match &landed.instance {
        Some(instance) => remove_plan(permit, endpoint, &instance.instance_id, left).await,
        None => Ok(()),
    }
}

/// Takes a plan off; already gone is done.
pub(super) async fn remove_plan(
    permit: &mut Permit,
    endpoint: &str,
    instance: &str,
    left: Duration,
) -> Result<(), CallError> {
    let removed = permit.call(left, |operator, token, timeout| async move {
        operator.remove_plan(&token, endpoint, instance, timeout).await
    });
    match removed.await {
        Ok(_) | Err(CallError::Refused(Refusal::NoInstance)) => Ok(()),
        Err(error) => Err(error),
    }
}
