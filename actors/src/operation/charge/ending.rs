//! The ends of charged operations: committed first, told then.

use super::{Deadline, Item};
use crate::model::{Answer, Cleanup, Failure, Link, Operation};
use crate::operation::finish::{self, Commit};
use crate::operation::{Caller, OperationError, Services};
use crate::ports::SimCard;
use crate::wallet::{Command, RefundOrder};

pub(super) fn refund_order(
    services: &Services,
    item: &Item,
    failure: Failure,
    cleanup: Cleanup,
) -> RefundOrder {
    finish::refund(services, item.debit.clone(), failure, cleanup, services.clock.now())
}

/// Refunds, and says what the caller is told.
pub(super) async fn refund(
    services: &Services,
    first: &Operation,
    orders: Vec<RefundOrder>,
    failure: Failure,
    deadline: Deadline,
) -> OperationError {
    finish::give_back(services, first, orders, failure, deadline.commit_until(services)).await
}

/// Refunds a group of which the item at `place` failed. Those before it landed and are undone,
/// those behind it were never sent.
pub(super) async fn refund_added(
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

pub(super) async fn settle_created(
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

pub(super) async fn settle_added(
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
pub(super) async fn settled(
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
