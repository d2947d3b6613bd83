//! Runs a charged operation for a caller who waits: a new Link, or plans added to one.
//!
//! The order is the point: card, room at the operator, debit, call, settlement or refund, answer.

use super::finish::{self, Commit};
use super::operator_calls::{self, Landed};
use super::step::{self, CallKind, Event, Next, Phase, Progress, Seen};
use super::{AddPlans, Caller, CreateLink, Ended, OperationError, Services, left};
use crate::gateway::{NotAdmitted, Permit, SimPoolError};
use crate::link::Mode;
use crate::model::{
    ActivationId, Answer, Cleanup, EntryId, Failure, Link, LinkId, LinkStatus, Operation,
    OperationId, OperationKind, OperationState, Plan, PlanId, Request,
};
use crate::ports::{CallError, Guard, SimCard};
use crate::wallet::{Command, CommandError, Debit, RefundOrder};
use std::{num::NonZeroU32, sync::Arc, time::Duration};

/// Another call to the operator is not begun with less time than this.
const CALL_TIME_MIN: Duration = Duration::from_millis(50);
/// Pause before a throttled call is sent again, where the operator names none.
const THROTTLED_PAUSE: Duration = Duration::from_millis(250);
/// Pause before a read-back that failed is made again.
const READ_BACK_PAUSE: Duration = Duration::from_millis(100);

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
    let patience = services.limits.patience;
    let mut sim = match services.sims.claim(&plan.sponsor.id, id, patience).await {
        Ok(sim) => sim,
        Err(error) => return Ended::before_record(no_sim(error)),
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
    services.links.changed(caller.org, link.id).await;
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
    }
}

/// Gets room at the operator, then debits the group. Behind it the operator may be called.
async fn open(services: &Services, items: &[Item], deadline: Deadline) -> Result<Permit, Ended> {
    let calls = u32::try_from(items.len()).ok().and_then(NonZeroU32::new);
    let calls = calls.unwrap_or(NonZeroU32::MIN);
    let patience = services.limits.patience.min(deadline.left(services));
    let permit = services.gateway.admit(calls, patience).await;
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
    Err(Ended::before_record(match refused {
        CommandError::Refused(refused) => refused.into(),
        CommandError::Guarded(_) => OperationError::KeyTaken,
        CommandError::Overloaded => OperationError::Overloaded,
        CommandError::NoWallet => OperationError::Database("no such wallet".to_owned()),
        CommandError::Unavailable(why) => OperationError::Database(why),
        CommandError::Lost => OperationError::Unsettled,
    }))
}

fn no_sim(error: SimPoolError) -> OperationError {
    match error {
        SimPoolError::Store(error) => error.into(),
        SimPoolError::NotAdmitted(error) => error.into(),
        SimPoolError::Empty => {
            tracing::error!("the operator has no free card left");
            NotAdmitted::NoRoom.into()
        }
        SimPoolError::Operator(error) => {
            tracing::warn!(?error, "the operator's free cards could not be listed");
            match error {
                CallError::Unauthorized => NotAdmitted::CredentialsRefused.into(),
                _ => NotAdmitted::NoRoom.into(),
            }
        }
    }
}

/// Has the operator do it, as [`step`] says.
async fn perform(
    services: &Services,
    item: &mut Item,
    mut sim: Option<&mut SimCard>,
    permit: &mut Permit,
    deadline: Deadline,
) -> Result<(), (Failure, Cleanup)> {
    let kind = if sim.is_some() { CallKind::Create } else { CallKind::Add };
    let mut progress = Progress::new(kind);
    let mut next = Next::Send;
    loop {
        let event = match next {
            Next::Settle => return Ok(()),
            Next::Refund(failure, cleanup) => return Err((failure, cleanup)),
            // Not sent at all: there is nothing to look for.
            // Both clocks: the process's own stands still while a machine sleeps.
            Next::Send | Next::SendWithOtherSim
                if deadline.left(services) < CALL_TIME_MIN
                    || services.clock.now() >= item.debit.operation.deadline_at =>
            {
                return Err((Failure::ProvisioningFailed, Cleanup::None));
            }
            Next::Send => send(item, permit, deadline.left(services)).await,
            Next::SendWithOtherSim => match &mut sim {
                Some(sim) => match other_sim(services, item, sim, deadline).await {
                    Some(()) => send(item, permit, deadline.left(services)).await,
                    None => return Err((Failure::ProvisioningError, Cleanup::None)),
                },
                None => return Err((Failure::ProvisioningError, Cleanup::None)),
            },
            Next::ReadBack => {
                if progress.reads > 1 {
                    tokio::time::sleep(READ_BACK_PAUSE).await;
                }
                let (seen, landed) = operator_calls::read_back(
                    permit,
                    &item.debit.operation,
                    deadline.left(services),
                )
                .await;
                item.landed = landed;
                match seen {
                    Seen::Found => Event::Found,
                    Seen::Absent => Event::Absent,
                    Seen::Unreadable => Event::Unreadable,
                }
            }
        };
        // In use by somebody else: it goes to nobody again, whatever comes next.
        if progress.phase == Phase::ReadingBackSim
            && event == Event::Absent
            && let Some(sim) = &sim
            && let Err(error) = services.store.retire_sim(&sim.iccid).await
        {
            tracing::warn!(%error, "a card in use could not be marked");
        }
        let time_left = deadline.left(services) > CALL_TIME_MIN;
        (progress, next) = step::step(progress, &event, time_left);
        if let Event::Failed(error) = &event {
            let operation = item.debit.operation.id;
            tracing::warn!(%operation, ?error, ?next, "a call to the operator failed");
            if let (CallError::Throttled(pause), Next::Send) = (error, next) {
                let pause = pause.unwrap_or(THROTTLED_PAUSE * progress.throttled.into());
                tokio::time::sleep(pause.min(deadline.left(services))).await;
            }
        }
    }
}

