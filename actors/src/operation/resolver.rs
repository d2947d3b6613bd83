//! Brings to its end what was left: operations whose runner is gone, and refunded ones of which
//! the operator may still hold something. Any instance resolves any operation: a lease with an
//! epoch keeps two from writing on one.

use super::change::{self, Driven, Wanted};
use super::finish::{self, Commit};
use super::operator_calls::{self, Landed};
use super::step::{self, READ_BACKS_MAX, Resume, Seen, Tidy};
use super::{OperationError, Services};
use crate::model::{
    Answer, Cleanup, Failure, Operation, OperationId, OperationKind, OperationState, OrgId,
    Request, Timestamp,
};
use crate::ports::{CallError, Claimed, LinkChange, StoreError};
use crate::wallet::{Command, Debit};
use chrono::TimeDelta;
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinSet};

/// Looks for due operations at least this often.
const POLL: Duration = Duration::from_secs(1);
/// Operations taken over at a time; each holds one call to the operator at most.
const CLAIM_MAX: i64 = 32;
/// Waits for room at the operator, and for one answer, so that both fit into a lease of 10 s.
const PATIENCE: Duration = Duration::from_secs(2);
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause before a read-back that failed is made again.
const READ_BACK_PAUSE: Duration = Duration::from_millis(100);
/// The first look and the longest pause between looks.
const LOOK_AGAIN_MIN_S: i64 = 1;
const LOOK_AGAIN_MAX_S: i64 = 30;
/// An operation refunded after a crash is watched for at most this long: its horizon is over.
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
                    Ok(Ok(claimed)) => self.spawn(&mut tasks, claimed),
                    Ok(Err(error)) => tracing::warn!(%error, "due operations are not looked up"),
                    Err(error) => tracing::error!(%error, "a claim of the resolver failed"),
                }
            }
            tokio::select! {
                () = &mut stopped => return,
                () = self.services.resolver.0.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                Some(ended) = tasks.join_next() => log_panic(ended),
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
        self.services.store.claim_due(now, lease_until, limit).await
    }

    fn spawn(&self, tasks: &mut JoinSet<()>, claimed: Vec<Claimed>) {
        for Claimed { operation, .. } in claimed {
            let resolver = self.clone();
            tasks.spawn(async move { resolver.resolve(operation).await });
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
            (OperationState::Refunded, _) => self.tidy(operation.clone()).await,
            (OperationState::Succeeded | OperationState::Rejected, _) => {
                self.again(&operation, operation.cleanup, None).await
            }
        };
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

    /// A charged group whose runner is gone: nobody was told how it ended.
    async fn resume(&self, head: Operation) -> Result<(), OperationError> {
        let services = &*self.services;
        let mut group = services.store.operation_group(head.org_id, head.group_id).await?;
        group.retain(|operation| operation.state == OperationState::Pending);
        // Under the epoch that was claimed: if it was taken over since, nothing is written.
        for operation in group.iter_mut().filter(|operation| operation.id == head.id) {
            operation.epoch = head.epoch;
        }
        let mut landed = Vec::with_capacity(group.len());
        let mut seen = Seen::Found;
        for operation in &group {
            // Each look takes up to half a lease.
            if operation.id != head.id && !self.hold(&head).await? {
                return Ok(());
            }
            let (item, found) = self.look(operation).await;
            seen = match (seen, item) {
                (Seen::Absent, _) | (_, Seen::Absent) => Seen::Absent,
                (Seen::Unreadable, _) | (_, Seen::Unreadable) => Seen::Unreadable,
                (Seen::Found, Seen::Found) => Seen::Found,
            };
            landed.extend(found);
        }
        match step::resume(seen, services.clock.now(), head.horizon_at) {
            Resume::Settle => self.settle(&group, &landed).await,
            Resume::Wait => self.again(&head, Cleanup::None, Some(head.horizon_at)).await,
            Resume::RefundAndWatch => self.refund(group).await,
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

    async fn settle(&self, group: &[Operation], landed: &[Landed]) -> Result<(), OperationError> {
        let services = &*self.services;
        let (Some(first), Some(landed_first)) = (group.first(), landed.first()) else {
            return Ok(());
        };
        let broken = |what: &str| OperationError::Database(what.to_owned());
        let currency = services.store.currency(first.org_id).await?;
        let currency = currency.ok_or_else(|| broken("an organization without a currency"))?;
        let now = services.clock.now();
        let mut plans = Vec::with_capacity(group.len());
        for operation in group {
            let plan = match operation.plan_id {
                Some(plan) => services.store.plan(plan).await?,
                None => None,
            };
            plans.push(plan.ok_or_else(|| broken("an operation without its plan"))?);
        }
        let settlements = match &first.request {
            Request::CreateLink { name, iccid, .. } => {
                let sim = services.store.sim(iccid).await?;
                let sim = sim.ok_or_else(|| broken("an operation without its card"))?;
                let activation = finish::activation(first, &plans[0], currency, landed_first, now)
                    .ok_or_else(|| broken("an operation without its activation"))?;
                let (name, plan) = (name.clone(), &plans[0]);
                let link = finish::link(first, name, plan, &sim, landed_first, &activation, now);
                let answer = finish::created(&link, &activation, plan);
                vec![finish::settle_link(first, link, activation, &answer)]
            }
            Request::Topup { iccid, .. } => {
                let made: Option<Vec<_>> = group
                    .iter()
                    .zip(&plans)
                    .zip(landed)
                    .map(|((operation, plan), landed)| {
                        let made = finish::activation(operation, plan, currency, landed, now)?;
                        Some((operation, made))
                    })
                    .collect();
                made.and_then(|made| finish::settle_topups(made, iccid, currency))
                    .ok_or_else(|| broken("an operation without its activation"))?
                    .0
            }
            Request::RemovePlans { .. } | Request::UpdateLink { .. } => return Ok(()),
        };
        tracing::info!(operation = %first.id, "an interrupted operation took effect");
        self.commit(first, Command::Settle(settlements)).await
    }

    async fn refund(&self, group: Vec<Operation>) -> Result<(), OperationError> {
        let services = &*self.services;
        let (now, mut orders, mut first) = (services.clock.now(), Vec::new(), None);
        for operation in group {
            let found = services.store.debit_of(operation.org_id, operation.id).await?;
            let (entry_id, entry) =
                found.ok_or_else(|| OperationError::Database("no debit to refund".to_owned()))?;
            first.get_or_insert_with(|| operation.clone());
            let debit = Debit {
                operation,
                entry_id,
                iccid: entry.iccid,
                plan_name: entry.plan_name,
                description: entry.description,
            };
            let failure = Failure::ProvisioningFailed;
            orders.push(finish::refund(services, debit, failure, Cleanup::Watching, now));
        }
        let Some(first) = first else { return Ok(()) };
        tracing::info!(operation = %first.id, "an interrupted operation took no effect");
        self.commit(&first, Command::Refund(orders)).await
    }

    async fn commit(&self, first: &Operation, end: Command) -> Result<(), OperationError> {
        let services = &*self.services;
        // A full lease, of which half is left to put off what was not committed: were it over by
        // then, the next one who took over would not come further either.
        if !self.hold(first).await? {
            return Ok(());
        }
        let until = services.clock.elapsed() + services.limits.lease / 2;
        match finish::commit(services, first.org_id, end, until).await {
            Commit::Done => {
                services.links.changed(first.org_id, first.link_id).await;
                services.links.usage_changed(first.org_id, first.link_id).await;
                Ok(())
            }
            Commit::TakenOver | Commit::Lost => Err(OperationError::Unsettled),
        }
    }

    /// A refunded operation that is watched: what landed is undone.
    async fn tidy(&self, operation: Operation) -> Result<(), OperationError> {
        let services = &*self.services;
        // Before the look: only what was read at or past `watch_until` proves absence.
        let now = services.clock.now();
        let (seen, landed) = self.look(&operation).await;
        // What landed is undone whether or not it is whole.
        let seen = if landed.is_some() { Seen::Found } else { seen };
        let watch_until = watch_until(&operation, services.limits.horizon);
        let give_up_at = watch_until + services.limits.give_up;
        match (step::tidy(seen, now, watch_until, give_up_at), landed) {
            (Tidy::Undo, Some(landed)) => self.undo(&operation, &landed, watch_until).await,
            (Tidy::Done, _) => self.again(&operation, Cleanup::Done, None).await,
            (Tidy::Manual, _) => {
                tracing::error!(operation = %operation.id, "a person has to look at it");
                self.again(&operation, Cleanup::Manual, None).await
            }
            (Tidy::Undo | Tidy::Wait, _) => {
                self.again(&operation, Cleanup::Watching, Some(watch_until)).await
            }
        }
    }

    async fn undo(
        &self,
        operation: &Operation,
        landed: &Landed,
        watch_until: Timestamp,
    ) -> Result<(), OperationError> {
        let services = &*self.services;
        // A full lease for what is sent now, and none if another instance has taken over.
        let lease = services.clock.now() + services.limits.lease;
        let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
        let (store, watching) = (&services.store, Cleanup::Watching);
        if !store.reschedule(org, id, epoch, watching, Some(lease)).await? {
            return Ok(());
        }
        let admitted = services.gateway.admit(NonZeroU32::MIN, PATIENCE).await;
        let undone = match admitted {
            Ok(mut permit) => {
                operator_calls::undo(&mut permit, operation, landed, CALL_TIMEOUT).await
            }
            Err(_) => Err(CallError::Unreachable),
        };
        match undone {
            Ok(()) => {
                tracing::info!(operation = %id, "what landed after a refund is undone");
                self.again(operation, Cleanup::Done, None).await
            }
            Err(error) => {
                tracing::warn!(operation = %id, ?error, "what landed is not undone yet");
                self.again(operation, Cleanup::Watching, Some(watch_until)).await
            }
        }
    }

    /// A change that charges nothing, whose runner is gone: on to the wanted value.
    async fn carry_on(&self, operation: Operation) -> Result<(), OperationError> {
        let services = &*self.services;
        let until = services.clock.elapsed() + CALL_TIMEOUT;
        // What the runner has sent may land until then.
        let in_doubt = services.clock.now() < operation.horizon_at;
        let Ok(mut permit) = services.gateway.admit(NonZeroU32::MIN, PATIENCE).await else {
            return self.later_or_manual(&operation).await;
        };
        let (org, link) = (operation.org_id, operation.link_id);
        let ended = match &operation.request {
            Request::UpdateLink { endpoint_id, status, name } => {
                let driven = match status {
                    Some(status) => {
                        let wanted = Wanted::Status(endpoint_id, *status);
                        change::drive(services, &mut permit, wanted, until, in_doubt).await
                    }
                    None => Driven::Done,
                };
                let change = LinkChange::Update { status: *status, name: name.clone() };
                self.ended(&operation, driven, change, true).await
            }
            Request::RemovePlans { endpoint_id, items } => {
                let mut ended = Ok(true);
                for (place, (activation, instance)) in items.iter().enumerate() {
                    let until = services.clock.elapsed() + CALL_TIMEOUT;
                    let wanted = Wanted::PlanGone(endpoint_id, instance);
                    let driven =
                        change::drive(services, &mut permit, wanted, until, in_doubt).await;
                    let change = LinkChange::Cancel(*activation);
                    let last = place + 1 == items.len();
                    ended = self.ended(&operation, driven, change, last).await;
                    if !matches!(ended, Ok(true)) {
                        break;
                    }
                }
                ended
            }
            Request::CreateLink { .. } | Request::Topup { .. } => Ok(true),
        };
        drop(permit);
        services.links.changed(org, link).await;
        services.links.usage_changed(org, link).await;
        match ended {
            Ok(true) => Ok(()),
            Ok(false) => self.later_or_manual(&operation).await,
            Err(error) => Err(error),
        }
    }

    /// Stores how driving ended; whether the operation may go on.
    async fn ended(
        &self,
        operation: &Operation,
        driven: Driven,
        change: LinkChange,
        last: bool,
    ) -> Result<bool, OperationError> {
        let services = &*self.services;
        match driven {
            Driven::Done => {
                let state = if last { OperationState::Succeeded } else { OperationState::Pending };
                let answer = self.answer(operation, last).await?;
                change::close(services, operation, state, None, answer, change).await?;
                Ok(true)
            }
            Driven::Refused(failure @ Failure::ProviderError) => {
                let (state, none) = (OperationState::Rejected, LinkChange::None);
                change::close(services, operation, state, Some(failure), None, none).await?;
                Ok(true)
            }
            Driven::Refused(_) | Driven::Open => Ok(false),
        }
    }

    /// What a repetition under the operation's key is told, as far as it can still be known.
    async fn answer(
        &self,
        operation: &Operation,
        last: bool,
    ) -> Result<Option<Box<Answer>>, OperationError> {
        if operation.key.is_none() || !last {
            return Ok(None);
        }
        let services = &*self.services;
        let (org, link) = (operation.org_id, operation.link_id);
        let Some(mut snapshot) = services.store.link_snapshot(org, link).await? else {
            return Ok(None);
        };
        Ok(match &operation.request {
            Request::UpdateLink { status, name, .. } => {
                snapshot.link.status = status.unwrap_or(snapshot.link.status);
                snapshot.link.name = name.clone().or(snapshot.link.name);
                Some(Box::new(Answer::LinkUpdated { snapshot: Box::new(snapshot) }))
            }
            Request::RemovePlans { items, .. } => {
                let mut removed = Vec::with_capacity(items.len());
                for (id, _) in items {
                    if let Some(mut gone) = services.store.activation(org, link, *id).await? {
                        gone.status = crate::model::ActivationStatus::Cancelled;
                        removed.push(gone);
                    }
                }
                let currency = services.store.currency(org).await?;
                currency.map(|currency| {
                    Box::new(Answer::PlansChanged {
                        link_id: link,
                        iccid: snapshot.link.iccid,
                        added: Vec::new(),
                        removed,
                        amount: crate::model::Money::ZERO,
                        currency,
                    })
                })
            }
            Request::CreateLink { .. } | Request::Topup { .. } => None,
        })
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
        let now = self.services.clock.now();
        let due_at = by.map(|by| {
            let doubled = LOOK_AGAIN_MIN_S << operation.attempts.clamp(0, 5);
            let later = now + TimeDelta::seconds(doubled.min(LOOK_AGAIN_MAX_S));
            if now < by { later.min(by) } else { later }
        });
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
    refunded_at + horizon.min(WATCH_AFTER_HORIZON)
}
