//! Asks the operator how far a message is that it has taken: soon, then ever more rarely, until it
//! was delivered, failed, or has been under way for too long. Called by the sender.

use super::{LOOK_TIMEOUT, PATIENCE};
use crate::model::{Cleanup, Operation, SmsStatus, Timestamp};
use crate::operation::metrics::Arrived;
use crate::operation::{METRICS, OperationError, Services};
use crate::ports::SmsState;
use chrono::TimeDelta;
use std::num::NonZeroU32;

/// Most messages arrive within this.
const ASK_MIN: TimeDelta = TimeDelta::seconds(1);

/// The longest pause: with it a message that stays under way costs some forty calls in all.
const ASK_MAX: TimeDelta = TimeDelta::hours(1);

/// Operators keep a message for a card that is off for about a day.
const ASK_FOR: TimeDelta = TimeDelta::hours(24);

/// When to ask first after a message that the operator has just taken; none where it is over.
pub(super) fn first(state: SmsState, now: Timestamp) -> Option<Timestamp> {
    (state == SmsState::Accepted).then_some(now + ASK_MIN)
}

/// When to ask next: each pause as long as the message has been under way, so that they double.
fn next(sent_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let under_way = now - sent_at;
    (under_way < ASK_FOR).then(|| now + under_way.clamp(ASK_MIN, ASK_MAX))
}

/// Asks after one message.
pub(super) async fn ask_after(
    services: &Services,
    operation: &Operation,
) -> Result<(), OperationError> {
    let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
    let sms = services.store.sms(org, id).await?;
    let under_way = sms.filter(|sms| sms.status == SmsStatus::Sent);
    let Some(sms_id) = under_way.and_then(|sms| sms.operator_sms_id) else {
        services.store.reschedule(org, id, epoch, Cleanup::None, None).await?;
        return Ok(());
    };
    let ended = match ask(services, &sms_id).await {
        Some(SmsState::Delivered) => Some(SmsStatus::Delivered),
        Some(SmsState::Failed) => Some(SmsStatus::Failed),
        Some(SmsState::Accepted) | None => None,
    };
    let now = services.clock.now();
    if let Some(status) = ended {
        services.store.sms_ended(org, id, status, now).await?;
        let arrived =
            if status == SmsStatus::Delivered { Arrived::Delivered } else { Arrived::Failed };
        METRICS.sms_arrived.of(arrived).increment(1);
    } else {
        let due_at = next(operation.settled_at.unwrap_or(operation.created_at), now);
        services.store.reschedule(org, id, epoch, Cleanup::None, due_at).await?;
    }
    Ok(())
}

/// What the operator says of a message; none where it cannot be asked, or does not know it.
async fn ask(services: &Services, sms_id: &str) -> Option<SmsState> {
    let mut permit = services.gateway.admit_in_background(NonZeroU32::MIN, PATIENCE).await.ok()?;
    let asked = permit
        .call(LOOK_TIMEOUT, |operator, token, timeout| async move {
            operator.sms(&token, sms_id, timeout).await
        })
        .await;
    match asked {
        Ok(report) => Some(report?.state),
        Err(error) => {
            tracing::debug!(?error, "an SMS cannot be asked after");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_never_arrives_is_asked_after_ever_more_rarely_and_not_for_ever() {
        let sent_at = Timestamp::from_timestamp(0, 0).unwrap();
        let mut due = first(SmsState::Accepted, sent_at);
        let (mut asked, mut last) = (0, sent_at);
        while let Some(at) = due {
            (asked, last) = (asked + 1, at);
            due = next(sent_at, at);
        }
        assert!((30..=45).contains(&asked), "{asked} times");
        assert!(last - sent_at >= ASK_FOR && last - sent_at <= ASK_FOR + ASK_MAX, "{last}");
    }
}