async fn send(item: &mut Item, permit: &mut Permit, left: Duration) -> Event {
    match operator_calls::send(permit, &item.debit.operation, left).await {
        Ok(landed) => {
            item.landed = Some(landed);
            Event::Done
        }
        Err(error) => Event::Failed(error),
    }
}

/// Takes another card, and stores it before it is sent.
async fn other_sim(
    services: &Services,
    item: &mut Item,
    sim: &mut SimCard,
    deadline: Deadline,
) -> Option<()> {
    let operation = &mut item.debit.operation;
    let patience = services.limits.patience.min(deadline.left(services));
    let other = services.sims.claim(&sim.sponsor_id, operation.id, patience).await;
    let other = other.inspect_err(|error| tracing::warn!(%error, "no other card")).ok()?;
    let Request::CreateLink { iccid, .. } = &mut operation.request else { return None };
    iccid.clone_from(&other.iccid);
    let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
    *sim = other;
    let request = operation.request.clone();
    let stored = services.store.rewrite_request(org, id, epoch, request).await;
    matches!(stored, Ok(true)).then_some(())
}

fn refund_order(
    services: &Services,
    item: &Item,
    failure: Failure,
    cleanup: Cleanup,
) -> RefundOrder {
    finish::refund(services, item.debit.clone(), failure, cleanup, services.clock.now())
}

/// Refunds, and says what the caller is told.
async fn refund(
    services: &Services,
    first: &Operation,
    orders: Vec<RefundOrder>,
    failure: Failure,
    deadline: Deadline,
) -> OperationError {
    let watched = orders.iter().any(|order| order.cleanup == Cleanup::Watching);
    let until = deadline.commit_until(services);
    let committed = finish::commit(services, first.org_id, Command::Refund(orders), until).await;
    if watched {
        services.resolver.wake();
    }
    match committed {
        Commit::Done => OperationError::Failed { failure, removed: Vec::new() },
        Commit::TakenOver => match finish::ended_elsewhere(services, first).await {
            Some(Err(failure)) => OperationError::Failed { failure, removed: Vec::new() },
            // It succeeded after all, which the key will answer; or it is not known yet.
            Some(Ok(())) | None => OperationError::Unsettled,
        },
        Commit::Lost => OperationError::Unsettled,
    }
}

/// Refunds a group of which the item at `place` failed. Those before it landed and are undone,
/// those behind it were never sent.
async fn refund_added(
    services: &Services,
    items: &[Item],
    place: usize,
    (failure, cleanup): (Failure, Cleanup),
    deadline: Deadline,
) -> OperationError {
    let orders = items.iter().enumerate().map(|(index, item)| {
        let cleanup = match index.cmp(&place) {
            std::cmp::Ordering::Less => Cleanup::Watching,
            std::cmp::Ordering::Equal => cleanup,
            std::cmp::Ordering::Greater => Cleanup::None,
        };
        refund_order(services, item, failure, cleanup)
    });
    refund(services, &items[0].debit.operation, orders.collect(), failure, deadline).await
}

async fn settle_created(
    services: &Services,
    caller: &Caller,
    item: &Item,
    sim: &SimCard,
    name: Option<String>,
    deadline: Deadline,
) -> Result<Answer, OperationError> {
    let (operation, now) = (&item.debit.operation, services.clock.now());
    let landed = item.landed.as_ref().ok_or(OperationError::Unsettled)?;
    let activation = finish::activation(operation, &item.plan, caller.currency, landed, now)
        .ok_or(OperationError::Unsettled)?;
    let link = finish::link(operation, name, &item.plan, sim, landed, &activation, now);
    let answer = finish::created(&link, &activation, &item.plan);
    let settlement = finish::settle_link(operation, link, activation, &answer);
    settled(services, operation, Command::Settle(vec![settlement]), answer, deadline).await
}

async fn settle_added(
    services: &Services,
    caller: &Caller,
    link: &Link,
    items: &[Item],
    deadline: Deadline,
) -> Result<Answer, OperationError> {
    let now = services.clock.now();
    let made: Option<Vec<_>> = items
        .iter()
        .map(|item| {
            let operation = &item.debit.operation;
            let landed = item.landed.as_ref()?;
            let activation =
                finish::activation(operation, &item.plan, caller.currency, landed, now)?;
            Some((operation, activation))
        })
        .collect();
    let (settlements, answer) = made
        .and_then(|made| finish::settle_topups(made, &link.iccid, caller.currency))
        .ok_or(OperationError::Unsettled)?;
    let first = &items[0].debit.operation;
    settled(services, first, Command::Settle(settlements), answer, deadline).await
}

/// Commits a good end, and says what the caller is told.
async fn settled(
    services: &Services,
    first: &Operation,
    end: Command,
    answer: Answer,
    deadline: Deadline,
) -> Result<Answer, OperationError> {
    let until = deadline.commit_until(services);
    match finish::commit(services, first.org_id, end, until).await {
        Commit::Done => Ok(answer),
        Commit::TakenOver => match finish::ended_elsewhere(services, first).await {
            // What was stored elsewhere is what its key answers from now on.
            Some(Ok(())) if first.key.is_some() => Err(OperationError::KeyTaken),
            Some(Ok(())) => Ok(answer),
            Some(Err(failure)) => Err(OperationError::Failed { failure, removed: Vec::new() }),
            None => Err(OperationError::Unsettled),
        },
        Commit::Lost => Err(OperationError::Unsettled),
    }
}
