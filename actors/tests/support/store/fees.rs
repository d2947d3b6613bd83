//! Monthly fees: what is due, the suspensions for it, and what a run reads and remembers.

use super::super::fixtures::PRICE_PER_LINK;
use super::super::wire::About;
use super::{Data, MemoryStore, StoredOperation};
use async_trait::async_trait;
use bappy_actors::model::{
    ChargedFee, EntryId, Link, LinkFee, LinkId, LinkStatus, Money, Month, Operation, OrgId,
    Request, Timestamp,
};
use bappy_actors::ports::{
    Candidate, FeeBook, OpenOutcome, Payer, StoreError, Suspending, Suspension, SuspensionOutcome,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeState {
    Charged,
    Due,
    Waived,
    Paid,
}

#[derive(Clone, Copy, Debug)]
pub struct FeeRow {
    pub org: OrgId,
    pub fee: LinkFee,
    pub state: FeeState,
    pub entry: Option<EntryId>,
}

impl Data {
    fn fees_of(&self, org: OrgId, link: LinkId) -> impl Iterator<Item = &FeeRow> {
        self.fees.iter().filter(move |row| row.org == org && row.fee.link_id == link)
    }

    pub fn due_fee(&self, org: OrgId, link: LinkId) -> Option<LinkFee> {
        let paid = |month: Month| {
            self.fees_of(org, link).any(|r| r.fee.month == month && r.state == FeeState::Paid)
        };
        let mut due = self.fees_of(org, link).filter(|row| row.state == FeeState::Due);
        due.find(|row| !paid(row.fee.month)).map(|row| row.fee)
    }

    pub fn is_fee_charged(&self, org: OrgId, link: LinkId, month: Month, entry: EntryId) -> bool {
        self.fees_of(org, link).any(|r| r.fee.month == month && r.entry == Some(entry))
    }

    pub fn is_fee_taken(&self, org: OrgId, charged: &ChargedFee) -> bool {
        self.fees_of(org, charged.fee.link_id).any(|row| {
            row.fee.month == charged.fee.month && (row.state == FeeState::Paid) == charged.was_due
        })
    }

    pub fn charge_fee(&mut self, org: OrgId, charged: &ChargedFee) {
        let state = if charged.was_due { FeeState::Paid } else { FeeState::Charged };
        let entry = Some(charged.entry_id);
        self.fees.push(FeeRow { org, fee: charged.fee, state, entry });
    }

    pub fn return_fee(&mut self, org: OrgId, link: LinkId, entry: EntryId) {
        self.fees
            .retain(|row| row.org != org || row.fee.link_id != link || row.entry != Some(entry));
    }

    /// A fee falls due, and nothing suspends its Link: for a test to prepare.
    pub fn fall_due(&mut self, org: OrgId, link: LinkId, month: &str, amount: Money) {
        let fee = LinkFee { link_id: link, month: month.parse().unwrap(), amount };
        self.fees.push(FeeRow { org, fee, state: FeeState::Due, entry: None });
    }

    /// Whether an operation reactivates a Link of which a fee is due, and pays none.
    pub fn is_unpaid(&self, operation: &Operation) -> bool {
        let reactivates = matches!(
            operation.request,
            Request::UpdateLink { status: Some(LinkStatus::Active), .. }
        );
        reactivates && self.due_fee(operation.org_id, operation.link_id).is_some()
    }

    pub fn suspend(&mut self, org: OrgId, suspending: Suspending) -> SuspensionOutcome {
        let Suspending { operation, lease_until, because } = suspending;
        let (id, link) = (operation.id, operation.link_id);
        if let Suspension::FallsDue(fee) = because
            && fee.amount <= self.wallets[&org].row.balance
        {
            return SuspensionOutcome::Covered;
        }
        if self.open(operation, lease_until) == OpenOutcome::LinkBusy {
            let suspends = |change: &Operation| {
                matches!(
                    change.request,
                    Request::UpdateLink { status: Some(LinkStatus::Suspended), .. }
                )
            };
            return if because == Suspension::Owing
                && self.change_of(org, link).is_some_and(suspends)
            {
                SuspensionOutcome::Unfounded
            } else {
                SuspensionOutcome::LinkBusy
            };
        }
        let is_due = self.due_fee(org, link).is_some();
        let is_founded = match because {
            _ if self.links[&link].1.status == LinkStatus::Inactive => false,
            Suspension::Owing => is_due && self.links[&link].1.status == LinkStatus::Active,
            Suspension::Off => self.links[&link].1.status == LinkStatus::Suspended,
            Suspension::Undone => !is_due && self.links[&link].1.status == LinkStatus::Active,
            Suspension::FallsDue(fee) => {
                let is_new = self.fees_of(org, link).all(|row| row.fee.month != fee.month);
                if is_new && !is_due {
                    self.fees.push(FeeRow { org, fee, state: FeeState::Due, entry: None });
                }
                is_new && !is_due
            }
        };
        if !is_founded {
            let _: Option<StoredOperation> = self.operations.remove(&id);
            return SuspensionOutcome::Unfounded;
        }
        SuspensionOutcome::Opened
    }
}

impl Data {
    /// An organization's Links as a run for a month finds them.
    fn candidates(
        &self,
        org: OrgId,
        month: Month,
        after: Option<LinkId>,
        limit: usize,
    ) -> Vec<Candidate> {
        let links = self.links.values().filter(|(owner, _)| *owner == org);
        let links = links.filter(|(_, link)| after.is_none_or(|after| link.id > after));
        let candidate = |link: &Link| {
            let mut rows = self.fees_of(org, link.id);
            Candidate {
                link_id: link.id,
                iccid: link.iccid.clone(),
                endpoint_id: link.endpoint_id.clone(),
                status: link.status,
                created_at: link.created_at,
                is_decided: rows.any(|row| row.fee.month == month && row.state != FeeState::Paid),
                owes: self.due_fee(org, link.id).map(|fee| fee.month),
                is_in_between: link.status == LinkStatus::Suspended
                    && self.change_of(org, link.id).is_some(),
            }
        };
        links.take(limit).map(|(_, link)| candidate(link)).collect()
    }

    fn waive(&mut self, org: OrgId, month: Month, links: &[LinkId]) {
        for link in links {
            let decided = |row: &FeeRow| row.fee.month == month && row.state != FeeState::Paid;
            if !self.fees_of(org, *link).any(decided) {
                let fee = LinkFee { link_id: *link, month, amount: Money::ZERO };
                self.fees.push(FeeRow { org, fee, state: FeeState::Waived, entry: None });
            }
        }
    }
}

/// Every organization pays the same for its Links, and no run is ever complete.
#[async_trait]
impl FeeBook for MemoryStore {
    async fn payers(
        &self,
        _: Option<Month>,
        after: Option<OrgId>,
        limit: i64,
    ) -> Result<Vec<Payer>, StoreError> {
        let limit = usize::try_from(limit).unwrap();
        self.call("payers", About::Nothing, move |data| {
            let orgs = data.wallets.keys().filter(|org| after.is_none_or(|after| **org > after));
            let payer = |org: &OrgId| Payer { org: *org, price_per_link: PRICE_PER_LINK };
            Ok(orgs.take(limit).map(payer).collect())
        })
        .await
    }

    async fn candidates(
        &self,
        org: OrgId,
        month: Month,
        after: Option<LinkId>,
        limit: i64,
    ) -> Result<Vec<Candidate>, StoreError> {
        let limit = usize::try_from(limit).unwrap();
        self.call("candidates", About::Wallet(org), move |data| {
            Ok(data.candidates(org, month, after, limit))
        })
        .await
    }

    async fn waive(
        &self,
        org: OrgId,
        month: Month,
        links: Vec<LinkId>,
        _: Timestamp,
    ) -> Result<(), StoreError> {
        self.call("waive", About::Wallet(org), move |data| {
            data.waive(org, month, &links);
            Ok(())
        })
        .await
    }

    async fn complete(&self, org: OrgId, _: Month, _: Timestamp) -> Result<(), StoreError> {
        self.call("complete", About::Wallet(org), |_| Ok(())).await
    }
}
