//! Commands for a wallet.

use super::environment::epoch;
use super::fixtures::money;
use bappy_actors::model::{
    Activation, ActivationId, ActivationStatus, Cleanup, EntryId, EntryKind, Failure, LinkFee,
    LinkId, LinkStatus, NameChange, Operation, OperationId, OperationKind, OperationState, OrgId,
    PlanId, Request, RequestKey, Volume,
};
use bappy_actors::wallet::{Command, Credit, Debit, FeeCharge, RefundOrder, Settlement};
use chrono::TimeDelta;
use uuid::Uuid;

fn id(class: u128, n: u128) -> Uuid {
    Uuid::from_u128((class << 64) + n)
}

/// A top-up's debit; `n` makes it itself.
pub fn debit_of(org: OrgId, n: u128, amount: &str) -> Debit {
    let id_of_operation = OperationId(id(1, n));
    let entry_id = EntryId(id(2, n));
    let operation = Operation {
        id: id_of_operation,
        org_id: org,
        group_id: id_of_operation,
        position: 0,
        kind: OperationKind::Topup,
        state: OperationState::Pending,
        link_id: LinkId(id(3, 1)),
        activation_id: Some(ActivationId(id(4, n))),
        plan_id: Some(PlanId(id(5, 1))),
        amount: money(amount),
        debit_id: Some(entry_id),
        key: None,
        request: Request::Topup {
            endpoint_id: "E1".to_owned(),
            iccid: "8900".to_owned(),
            operator_plan_id: "P".to_owned(),
        },
        failure: None,
        cleanup: Cleanup::None,
        epoch: 0,
        attempts: 0,
        deadline_at: epoch() + TimeDelta::seconds(18),
        horizon_at: epoch() + TimeDelta::seconds(618),
        created_at: epoch(),
        settled_at: None,
    };
    let description = format!("Top-up {n}");
    Debit { operation, entry_id, iccid: None, plan_name: None, description, sms: None }
}

pub fn debit(org: OrgId, n: u128, amount: &str) -> Command {
    Command::Debit(vec![debit_of(org, n, amount)])
}

pub fn keyed_debit(org: OrgId, n: u128, key: &str) -> Command {
    let mut debit = debit_of(org, n, "1");
    debit.operation.key = Some(RequestKey { key: key.to_owned(), request_hash: [0; 32] });
    Command::Debit(vec![debit])
}

pub fn refund_of(org: OrgId, n: u128, amount: &str) -> RefundOrder {
    RefundOrder {
        debit: debit_of(org, n, amount),
        entry_id: EntryId(id(6, n)),
        epoch: 0,
        failure: Failure::ProvisioningError,
        cleanup: Cleanup::None,
        due_at: None,
    }
}

pub fn refund(org: OrgId, n: u128, amount: &str) -> Command {
    Command::Refund(vec![refund_of(org, n, amount)])
}

pub fn settlement_of(org: OrgId, n: u128, amount: &str) -> Settlement {
    let operation = debit_of(org, n, amount).operation;
    let activation = Activation {
        id: ActivationId(id(4, n)),
        link_id: operation.link_id,
        operation_id: operation.id,
        plan_id: PlanId(id(5, 1)),
        plan_name: "Plan".to_owned(),
        status: ActivationStatus::Active,
        instance_id: format!("I{n}"),
        activated_at: epoch(),
        first_used_at: None,
        expires_at: None,
        data_total: Volume::from_kb(1),
        data_used: Volume::ZERO,
        countries: Vec::new(),
        amount: operation.amount,
        currency: super::fixtures::usd(),
    };
    Settlement { operation_id: operation.id, epoch: 0, link: None, activation, answer: None }
}

pub fn settle(org: OrgId, n: u128, amount: &str) -> Command {
    Command::Settle(vec![settlement_of(org, n, amount)])
}

pub fn credit(n: u128, amount: &str) -> Command {
    Command::Credit(Credit {
        entry_id: EntryId(id(7, n)),
        kind: EntryKind::Credit,
        amount: money(amount),
        reference: Some(format!("R{n}")),
        description: "Credit".to_owned(),
    })
}

/// A Link's fee of December 2026; `n` makes it itself.
pub fn link_fee(n: u128, amount: &str) -> Command {
    let fee = LinkFee {
        link_id: LinkId(id(3, n)),
        month: "2026-12".parse().unwrap(),
        amount: money(amount),
    };
    Command::LinkFee(FeeCharge { entry_id: EntryId(id(8, n)), fee, iccid: "8900".to_owned() })
}

/// The debit of a reactivation that pays December's fee, and its refund.
pub fn reactivation_of(org: OrgId, n: u128, amount: &str) -> (Command, Command) {
    let mut refund = refund_of(org, n, amount);
    refund.debit.operation.kind = OperationKind::UpdateLink;
    refund.debit.operation.request = Request::UpdateLink {
        endpoint_id: "E1".to_owned(),
        status: Some(LinkStatus::Active),
        name: NameChange::Keep,
        fee: Some("2026-12".parse().unwrap()),
    };
    (Command::Debit(vec![refund.debit.clone()]), Command::Refund(vec![refund]))
}
