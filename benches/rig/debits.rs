//! Debits for a wallet, one after the other. Also used by `benches/shell.rs`.

use bappy_actors::model::{
    ActivationId, Cleanup, EntryId, EntryKind, LinkId, Money, Operation, OperationId,
    OperationKind, OperationState, OrgId, PlanId, Request,
};
use bappy_actors::ports::{Clock, Ids};
use bappy_actors::wallet::{Command, Credit, Debit};
use chrono::TimeDelta;
use std::sync::Arc;

/// What is written.
#[derive(Clone, Copy)]
pub enum What {
    /// The balance, a ledger entry, the day's totals: what pgbench's hot row is, and a bit more.
    Entry,
    /// The same with the record of an operation: the first half of a top-up.
    Operation,
}

/// Makes debits.
pub struct Debits {
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
    /// Whose they are.
    pub org: OrgId,
    link: LinkId,
    plan: PlanId,
}

impl Debits {
    /// Of an organization and a plan.
    pub fn new(ids: Arc<dyn Ids>, clock: Arc<dyn Clock>, org: OrgId, plan: PlanId) -> Self {
        let link = LinkId(ids.next());
        Self { ids, clock, org, link, plan }
    }

    /// The next one.
    pub fn next(&self, what: What) -> Command {
        match what {
            What::Entry => Command::Credit(Credit {
                entry_id: EntryId(self.ids.next()),
                kind: EntryKind::Adjustment,
                amount: Money::from_micros(-1),
                reference: None,
                description: "Adjustment: benchmark".to_owned(),
            }),
            What::Operation => Command::Debit(vec![self.debit()]),
        }
    }

    fn debit(&self) -> Debit {
        let (id, entry_id) = (OperationId(self.ids.next()), EntryId(self.ids.next()));
        let created_at = self.clock.now();
        // Far off: nobody shall look at them while it is measured.
        let deadline_at = created_at + TimeDelta::hours(1);
        let iccid = "8988247000000000019".to_owned();
        let operation = Operation {
            id,
            org_id: self.org,
            group_id: id,
            position: 0,
            kind: OperationKind::Topup,
            state: OperationState::Pending,
            link_id: self.link,
            activation_id: Some(ActivationId(self.ids.next())),
            plan_id: Some(self.plan),
            amount: Money::from_micros(1),
            debit_id: Some(entry_id),
            key: None,
            request: Request::Topup {
                endpoint_id: "endpoint".to_owned(),
                iccid: iccid.clone(),
                operator_plan_id: "plan".to_owned(),
            },
            failure: None,
            cleanup: Cleanup::None,
            epoch: 0,
            attempts: 0,
            deadline_at,
            horizon_at: deadline_at,
            created_at,
            settled_at: None,
        };
        Debit {
            operation,
            entry_id,
            iccid: Some(iccid),
            plan_name: Some("Europe 1 GB".to_owned()),
            description: "Top-up: Europe 1 GB".to_owned(),
            sms: None,
        }
    }
}
