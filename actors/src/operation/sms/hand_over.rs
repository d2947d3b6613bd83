//! Hands one queued SMS over, or looks whether it was. Called by the sender, and by the resolver
//! for one that is resolved by hand; each time under an epoch that was just taken.

use super::step::{self, Bounds, Look, Next, Turn};
use super::{COMMIT_MARGIN, LOOK_TIMEOUT, PATIENCE, ask_after, lease};
use crate::gateway::{NotAdmitted, Permit};
use crate::model::{
    Cleanup, EntryId, Failure, Operation, OperationState, Request, SmsText, Timestamp,
};
use crate::operation::step::READ_BACKS_MAX;
use crate::operation::{METRICS, OperationError, Services, finish, left, schedule};
use crate::ports::{CallError, SmsReport};
use crate::wallet::{Command, Debit};
use std::num::NonZeroU32;
use std::time::Duration;

/// A message is not sent with less time than this for its answer.
const CALL_TIME_MIN: Duration = Duration::from_millis(50);

/// Pause before a look that failed is made again.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// What a turn tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::operation) enum Turned {
    /// Nothing that concerns them.
    Done,
    /// The operator takes no calls now.
    NotAdmitted,
}

/// One turn of a queued SMS. What fails here is tried again: when its lease is over, or later.
pub(in crate::operation) async fn hand_over(
    services: &Services,
    operation: &Operation,
) -> Result<Turned, OperationError> {
    let Request::SendSms { endpoint_id, attempted_at } = &operation.request else {
        return Err(OperationError::Defect("not an SMS".to_owned()));
    };
    let until = services.clock.elapsed() + lease(services);
    let now = services.clock.now();
    let next = match step::turn(*attempted_at, now, operation.deadline_at) {
        Turn::GiveUp => Next::Refund(Failure::ProviderUnavailable),
        turn => {
            let admitted = services.gateway.admit_in_background(NonZeroU32::MIN, PATIENCE).await;
            let mut permit = match admitted {
                Ok(permit) => permit,
                Err(why) => return not_admitted(services, operation, *attempted_at, why).await,
            };
            match (turn, *attempted_at) {
                (Turn::Look, Some(attempted_at)) => {
                    look(services, &mut permit, operation, endpoint_id, attempted_at).await
                }
                _ => match attempt(services, &mut permit, operation, endpoint_id).await? {
                    Some(next) => next,
                    // Taken over: whoever did so goes on.
                    None => return Ok(Turned::Done),
                },
            }
        }
    };
    end(services, operation, next, until).await?;
    Ok(Turned::Done)
}

/// Stores that the message may be sent, sends it, and looks for it where its outcome is unknown.
/// None where another instance has taken it over.
async fn attempt(
    services: &Services,
    permit: &mut Permit,
    operation: &Operation,
    endpoint_id: &str,
) -> Result<Option<Next>, OperationError> {
    let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
    let sms = services.store.sms(org, id).await?;
    let sms = sms.ok_or_else(|| OperationError::Defect("an SMS without its text".to_owned()))?;
    let attempted_at = services.clock.now();
    let call_until = services.clock.elapsed() + services.gateway.call_timeout();
    let endpoint = endpoint_id.to_owned();
    let request = Request::SendSms { endpoint_id: endpoint, attempted_at: Some(attempted_at) };
    // Where the answer to this is lost, nothing is sent.
    if !services.store.rewrite_request(org, id, epoch, request).await? {
        return Ok(None);
    }
    // Both clocks: the process's own stands still while a machine sleeps.
    let time = left(call_until, services.clock.elapsed());
    let in_time = time >= CALL_TIME_MIN
        && services.clock.now() < attempted_at + services.gateway.call_timeout();
    let next = if in_time {
        let reference = id.to_string();
        step::sent(send(permit, endpoint_id, &sms.message, &reference, time).await)
    } else {
        Next::NotSent(None)
    };
    if next == Next::Look {
        tracing::warn!(operation = %id, "the outcome of an SMS is unknown");
        return Ok(Some(look(services, permit, operation, endpoint_id, attempted_at).await));
    }
    Ok(Some(next))
}

async fn send(
    permit: &mut Permit,
    endpoint_id: &str,
    text: &SmsText,
    reference: &str,
    time: Duration,
) -> Result<SmsReport, CallError> {
    let text = text.as_str();
    let sent = permit
        .call(time, |operator, token, timeout| async move {
            operator.send_sms(&token, endpoint_id, text, reference, timeout).await
        })
        .await;
    sent.inspect_err(|error| {
        tracing::warn!(operation = reference, ?error, "an SMS could not be handed over");
    })
}

