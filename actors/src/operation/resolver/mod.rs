//! Brings to its end what was left: operations whose runner is gone, and refunded ones of which
//! the operator may still hold something. Any instance resolves any operation: a lease with an
//! epoch keeps two from writing on one.

mod carry_on;
mod late_status;
mod resume;
mod suspend_again;
mod tidy;

use crate::metrics::{Job, job_succeeded};
use crate::model::{
    Cleanup, Operation, OperationId, OperationKind, OperationState, OrgId, Timestamp,
};
use crate::operation::metrics::Resolved;
use crate::operation::operator_calls::{self, Landed};
use crate::operation::step::{READ_BACKS_MAX, Seen};
use crate::operation::{METRICS, OperationError, Services, schedule, sms};
use crate::ports::{Claimed, Due, StoreError};
use crate::traced;
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinSet};
use tracing::Instrument;

/// Looks for due operations at least this often.
const POLL: Duration = Duration::from_secs(1);

/// Operations taken over at a time; each holds one call to the operator at most.
const CLAIM_MAX: i64 = 32;

/// Waits for room at the operator, and for one answer, so that both fit into a lease of 10 s.
const PATIENCE: Duration = Duration::from_secs(2);

const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Pause before a read-back that failed is made again.
const READ_BACK_PAUSE: Duration = Duration::from_millis(100);

/// A new Link or plan that is refunded after a crash is watched for at most this long: its horizon
/// is over, and nobody has sent it since its deadline.
const WATCH_AFTER_HORIZON: Duration = Duration::from_mins(1);

/// Wakes the resolver.
#[derive(Clone, Default)]
pub struct ResolverHandle(Arc<Notify>);

impl ResolverHandle {
    /// Something may be due now.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// The resolver of this instance.
#[derive(Clone)]
pub struct Resolver {
    services: Arc<Services>,
}

impl Resolver {
    /// A resolver over the same services as the operations.
    pub fn new(services: Arc<Services>) -> Self {
        Self { services }
    }

