//! Runs an operation that charges nothing: a status, a name, plans taken off; and the one that may
//! charge, a reactivation of a Link whose fee is due.
//!
//! It is recorded first, then sent, and sent again to the wanted value: these calls are harmless
//! to repeat. What is still open at the deadline goes on with the resolver.

mod drive;
mod ending;
mod reactivate;
mod remove_plans;
mod update_link;

pub(super) use drive::{Driven, Earlier, Wanted, drive};
pub(super) use ending::{close, landed_by};
pub(super) use remove_plans::remove_plans;
pub(super) use update_link::{update_link, updated};

use crate::gateway::{NotAdmitted, Permit};
use crate::model::{
    ActivationId, Cleanup, LinkId, LinkStatus, Money, NameChange, Operation, OperationId,
    OperationKind, OperationState, OrgId, Request, Timestamp,
};
use crate::operation::{Caller, Ended, OperationError, Services, left};
use crate::ports::{Ids, OpenOutcome, StoreError, Suspending, Suspension};
use std::{num::NonZeroU32, time::Duration};

/// Pause before looking again whether another operation has finished with the Link, doubled each
/// time.
const BUSY_PAUSE_MIN: Duration = Duration::from_millis(50);

const BUSY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Another operation has to end before this one may begin.
struct LinkBusy;

/// Waits a while for another operation on the same Link; `false` when there is no time left.
async fn wait_for_turn(services: &Services, pause: &mut Duration, until: Duration) -> bool {
    let time = left(until, services.clock.elapsed());
    if time <= *pause {
        return false;
    }
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(BUSY_PAUSE_MAX);
    true
}

/// Room at the operator, awaited no longer than there is time.
async fn admit(
    services: &Services,
    calls: NonZeroU32,
    until: Duration,
) -> Result<Permit, NotAdmitted> {
    let patience = services.limits.patience.min(left(until, services.clock.elapsed()));
    services.gateway.admit(calls, patience).await
}

/// Records the operation, unless another one changes the same Link.
async fn open(
    services: &Services,
    caller: &Caller,
    link_id: LinkId,
    kind: OperationKind,
    activation_id: Option<ActivationId>,
    request: Request,
    until: Duration,
) -> Result<Result<Operation, Ended>, LinkBusy> {
    let now = services.clock.now();
    let deadline_at = now + left(until, services.clock.elapsed());
    let horizon_at = deadline_at + services.limits.horizon;
    let operation = Operation {
        activation_id,
        key: caller.key.clone(),
        deadline_at,
        ..uncharged(&*services.ids, (caller.org, link_id), kind, request, now, horizon_at)
    };
    let id = operation.id;
    let lease_until = deadline_at + services.limits.commit_margin;
    match services.store.open_operation(operation.clone(), lease_until).await {
        Ok(OpenOutcome::Opened) => Ok(Ok(operation)),
        Ok(OpenOutcome::KeyTaken) => Ok(Err(Ended::before_record(OperationError::KeyTaken))),
        // What is due is looked up anew, and paid then.
        Ok(OpenOutcome::LinkBusy | OpenOutcome::FeeDue) => Err(LinkBusy),
        // Perhaps it is recorded: then the resolver carries it out.
        Err(StoreError::Unknown(why)) => {
            tracing::error!(operation = %id, why, "the record of an operation is in doubt");
            let result = Err(OperationError::Unsettled);
            Ok(Err(Ended { operation_id: Some(id), result }))
        }
        Err(error) => Ok(Err(Ended::before_record(error.into()))),
    }
}

/// An operation that charges nothing and whose time to be sent by a runner is over: the resolver
/// carries it out.
pub(crate) fn uncharged(
    ids: &dyn Ids,
    (org_id, link_id): (OrgId, LinkId),
    kind: OperationKind,
    request: Request,
    now: Timestamp,
    horizon_at: Timestamp,
) -> Operation {
    let id = OperationId(ids.next());
    Operation {
        id,
        org_id,
        group_id: id,
        position: 0,
        kind,
        state: OperationState::Pending,
        link_id,
        activation_id: None,
        plan_id: None,
        amount: Money::ZERO,
        debit_id: None,
        key: None,
        request,
        failure: None,
        cleanup: Cleanup::None,
        epoch: 0,
        attempts: 0,
        deadline_at: now,
        horizon_at,
        created_at: now,
        settled_at: None,
    }
}

/// The suspension of a Link by the platform itself, or the undoing of one, to be recorded and
/// carried out by the resolver from `due_at` on.
pub(crate) fn suspending(
    ids: &dyn Ids,
    link: (OrgId, LinkId),
    endpoint_id: &str,
    because: Suspension,
    now: Timestamp,
    (due_at, horizon): (Timestamp, Duration),
) -> Suspending {
    let status = match because {
        Suspension::FallsDue(_) | Suspension::Owing | Suspension::Off => LinkStatus::Suspended,
        Suspension::Undone => LinkStatus::Active,
    };
    let request = Request::UpdateLink {
        endpoint_id: endpoint_id.to_owned(),
        status: Some(status),
        name: NameChange::Keep,
        fee: None,
    };
    let kind = OperationKind::UpdateLink;
    let operation = uncharged(ids, link, kind, request, now, due_at + horizon);
    Suspending { operation, lease_until: due_at, because }
}
