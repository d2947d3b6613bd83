//! The ends of charged operations: what a settlement and a refund write, and how they are brought
//! into the ledger whoever asks for it, the runner or the resolver.

use super::operator_calls::Landed;
use super::{OperationError, Services};
use crate::model::{
    Activation, ActivationStatus, Answer, Cleanup, Currency, EntryId, EsimProfile, Failure, Link,
    LinkSnapshot, LinkStatus, Operation, OperationState, OrgId, Plan, ProfileState, SimKind,
    Timestamp, Volume,
};
use crate::ports::{Guard, InstanceState, SimCard};
use crate::wallet::{Command, CommandError, Debit, Receipt, RefundOrder, Settlement};
use chrono::TimeDelta;
use std::{sync::Arc, time::Duration};

/// Pause before a commit that the database could not take is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Another call to the operator is not begun with less time than this.
pub(super) const CALL_TIME_MIN: Duration = Duration::from_millis(50);

/// How bringing an end into the ledger ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
    /// It is in the ledger.
    Done,
    /// Another instance took the operation over, or ended it.
    TakenOver,
    /// Not known: the database was lost.
    Lost,
}

/// Sends a command to the wallet and waits for its end no longer than until `until`, on the
/// process's own clock. What is not answered by then still runs to its end.
pub(super) async fn submit(
    services: &Services,
    org: OrgId,
    command: impl Into<Arc<Command>>,
    until: Duration,
) -> Option<Result<Receipt, CommandError>> {
    let patience = super::left(until, services.clock.elapsed());
    let answered = services.wallets.submit(org, command);
    // The commit itself runs in the writer's own task: only the waiting is bounded.
    tokio::time::timeout(patience, answered).await.ok()
}

/// What is told of a debit that was not made.
pub(super) fn not_debited(error: CommandError) -> OperationError {
    match error {
        CommandError::Refused(refused) => refused.into(),
        CommandError::Guarded(_) => OperationError::KeyTaken,
        CommandError::Overloaded => OperationError::Overloaded,
        CommandError::NoWallet => OperationError::Database("no such wallet".to_owned()),
        CommandError::Unavailable(why) => OperationError::Database(why),
        CommandError::Lost => OperationError::Unsettled,
    }
}