    /// Runs until the task is dropped or `stop` is notified.
    pub async fn run(self, stop: Arc<Notify>) {
        let mut stopped = std::pin::pin!(stop.notified());
        let mut tasks = JoinSet::new();
        loop {
            let room = CLAIM_MAX - i64::try_from(tasks.len()).unwrap_or(CLAIM_MAX);
            // One slow operation holds up no other; a few at a time spare the database.
            if tasks.is_empty() || room >= CLAIM_MAX / 4 {
                let resolver = self.clone();
                // In a task of its own: a panic ends one claim, not the resolver.
                match tokio::spawn(async move { resolver.claim(room).await }).await {
                    Ok(Ok(claimed)) => {
                        job_succeeded(Job::Resolver, self.services.clock.now());
                        self.spawn(&mut tasks, claimed);
                    }
                    Ok(Err(error)) => tracing::warn!(%error, "due operations are not looked up"),
                    Err(error) => tracing::error!(%error, "a claim of the resolver failed"),
                }
            }
            // In this order: what has ended makes room, however often it is woken.
            tokio::select! {
                biased;
                () = &mut stopped => return,
                Some(ended) = tasks.join_next() => log_panic(ended),
                () = self.services.resolver.0.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Takes over what is due and resolves it; says how many that were.
    pub async fn round(&self) -> Result<usize, StoreError> {
        let claimed = self.claim(CLAIM_MAX).await?;
        let count = claimed.len();
        let mut tasks = JoinSet::new();
        self.spawn(&mut tasks, claimed);
        while let Some(ended) = tasks.join_next().await {
            log_panic(ended);
        }
        Ok(count)
    }

    async fn claim(&self, limit: i64) -> Result<Vec<Claimed>, StoreError> {
        let now = self.services.clock.now();
        let lease_until = now + self.services.limits.lease;
        self.services.store.claim_due(Due::Operations, now, lease_until, limit).await
    }

    fn spawn(&self, tasks: &mut JoinSet<()>, claimed: Vec<Claimed>) {
        for Claimed { operation, .. } in claimed {
            let resolver = self.clone();
            let span = traced!("resolver", root = true, kind = ?operation.kind);
            tasks.spawn(async move { resolver.resolve(operation).await }.instrument(span));
        }
    }

    /// Takes over one operation whether due or not, and resolves it; says how it stands then.
    pub async fn resolve_now(
        &self,
        org: OrgId,
        id: OperationId,
    ) -> Result<Option<Operation>, StoreError> {
        let store = &self.services.store;
        let lease_until = self.services.clock.now() + self.services.limits.lease;
        if let Some(claimed) = store.claim_operation(org, id, lease_until).await? {
            self.resolve(claimed.operation).await;
        }
        store.operation(org, id).await
    }

    async fn resolve(&self, operation: Operation) {
        let resolved = match (operation.state, operation.kind) {
            (OperationState::Pending, OperationKind::CreateLink | OperationKind::Topup) => {
                self.resume(operation.clone()).await
            }
            (OperationState::Pending, OperationKind::RemovePlan | OperationKind::UpdateLink) => {
                self.carry_on(operation.clone()).await
            }
            // By hand only: the sender claims its own.
            (OperationState::Pending, OperationKind::SendSms) => {
                sms::hand_over(&self.services, &operation).await.map(|_| ())
            }
            (OperationState::Refunded, OperationKind::UpdateLink) => {
                self.suspend_again(operation.clone()).await
            }
            (OperationState::Refunded, _) => self.tidy(operation.clone()).await,
            (OperationState::Succeeded | OperationState::Rejected, OperationKind::UpdateLink) => {
                self.look_after_status(operation.clone()).await
            }
            (OperationState::Succeeded | OperationState::Rejected, _) => {
                self.again(&operation, operation.cleanup, None).await
            }
        };
        let outcome = if resolved.is_ok() { Resolved::Done } else { Resolved::Failed };
        METRICS.looks.of(outcome).increment(1);
        let Err(error) = resolved else { return };
        tracing::warn!(operation = %operation.id, %error, "an operation is not resolved yet");
        // What the database never takes, such as a settlement without its card, must not be
        // tried for ever. Where the epoch has moved on this changes nothing.
        if operation.state == OperationState::Pending
            && let Err(error) = self.later_or_manual(&operation).await
        {
            tracing::warn!(operation = %operation.id, %error, "nor put off");
        }
    }

    /// A full lease from now; `false` where another instance has taken the operation over.
    async fn hold(&self, operation: &Operation) -> Result<bool, StoreError> {
        let lease = self.services.clock.now() + self.services.limits.lease;
        let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
        let cleanup = operation.cleanup;
        self.services.store.reschedule(org, id, epoch, cleanup, Some(lease)).await
    }

    async fn look(&self, operation: &Operation) -> (Seen, Option<Landed>) {
        let services = &*self.services;
        let mut permit = match services.gateway.admit(NonZeroU32::MIN, PATIENCE).await {
            Ok(permit) => permit,
            Err(error) => {
                tracing::debug!(operation = %operation.id, %error, "not read back now");
                return (Seen::Unreadable, None);
            }
        };
        let until = services.clock.elapsed() + CALL_TIMEOUT;
        let mut looked = operator_calls::read_back(&mut permit, operation, CALL_TIMEOUT).await;
        // A lost answer costs another read here, and half a minute if it had to wait for the
        // next look.
        for _ in 1..READ_BACKS_MAX {
            let left = super::left(until, services.clock.elapsed());
            if looked.0 != Seen::Unreadable || left <= READ_BACK_PAUSE {
                break;
            }
            tokio::time::sleep(READ_BACK_PAUSE).await;
            let left = left.saturating_sub(READ_BACK_PAUSE);
            looked = operator_calls::read_back(&mut permit, operation, left).await;
        }
        looked
    }

    async fn later_or_manual(&self, operation: &Operation) -> Result<(), OperationError> {
        let give_up_at = operation.horizon_at + self.services.limits.give_up;
        if self.services.clock.now() < give_up_at {
            return self.again(operation, Cleanup::None, Some(operation.horizon_at)).await;
        }
        tracing::error!(operation = %operation.id, "a person has to look at it");
        self.again(operation, Cleanup::Manual, None).await
    }

    /// Puts an operation back: to be looked at again, a little later each time but not past the
    /// time `by` that decides; or never, without one.
    async fn again(
        &self,
        operation: &Operation,
        cleanup: Cleanup,
        by: Option<Timestamp>,
    ) -> Result<(), OperationError> {
        if cleanup == Cleanup::Manual {
            METRICS.manual.increment(1);
        }
        let now = self.services.clock.now();
        let due_at = by.map(|by| schedule::next_look(operation.attempts, now, by));
        let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
        self.services.store.reschedule(org, id, epoch, cleanup, due_at).await?;
        Ok(())
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "resolving an operation failed");
    }
}

/// Until then something of a refunded operation may still appear.
fn watch_until(operation: &Operation, horizon: Duration) -> Timestamp {
    let refunded_at = operation.settled_at.unwrap_or(operation.horizon_at);
    if refunded_at < operation.horizon_at {
        return operation.horizon_at;
    }
    match operation.kind {
        // The resolver has sent it until then.
        OperationKind::UpdateLink => refunded_at + horizon,
        _ => refunded_at + horizon.min(WATCH_AFTER_HORIZON),
    }
}
