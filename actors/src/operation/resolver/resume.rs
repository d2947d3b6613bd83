//! Charged operations whose runner is gone: nobody was told how they ended.

use super::Resolver;
use crate::model::{Cleanup, Failure, Operation, OperationState, Request};
use crate::operation::OperationError;
use crate::operation::finish::{self, Commit};
use crate::operation::operator_calls::Landed;
use crate::operation::step::{self, Resume, Seen};
use crate::wallet::{Command, Debit};

impl Resolver {
    /// A charged group whose runner is gone: nobody was told how it ended.
    pub(super) async fn resume(&self, head: Operation) -> Result<(), OperationError> {
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

    pub(super) async fn settle(
        &self,
        group: &[Operation],
        landed: &[Landed],
    ) -> Result<(), OperationError> {
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
            Request::RemovePlans { .. } | Request::UpdateLink { .. } | Request::SendSms { .. } => {
                return Ok(());
            }
        };
        tracing::info!(operation = %first.id, "an interrupted operation took effect");
        self.commit(first, Command::Settle(settlements)).await
    }

    pub(super) async fn refund(&self, group: Vec<Operation>) -> Result<(), OperationError> {
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
                sms: None,
            };
            let failure = Failure::ProvisioningFailed;
            orders.push(finish::refund(services, debit, failure, Cleanup::Watching, now));
        }
        let Some(first) = first else { return Ok(()) };
        tracing::info!(operation = %first.id, "an interrupted operation took no effect");
        self.commit(&first, Command::Refund(orders)).await
    }

    pub(super) async fn commit(
        &self,
        first: &Operation,
        end: Command,
    ) -> Result<(), OperationError> {
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
}