/// Brings an end into the ledger, again and again until `until` while the database is away:
/// an end can be committed only once.
pub(super) async fn commit(
    services: &Services,
    org: OrgId,
    end: Command,
    until: Duration,
) -> Commit {
    let end = Arc::new(end);
    loop {
        match submit(services, org, Arc::clone(&end), until).await {
            Some(Ok(_)) => return Commit::Done,
            Some(Err(CommandError::Guarded(Guard::EpochLost))) => return Commit::TakenOver,
            Some(Err(error)) => {
                tracing::error!(%org, %error, "the end of an operation is not committed yet");
                if super::left(until, services.clock.elapsed()) <= RETRY_PAUSE {
                    return Commit::Lost;
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            None => return Commit::Lost,
        }
    }
}

/// Refunds a group, and says what the caller is told.
pub(super) async fn give_back(
    services: &Services,
    first: &Operation,
    orders: Vec<RefundOrder>,
    failure: Failure,
    until: Duration,
) -> OperationError {
    let watched = orders.iter().any(|order| order.cleanup == Cleanup::Watching);
    let committed = commit(services, first.org_id, Command::Refund(orders), until).await;
    if watched {
        services.resolver.wake();
    }
    match committed {
        Commit::Done => OperationError::Failed { failure, removed: Vec::new() },
        Commit::TakenOver => match ended_elsewhere(services, first).await {
            Some(Err(failure)) => OperationError::Failed { failure, removed: Vec::new() },
            // It succeeded after all, which the key will answer; or it is not known yet.
            Some(Ok(())) | None => OperationError::Unsettled,
        },
        Commit::Lost => OperationError::Unsettled,
    }
}

/// What the end of a group is, when another instance brought it about.
pub(super) async fn ended_elsewhere(
    services: &Services,
    operation: &Operation,
) -> Option<Result<(), Failure>> {
    let stored = services.store.operation(operation.org_id, operation.id).await.ok()??;
    match stored.state {
        OperationState::Succeeded => Some(Ok(())),
        OperationState::Refunded | OperationState::Rejected => {
            Some(Err(stored.failure.unwrap_or(Failure::ProvisioningFailed)))
        }
        OperationState::Pending => None,
    }
}

/// The activation that an operation made.
pub(super) fn activation(
    operation: &Operation,
    plan: &Plan,
    currency: Currency,
    landed: &Landed,
    now: Timestamp,
) -> Option<Activation> {
    let instance = landed.instance.as_ref()?;
    let activated_at = instance.activated_at.unwrap_or(now);
    let total = if instance.data_total == Volume::ZERO { plan.data } else { instance.data_total };
    let days = TimeDelta::days(plan.validity_days.into());
    Some(Activation {
        id: operation.activation_id?,
        link_id: operation.link_id,
        operation_id: operation.id,
        plan_id: plan.id,
        plan_name: plan.name.clone(),
        status: match instance.state {
            InstanceState::Active => ActivationStatus::Active,
            InstanceState::Depleted => ActivationStatus::Depleted,
            InstanceState::Expired => ActivationStatus::Expired,
            InstanceState::Removed => ActivationStatus::Cancelled,
        },
        instance_id: instance.instance_id.clone(),
        activated_at,
        first_used_at: instance.first_used_at,
        expires_at: instance.expires_at.or_else(|| activated_at.checked_add_signed(days)),
        data_total: total,
        data_used: instance.data_used.min(total),
        countries: plan.countries.clone(),
        amount: operation.amount,
        currency,
    })
}

/// The Link that an operation made. What the operator says is over already adds no volume and covers nothing.
pub(super) fn link(
    operation: &Operation,
    name: Option<String>,
    plan: &Plan,
    sim: &SimCard,
    landed: &Landed,
    first: &Activation,
    now: Timestamp,
) -> Link {
    let is_esim = sim.kind == SimKind::Esim;
    let in_force = first.status.is_in_force();
    let of_first = |volume: Volume| if in_force { volume } else { Volume::ZERO };
    Link {
        id: operation.link_id,
        name,
        iccid: sim.iccid.clone(),
        msisdn: landed.msisdn.clone(),
        kind: sim.kind,
        status: LinkStatus::Active,
        sponsor: plan.sponsor.clone(),
        endpoint_id: landed.endpoint_id.clone(),
        smdp_address: sim.smdp_address.clone(),
        matching_id: sim.matching_id.clone(),
        data_total: of_first(first.data_total),
        data_used: of_first(first.data_used),
        profile: is_esim
            .then_some(EsimProfile { state: ProfileState::Released, updated_at: Some(now) }),
        usage_at: Some(now),
        created_at: now,
        updated_at: now,
    }
}

/// A new Link as its creation answers.
pub(super) fn created(link: &Link, first: &Activation, plan: &Plan) -> Answer {
    let (countries, operators_total) = if first.status.is_in_force() {
        (plan.countries.clone(), plan.operators_total)
    } else {
        (Vec::new(), 0)
    };
    Answer::LinkCreated {
        snapshot: Box::new(LinkSnapshot {
            link: link.clone(),
            activations: vec![first.clone()],
            countries,
            operators_total,
            usage_live: true,
        }),
        amount: first.amount,
        currency: first.currency,
    }
}

/// The refund of a debit.
pub(super) fn refund(
    services: &Services,
    debit: Debit,
    failure: Failure,
    cleanup: Cleanup,
    due_at: Timestamp,
) -> RefundOrder {
    let epoch = debit.operation.epoch;
    RefundOrder {
        debit,
        entry_id: EntryId(services.ids.next()),
        epoch,
        failure,
        cleanup,
        due_at: (cleanup == Cleanup::Watching).then_some(due_at),
    }
}

/// The good end of an operation that made a new Link.
pub(super) fn settle_link(
    operation: &Operation,
    link: Link,
    activation: Activation,
    answer: &Answer,
) -> Settlement {
    Settlement {
        operation_id: operation.id,
        epoch: operation.epoch,
        link: Some(link),
        activation,
        answer: operation.key.is_some().then(|| Box::new(answer.clone())),
    }
}

/// The good end of a group of top-ups, with what it answers.
pub(super) fn settle_topups(
    made: Vec<(&Operation, Activation)>,
    iccid: &str,
    currency: Currency,
) -> Option<(Vec<Settlement>, Answer)> {
    let (first, _) = made.first()?;
    let amounts = made.iter().map(|(operation, _)| operation.amount);
    let answer = Answer::PlansChanged {
        link_id: first.link_id,
        iccid: iccid.to_owned(),
        added: made.iter().map(|(_, activation)| activation.clone()).collect(),
        removed: Vec::new(),
        amount: crate::model::Money::checked_sum(amounts)?,
        currency,
    };
    let settlements = made
        .into_iter()
        .map(|(operation, activation)| Settlement {
            operation_id: operation.id,
            epoch: operation.epoch,
            link: None,
            activation,
            answer: operation.key.is_some().then(|| Box::new(answer.clone())),
        })
        .collect();
    Some((settlements, answer))
}
