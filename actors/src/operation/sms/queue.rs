//! Charges an SMS and queues it: one commit, and whoever asked is told. Called by the door to
//! operations.

use crate::link::Mode;
use crate::model::{
    Answer, Cleanup, EntryId, LinkStatus, Money, Operation, OperationId, OperationKind,
    OperationState, Request, Sms, SmsStatus,
};
use crate::operation::{Caller, Ended, OperationError, SendSms, Services, enter, finish, left};
use crate::ports::Guard;
use crate::wallet::{Command, CommandError, Debit};

pub(in crate::operation) async fn queue(
    services: &Services,
    caller: Caller,
    send: SendSms,
) -> Ended {
    let until = services.clock.elapsed() + services.limits.deadline;
    let patience = left(until, services.clock.elapsed());
    // What suspends the Link waits meanwhile: it is active when the message is queued.
    let entered = match enter(services, caller.org, send.link, Mode::Shared, patience).await {
        Ok(entered) => entered,
        Err(error) => return Ended::before_record(error),
    };
    if entered.link.status != LinkStatus::Active {
        return Ended::before_record(OperationError::LinkState(entered.link.status));
    }
    let now = services.clock.now();
    let id = OperationId(services.ids.next());
    let entry_id = EntryId(services.ids.next());
    let horizon = services.limits.horizon;
    let deadline_at = now + horizon;
    let sms = Sms {
        id,
        link_id: send.link,
        iccid: entered.link.iccid.clone(),
        message: send.message,
        status: SmsStatus::Queued,
        amount: send.price,
        operator_sms_id: None,
        created_at: now,
        sent_at: None,
        updated_at: now,
    };
    let operation = Operation {
        id,
        org_id: caller.org,
        group_id: id,
        position: 0,
        kind: OperationKind::SendSms,
        state: OperationState::Pending,
        link_id: send.link,
        activation_id: None,
        plan_id: None,
        amount: send.price,
        // What costs nothing leaves no line in the ledger.
        debit_id: (send.price > Money::ZERO).then_some(entry_id),
        key: caller.key,
        request: Request::SendSms {
            endpoint_id: entered.link.endpoint_id.clone(),
            attempted_at: None,
        },
        failure: None,
        cleanup: Cleanup::None,
        epoch: 0,
        attempts: 0,
        deadline_at,
        horizon_at: deadline_at + services.gateway.call_timeout() + horizon,
        created_at: now,
        settled_at: None,
    };
    let debit = Debit {
        operation,
        entry_id,
        iccid: Some(sms.iccid.clone()),
        plan_name: None,
        description: "SMS".to_owned(),
        sms: Some(Box::new(sms.clone())),
    };
    let commit_until = until + services.limits.commit_margin;
    let debits = Command::Debit(vec![debit]);
    let queued = finish::submit(services, caller.org, debits, commit_until).await;
    services.sms.wake();
    match queued {
        // Recorded already: by ourselves, in a commit whose answer was lost.
        Some(Ok(_) | Err(CommandError::Guarded(Guard::AlreadyOpen))) => {
            let answer = Answer::SmsQueued { sms: Box::new(sms), currency: caller.currency };
            Ended { operation_id: Some(id), result: Ok(answer) }
        }
        None | Some(Err(CommandError::Lost)) => {
            Ended { operation_id: Some(id), result: Err(OperationError::Unsettled) }
        }
        Some(Err(error)) => Ended::before_record(finish::not_debited(error)),
    }
}
