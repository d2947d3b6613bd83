//! Links and activations, and the entries that tests write past the core.

use super::{Data, StoredWallet};
use bappy_actors::model::{
    ActivationStatus, EntryId, EntryKind, LedgerEntry, LinkId, LinkSnapshot, LinkStatus, Money,
    OrgId, Timestamp, Volume,
};
use bappy_actors::ports::{UsageReading, WalletRow};
use uuid::Uuid;

pub fn credit_entry(sequence: i64, amount: Money, balance_after: Money) -> LedgerEntry {
    LedgerEntry {
        id: EntryId(Uuid::from_u128(0xC000_0000_0000 + u128::try_from(sequence).unwrap())),
        sequence,
        kind: EntryKind::Credit,
        amount,
        balance_after,
        link_id: None,
        iccid: None,
        activation_id: None,
        plan_id: None,
        plan_name: None,
        refund_of: None,
        operation_id: None,
        reference: None,
        description: "Credit".to_owned(),
    }
}

impl Data {
    /// A wallet with this much in it.
    pub fn add_wallet(&mut self, org: OrgId, balance: Money) {
        let row = WalletRow { balance: Money::ZERO, version: 0, fence: 0 };
        self.wallets.insert(org, StoredWallet { row, ledger: Vec::new() });
        if balance != Money::ZERO {
            self.credit_elsewhere(org, balance);
        }
    }

    pub fn balance(&self, org: OrgId) -> Money {
        self.wallets[&org].row.balance
    }

    /// Brings a Link's volumes up to date with its activations in force.
    pub fn sum_up(&mut self, link: LinkId) {
        let in_force = self.activations.values().map(|(_, activation)| activation).filter(|a| {
            a.link_id == link
                && matches!(a.status, ActivationStatus::Active | ActivationStatus::Depleted)
        });
        let (total, used) = in_force.fold((Volume::ZERO, Volume::ZERO), |(total, used), a| {
            (total.plus(a.data_total), used.plus(a.data_used))
        });
        if let Some((_, link)) = self.links.get_mut(&link) {
            link.data_total = total;
            link.data_used = used;
        }
    }

    /// Expires up to `limit` activations whose time is over.
    pub fn expire(&mut self, now: Timestamp, limit: i64) -> u64 {
        let activations = self.activations.values_mut().map(|(_, activation)| activation);
        let over = activations.filter(|a| a.status.is_in_force() && a.is_over(now));
        let mut links = Vec::new();
        for activation in over.take(usize::try_from(limit).unwrap()) {
            activation.status = ActivationStatus::Expired;
            links.push(activation.link_id);
        }
        for link in &links {
            self.sum_up(*link);
        }
        links.len() as u64
    }

    pub fn snapshot(&self, org: OrgId, id: LinkId) -> Option<LinkSnapshot> {
        let (owner, link) = self.links.get(&id)?;
        let mut activations: Vec<_> = self
            .activations
            .values()
            .map(|(_, activation)| activation.clone())
            .filter(|activation| activation.link_id == id)
            .collect();
        activations.reverse();
        (*owner == org).then(|| LinkSnapshot {
            link: link.clone(),
            activations,
            countries: Vec::new(),
            operators_total: 0,
            usage_live: false,
        })
    }

    /// What was cancelled stays so, and a reading older than the last one changes nothing.
    pub fn record_usage(&mut self, link: LinkId, reading: UsageReading) {
        let Some((_, row)) = self.links.get_mut(&link) else { return };
        if row.usage_at.is_some_and(|last| last > reading.at) {
            return;
        }
        row.usage_at = Some(reading.at);
        if reading.terminated {
            row.status = LinkStatus::Inactive;
        }
        for (id, used, status, first_used_at) in &reading.activations {
            let (_, activation) = self.activations.get_mut(id).unwrap();
            if activation.status == ActivationStatus::Cancelled {
                continue;
            }
            activation.data_used = *used;
            activation.status = *status;
            activation.first_used_at = first_used_at.or(activation.first_used_at);
        }
        self.sum_up(link);
        self.readings.push((link, reading));
    }
}
