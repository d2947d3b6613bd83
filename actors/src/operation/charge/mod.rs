//! Runs a charged operation for a caller who waits: a new Link, or plans added to one.
//!
//! The order is the point: card, room at the operator, debit, call, settlement or refund, answer.

mod card;
mod ending;
mod perform;

use ending::{refund, refund_added, refund_order, settle_added, settle_created};
use perform::perform;

use crate::gateway::Permit;
use crate::link::Mode;
use crate::model::{
    ActivationId, Cleanup, EntryId, LinkId, LinkStatus, Operation, OperationId, OperationKind,
    OperationState, Plan, PlanId, Request,
};
use crate::operation::finish::{self, CALL_TIME_MIN};
use crate::operation::operator_calls::Landed;
use crate::operation::{AddPlans, Caller, CreateLink, Ended, OperationError, Services, left};
use crate::ports::Guard;
use crate::wallet::{Command, CommandError, Debit};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// One charged call and what is known of it.
struct Item {
    debit: Debit,
    plan: Arc<Plan>,
    landed: Option<Landed>,
}

/// The time a call has, on the process's own clock.
#[derive(Clone, Copy)]
struct Deadline {
    at: Duration,
}

impl Deadline {
    fn left(self, services: &Services) -> Duration {
        left(self.at, services.clock.elapsed())
    }

    /// Until then a commit is awaited.
    fn commit_until(self, services: &Services) -> Duration {
        self.at + services.limits.commit_margin
    }
}

pub(super) async fn create_link(services: &Services, caller: Caller, create: CreateLink) -> Ended {
    let deadline = Deadline { at: services.clock.elapsed() + services.limits.deadline };
    let plan = match offered(services, &caller, create.plan).await {
        Ok(plan) => plan,
        Err(error) => return Ended::before_record(error),
    };
    let id = OperationId(services.ids.next());
    let card = card::claim(services, &caller, create.iccid.as_deref(), &plan, id).await;
    let mut sim = match card {
        Ok(sim) => sim,
        Err(error) => return Ended::before_record(error),
    };
    let request = Request::CreateLink {
        name: create.name.clone(),
        iccid: sim.iccid.clone(),
        operator_plan_id: plan.operator_plan_id.clone(),
    };
    let link_id = LinkId(services.ids.next());
    let (kind, iccid) = (OperationKind::CreateLink, sim.iccid.clone());
    let debit = debit(services, &caller, kind, link_id, &plan, (id, id, 0), request, iccid);
    let mut item = Item { debit, plan, landed: None };

    let mut permit = match open(services, std::slice::from_ref(&item), deadline).await {
        Ok(permit) => permit,
        Err(ended) => {
            if ended.operation_id.is_none() {
                services.sims.release(&sim.iccid, id).await;
            }
            return ended;
        }
    };
    let performed = perform(services, &mut item, Some(&mut sim), &mut permit, deadline).await;
    drop(permit);
    let ended = match performed {
        Ok(()) => settle_created(services, &caller, &item, &sim, create.name, deadline).await,
        Err((failure, cleanup)) => {
            let order = refund_order(services, &item, failure, cleanup);
            let ended = refund(services, &item.debit.operation, vec![order], failure, deadline);
            let ended = ended.await;
            if cleanup == Cleanup::None && !matches!(ended, OperationError::Unsettled) {
                services.sims.release(&sim.iccid, id).await;
            }
            Err(ended)
        }
    };
    Ended { operation_id: Some(id), result: ended }
}

