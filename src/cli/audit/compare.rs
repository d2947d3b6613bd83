//! What differs between a Link and its endpoint at the operator: pure, no I/O.
//!
//! The plan instances that are neither removed nor expired, on an endpoint that is not terminated,
//! under our references, are the Link's activations in force. What is under no reference of ours
//! is not ours to judge.
//!
//! **Invariant:** what ends at about this time is right either way: the clocks of the service, of
//! the operator and of whoever audits are three.

use crate::store::audit::{LinkInForce, Reference};
use bappy_actors::model::{Cleanup, LinkStatus, OperationId, OperationState, Timestamp};
use bappy_actors::ports::{Endpoint, EndpointStatus, InstanceState, PlanInstance};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// As far as clocks may be apart: machines that are kept in time are so to milliseconds, and one
/// that is further off than this breaks tokens first.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(1);

/// Something that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Which rule it breaks.
    pub rule: &'static str,
    /// The Link, operation or activation.
    pub subject: Uuid,
    /// What is wrong, in a sentence.
    pub detail: String,
}

/// Our operations, by their ids.
pub(super) type References = HashMap<OperationId, Reference>;

/// The references on an endpoint that may be ours.
pub(super) fn references(endpoint: &Endpoint) -> Vec<OperationId> {
    let all = endpoint.plans.iter().map(|plan| plan.reference.as_deref());
    let ids = all.chain([endpoint.reference.as_deref()]).filter_map(operation);
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What differs between a Link and its endpoint.
pub(super) fn differences(
    link: &LinkInForce,
    endpoint: Option<&Endpoint>,
    known: &References,
    now: Timestamp,
) -> Vec<Difference> {
    let inactive = link.status == LinkStatus::Inactive;
    let of_link = |detail: &str| {
        let detail = format!("endpoint {}: {detail}", link.endpoint_id);
        Difference { rule: "endpoint", subject: link.key.1.0, detail }
    };
    let mut found = Vec::new();
    let Some(endpoint) = endpoint else {
        if !inactive {
            found
                .push(of_link("the operator knows no such endpoint, and the Link is not inactive"));
        }
        return found;
    };
    if endpoint.status == EndpointStatus::Terminated {
        if !inactive {
            found.push(of_link("it is terminated, and the Link is not inactive"));
        }
        return found;
    }
    if inactive {
        found.push(of_link("it is not terminated, and the Link is inactive"));
    }
    if endpoint.iccid != link.iccid {
        found.push(of_link("it is of another card"));
    }
    let made_by = operation(endpoint.reference.as_deref()).and_then(|id| known.get(&id));
    if let Some(made_by) = made_by.filter(|reference| left_nothing(reference)) {
        found.push(refunded(made_by.id, &format!("endpoint {}", endpoint.endpoint_id)));
    }
    compare_instances(link, endpoint, known, now, &mut found);
    found
}

fn compare_instances(
    link: &LinkInForce,
    endpoint: &Endpoint,
    known: &References,
    now: Timestamp,
    found: &mut Vec<Difference>,
) {
    // Over by one of the clocks, or about to be.
    let over = |at: Option<Timestamp>| at.is_some_and(|at| at <= now + CLOCKS_APART);
    let in_force: BTreeSet<OperationId> =
        link.activations.iter().map(|activation| activation.operation_id).collect();
    let by_instance: HashMap<&str, OperationId> =
        link.activations.iter().map(|a| (a.instance_id.as_str(), a.operation_id)).collect();
    // An operator that echoes no reference is met by its own ids.
    let ours = |plan: &PlanInstance| match &plan.reference {
        Some(reference) => operation(Some(reference)),
        None => by_instance.get(plan.instance_id.as_str()).copied(),
    };
    let (mut live, mut ended) = (BTreeMap::new(), BTreeSet::new());
    for plan in &endpoint.plans {
        let Some(id) = ours(plan) else { continue };
        match plan.state {
            InstanceState::Active | InstanceState::Depleted => {
                let (count, is_over) = live.entry(id).or_insert((0_u32, true));
                *count += 1;
                *is_over &= over(plan.expires_at);
            }
            // Its time is over, and we have not read that yet.
            InstanceState::Expired if over(plan.expires_at) => drop(ended.insert(id)),
            InstanceState::Expired | InstanceState::Removed => {}
        }
    }
    for (id, (count, is_over)) in &live {
        let Some(reference) = known.get(id) else { continue };
        let place = format!("a plan on endpoint {}", endpoint.endpoint_id);
        if left_nothing(reference) {
            found.push(refunded(*id, &place));
        } else if reference.state == OperationState::Succeeded {
            if *count > 1 {
                let detail = format!("{count} plans on endpoint {}", endpoint.endpoint_id);
                found.push(instance(*id, &format!("{detail} carry its reference")));
            }
            if !in_force.contains(id) && !is_over {
                found.push(instance(*id, &format!("{place} stands, and its activation does not")));
            }
        }
    }
    for activation in &link.activations {
        let id = activation.operation_id;
        if !over(activation.expires_at) && !live.contains_key(&id) && !ended.contains(&id) {
            let detail = format!(
                "the activation is in force, and endpoint {} has no such plan",
                endpoint.endpoint_id
            );
            found.push(Difference { rule: "instance", subject: activation.id.0, detail });
        }
    }
}

/// What of a refunded creation of a Link still stands on its card's endpoints.
pub(super) fn remains(id: OperationId, endpoints: &[Endpoint]) -> Vec<Difference> {
    let standing = endpoints.iter().filter(|e| e.status != EndpointStatus::Terminated);
    let carries = |reference: Option<&str>| operation(reference) == Some(id);
    let live = |plan: &PlanInstance| {
        matches!(plan.state, InstanceState::Active | InstanceState::Depleted)
            && carries(plan.reference.as_deref())
    };
    standing
        .filter(|e| carries(e.reference.as_deref()) || e.plans.iter().any(live))
        .map(|endpoint| refunded(id, &format!("endpoint {}", endpoint.endpoint_id)))
        .collect()
}

/// Whether an operation is over without effect, and nothing of it may stand.
fn left_nothing(reference: &Reference) -> bool {
    matches!(reference.state, OperationState::Refunded | OperationState::Rejected)
        && matches!(reference.cleanup, Cleanup::None | Cleanup::Done)
}

fn refunded(id: OperationId, what: &str) -> Difference {
    let detail = format!("{what} carries its reference, and it was refunded");
    Difference { rule: "refunded", subject: id.0, detail }
}

fn instance(id: OperationId, detail: &str) -> Difference {
    Difference { rule: "instance", subject: id.0, detail: detail.to_owned() }
}

fn operation(reference: Option<&str>) -> Option<OperationId> {
    Uuid::try_parse(reference?).ok().map(OperationId)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit::ActivationInForce;
    use bappy_actors::model::{ActivationId, LinkId, OrgId, Volume};

    const ID: Uuid = Uuid::from_u128(7);

    /// What differs `now_s` seconds from the end of a plan, which stands so at the operator, while
    /// its activation is in force here or not.
    fn at(now_s: i64, state: InstanceState, is_in_force: bool) -> Vec<&'static str> {
        let (link_id, operation_id) = (LinkId(ID), OperationId(ID));
        let end = Timestamp::UNIX_EPOCH;
        let activation = ActivationInForce {
            id: ActivationId(ID),
            instance_id: "pi".to_owned(),
            operation_id,
            expires_at: Some(end),
        };
        let link = LinkInForce {
            key: (OrgId(ID), link_id),
            iccid: "8901".to_owned(),
            endpoint_id: "ep".to_owned(),
            status: LinkStatus::Active,
            activations: is_in_force.then_some(activation).into_iter().collect(),
        };
        let plan = PlanInstance {
            instance_id: "pi".to_owned(),
            operator_plan_id: "plan".to_owned(),
            reference: Some(ID.to_string()),
            state,
            data_total: Volume::ZERO,
            data_used: Volume::ZERO,
            first_used_at: None,
            activated_at: None,
            expires_at: Some(end),
        };
        let endpoint = Endpoint {
            endpoint_id: "ep".to_owned(),
            iccid: "8901".to_owned(),
            msisdn: None,
            status: EndpointStatus::Active,
            reference: Some(ID.to_string()),
            plans: vec![plan],
        };
        let (state, cleanup) = (OperationState::Succeeded, Cleanup::None);
        let known = Reference { id: operation_id, link_id, state, cleanup };
        let known = References::from([(operation_id, known)]);
        let now = end + TimeDelta::seconds(now_s);
        let found = differences(&link, Some(&endpoint), &known, now);
        found.into_iter().map(|difference| difference.rule).collect()
    }

    #[test]
    fn about_its_end_a_plan_may_stand_on_either_side() {
        for now_s in [-60, -5, 0, 5, 3_600] {
            for (state, is_in_force) in [
                (InstanceState::Active, true),
                (InstanceState::Active, false),
                (InstanceState::Depleted, false),
                (InstanceState::Expired, true),
                (InstanceState::Expired, false),
            ] {
                assert_eq!(at(now_s, state, is_in_force), [""; 0], "{now_s} {state:?}");
            }
        }
    }

    #[test]
    fn before_its_end_it_stands_on_both() {
        assert_eq!(at(-61, InstanceState::Active, true), [""; 0]);
        assert_eq!(at(-61, InstanceState::Expired, false), [""; 0]);
        for (state, is_in_force) in [
            (InstanceState::Active, false),
            (InstanceState::Depleted, false),
            (InstanceState::Expired, true),
            (InstanceState::Removed, true),
        ] {
            assert_eq!(at(-61, state, is_in_force), ["instance"], "{state:?}");
        }
    }
}