/// Looks whether a message that may have been sent is there.
async fn look(
    services: &Services,
    permit: &mut Permit,
    operation: &Operation,
    endpoint_id: &str,
    attempted_at: Timestamp,
) -> Next {
    let bounds = bounds(services, attempted_at);
    // Before the look: only what was read from then on proves absence.
    let at = services.clock.now();
    let reference = operation.id.to_string();
    let reference = reference.as_str();
    let until = services.clock.elapsed() + LOOK_TIMEOUT;
    let mut look: Look = None;
    // A lost answer costs another read here, and half a minute if it had to wait for the next look.
    for tried in 0..READ_BACKS_MAX {
        if tried > 0 {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let left = left(until, services.clock.elapsed());
        let found = permit
            .call(left, |operator, token, timeout| async move {
                operator.find_sms(&token, endpoint_id, reference, timeout).await
            })
            .await;
        match found {
            Ok(found) => {
                look = Some(found);
                break;
            }
            Err(error) => {
                tracing::warn!(operation = reference, ?error, "an SMS could not be looked for");
            }
        }
    }
    step::looked(look, at, bounds)
}

/// Brings into the database how a turn ended.
async fn end(
    services: &Services,
    operation: &Operation,
    next: Next,
    until: Duration,
) -> Result<(), OperationError> {
    let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
    let store = &services.store;
    match next {
        Next::Settle(report) => {
            let now = services.clock.now();
            let due_at = ask_after::first(report.state, now);
            if store.sms_handed_over(org, id, epoch, report, due_at, now).await? {
                METRICS.sms_handed_over.increment(1);
                METRICS.ended_as(operation.kind, OperationState::Succeeded);
            }
            Ok(())
        }
        Next::Refund(failure) => refund(services, operation.clone(), failure, until).await,
        Next::NotSent(pause) => {
            // Known not to be there, so it may be sent again: as it was before it was tried.
            let request = operation.request.clone();
            if !store.rewrite_request(org, id, epoch, request).await? {
                return Ok(());
            }
            let pause = pause.unwrap_or(Duration::ZERO);
            later(services, operation, operation.deadline_at, pause).await
        }
        Next::LookAgain(by) => later(services, operation, by, Duration::ZERO).await,
        // Only between sending and the look that follows at once.
        Next::Look => later(services, operation, operation.horizon_at, Duration::ZERO).await,
        Next::Manual => {
            tracing::error!(operation = %id, "a person has to look at it");
            METRICS.manual.increment(1);
            store.reschedule(org, id, epoch, Cleanup::Manual, None).await?;
            Ok(())
        }
    }
}

async fn not_admitted(
    services: &Services,
    operation: &Operation,
    attempted_at: Option<Timestamp>,
    why: NotAdmitted,
) -> Result<Turned, OperationError> {
    tracing::debug!(operation = %operation.id, %why, "an SMS is not handed over now");
    let now = services.clock.now();
    let next = match attempted_at {
        // One that can never be looked for is like one that cannot be read.
        Some(at) => step::looked(None, now, bounds(services, at)),
        None => Next::LookAgain(operation.deadline_at),
    };
    let until = services.clock.elapsed() + COMMIT_MARGIN;
    end(services, operation, next, until).await?;
    Ok(Turned::NotAdmitted)
}

/// When what is seen of a message that was attempted at a time becomes certain.
fn bounds(services: &Services, attempted_at: Timestamp) -> Bounds {
    let limits = &services.limits;
    let certain_at = attempted_at + services.gateway.call_timeout() + limits.horizon;
    Bounds { certain_at, give_up_at: certain_at + limits.give_up }
}

/// Puts a message off: a little longer each time, but not past the time `by` that decides.
async fn later(
    services: &Services,
    operation: &Operation,
    by: Timestamp,
    pause: Duration,
) -> Result<(), OperationError> {
    let now = services.clock.now();
    let due_at = schedule::next_look(operation.attempts, now, by).max((now + pause).min(by));
    let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
    services.store.reschedule(org, id, epoch, Cleanup::None, Some(due_at)).await?;
    Ok(())
}

async fn refund(
    services: &Services,
    operation: Operation,
    failure: Failure,
    until: Duration,
) -> Result<(), OperationError> {
    let (org, id) = (operation.org_id, operation.id);
    let found = match operation.debit_id {
        Some(_) => Some(
            services
                .store
                .debit_of(org, id)
                .await?
                .ok_or_else(|| OperationError::Defect("no debit to refund".to_owned()))?,
        ),
        None => None,
    };
    let debit = match found {
        Some((entry_id, entry)) => Debit {
            operation,
            entry_id,
            iccid: entry.iccid,
            plan_name: None,
            description: entry.description,
            sms: None,
        },
        // It cost nothing: there is nothing to give back.
        None => Debit {
            operation,
            entry_id: EntryId(services.ids.next()),
            iccid: None,
            plan_name: None,
            description: "SMS".to_owned(),
            sms: None,
        },
    };
    let now = services.clock.now();
    let order = finish::refund(services, debit, failure, Cleanup::None, now);
    tracing::info!(operation = %id, ?failure, "an SMS is given up");
    // A lease's margin at least: it may have been used up by the calls.
    let until = until.max(services.clock.elapsed() + COMMIT_MARGIN);
    match finish::commit(services, org, Command::Refund(vec![order]), until).await {
        finish::Commit::Done => {
            METRICS.sms_refunded.increment(1);
            Ok(())
        }
        finish::Commit::TakenOver => Ok(()),
        finish::Commit::Lost => Err(OperationError::Unsettled),
    }
}