pub(super) async fn add_plans(services: &Services, caller: Caller, add: AddPlans) -> Ended {
    let deadline = Deadline { at: services.clock.elapsed() + services.limits.deadline };
    let (org, left) = (caller.org, deadline.left(services));
    let entered = match super::enter(services, org, add.link, Mode::Shared, left).await {
        Ok(entered) => entered,
        Err(error) => return Ended::before_record(error),
    };
    let link = &*entered.link;
    if link.status != LinkStatus::Active {
        return Ended::before_record(OperationError::LinkState(link.status));
    }
    let mut plans = Vec::with_capacity(add.plans.len());
    for id in add.plans {
        match offered(services, &caller, id).await {
            Ok(plan) => plans.push(plan),
            Err(error) => return Ended::before_record(error),
        }
    }
    if plans.iter().any(|plan| plan.sponsor.id != link.sponsor.id) {
        return Ended::before_record(OperationError::OtherSponsor);
    }
    let group = OperationId(services.ids.next());
    let mut items = Vec::with_capacity(plans.len());
    for (plan, position) in plans.into_iter().zip(0..) {
        let id = if position == 0 { group } else { OperationId(services.ids.next()) };
        let request = Request::Topup {
            endpoint_id: link.endpoint_id.clone(),
            iccid: link.iccid.clone(),
            operator_plan_id: plan.operator_plan_id.clone(),
        };
        let (kind, iccid) = (OperationKind::Topup, link.iccid.clone());
        let place = (id, group, position);
        let debit = debit(services, &caller, kind, link.id, &plan, place, request, iccid);
        items.push(Item { debit, plan, landed: None });
    }
    let mut permit = match open(services, &items, deadline).await {
        Ok(permit) => permit,
        Err(ended) => return ended,
    };
    let mut failed = None;
    for (place, item) in items.iter_mut().enumerate() {
        if let Err(failure) = perform(services, item, None, &mut permit, deadline).await {
            failed = Some((place, failure));
            break;
        }
    }
    drop(permit);
    let result = match failed {
        None => settle_added(services, &caller, link, &items, deadline).await,
        Some((place, failure)) => {
            Err(refund_added(services, &items, place, failure, deadline).await)
        }
    };
    // The row that the Link's actor remembers stays good: a top-up changes nothing of what it is
    // asked for.
    services.links.usage_changed(caller.org, link.id).await;
    Ended { operation_id: Some(group), result }
}

/// A plan that the caller's organization may buy.
async fn offered(
    services: &Services,
    caller: &Caller,
    id: PlanId,
) -> Result<Arc<Plan>, OperationError> {
    services.offers.plan(caller.org, id).await?.ok_or(OperationError::NoPlan(id))
}

#[expect(clippy::too_many_arguments, reason = "the one place where an operation is made up")]
fn debit(
    services: &Services,
    caller: &Caller,
    kind: OperationKind,
    link_id: LinkId,
    plan: &Plan,
    (id, group_id, position): (OperationId, OperationId, i32),
    request: Request,
    iccid: String,
) -> Debit {
    let now = services.clock.now();
    let entry_id = EntryId(services.ids.next());
    let deadline_at = now + services.limits.deadline;
    let operation = Operation {
        id,
        org_id: caller.org,
        group_id,
        position,
        kind,
        state: OperationState::Pending,
        link_id,
        activation_id: Some(ActivationId(services.ids.next())),
        plan_id: Some(plan.id),
        amount: plan.price,
        debit_id: Some(entry_id),
        key: if position == 0 { caller.key.clone() } else { None },
        request,
        failure: None,
        cleanup: Cleanup::None,
        epoch: 0,
        attempts: 0,
        deadline_at,
        horizon_at: deadline_at + services.limits.horizon,
        created_at: now,
        settled_at: None,
    };
    let what = if kind == OperationKind::CreateLink { "Activation" } else { "Top-up" };
    Debit {
        operation,
        entry_id,
        iccid: Some(iccid),
        plan_name: Some(plan.name.clone()),
        description: format!("{what}: {}", plan.name),
        sms: None,
    }
}

/// Gets room at the operator, then debits the group. Behind it the operator may be called.
async fn open(services: &Services, items: &[Item], deadline: Deadline) -> Result<Permit, Ended> {
    let calls = u32::try_from(items.len()).ok().and_then(NonZeroU32::new);
    let calls = calls.unwrap_or(NonZeroU32::MIN);
    let patience = services.limits.patience.min(deadline.left(services));
    let permit = services.gateway.admit_in_advance(calls, patience).await;
    let permit = permit.map_err(|error| Ended::before_record(error.into()))?;
    let first = &items[0].debit.operation;
    // No time left to call: nothing is charged that could only be given back.
    if deadline.left(services) < CALL_TIME_MIN {
        return Err(Ended::before_record(OperationError::Overloaded));
    }
    let debits = Command::Debit(items.iter().map(|item| item.debit.clone()).collect());
    let until = deadline.commit_until(services);
    let refused = match finish::submit(services, first.org_id, debits, until).await {
        // Recorded already: by ourselves, in a commit whose answer was lost.
        Some(Ok(_) | Err(CommandError::Guarded(Guard::AlreadyOpen))) => return Ok(permit),
        None | Some(Err(CommandError::Lost)) => {
            let result = Err(OperationError::Unsettled);
            return Err(Ended { operation_id: Some(first.id), result });
        }
        Some(Err(error)) => error,
    };
    Err(Ended::before_record(finish::not_debited(refused)))
}
