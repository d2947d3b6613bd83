//! Has the operator do what was charged for, as [`step`] says: sends, reads back, takes another
//! card.

use super::{Deadline, Item};
use crate::gateway::Permit;
use crate::model::{Cleanup, Failure, Request, SimKind};
use crate::operation::Services;
use crate::operation::finish::CALL_TIME_MIN;
use crate::operation::operator_calls::{self};
use crate::operation::step::{self, CallKind, Event, Next, Phase, Progress, Seen};
use crate::ports::{CallError, SimCard};
use std::time::Duration;

/// Pause before a throttled call is sent again, where the operator names none.
pub(super) const THROTTLED_PAUSE: Duration = Duration::from_millis(250);

/// Pause before a read-back that failed is made again.
pub(super) const READ_BACK_PAUSE: Duration = Duration::from_millis(100);

/// Has the operator do it, as [`step`] says.
pub(super) async fn perform(
    services: &Services,
    item: &mut Item,
    mut sim: Option<&mut SimCard>,
    permit: &mut Permit,
    deadline: Deadline,
) -> Result<(), (Failure, Cleanup)> {
    let kind = match &sim {
        Some(sim) if sim.kind == SimKind::Physical => CallKind::CreateOnCard,
        Some(_) => CallKind::Create,
        None => CallKind::Add,
    };
    // Before the time is looked at, which may be up behind it. Without room the call says so.
    permit.ready(deadline.left(services)).await;
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
        // In use by somebody else: it goes to nobody again, whatever comes next. A physical card
        // stays its organization's.
        if kind == CallKind::Create
            && progress.phase == Phase::ReadingBackSim
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
                // It could not be sent again in time: nobody else waits for the room meanwhile.
                if pause + CALL_TIME_MIN > deadline.left(services) {
                    return Err((Failure::ProvisioningFailed, Cleanup::None));
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

pub(super) async fn send(item: &mut Item, permit: &mut Permit, left: Duration) -> Event {
    match operator_calls::send(permit, &item.debit.operation, left).await {
        Ok(landed) => {
            item.landed = Some(landed);
            Event::Done
        }
        Err(error) => Event::Failed(error),
    }
}

/// Takes another card, and stores it before it is sent.
pub(super) async fn other_sim(
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
