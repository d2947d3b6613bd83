//! What a run of the monthly fees reads and remembers, beside the wallets.

use super::StoreError;
use crate::model::{LinkId, LinkStatus, Money, Month, OrgId, Timestamp};
use async_trait::async_trait;

/// An organization that pays for its Links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payer {
    /// The organization.
    pub org: OrgId,
    /// What a Link costs it a month; above zero.
    pub price_per_link: Money,
}

/// A Link as a run for a month finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The Link.
    pub link_id: LinkId,
    /// Its card.
    pub iccid: String,
    /// The operator's id of its endpoint.
    pub endpoint_id: String,
    /// Its status.
    pub status: LinkStatus,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether its fee of the month was charged, fell due or was waived already.
    pub is_decided: bool,
    /// The month of a fee that is due of it.
    pub owes: Option<Month>,
    /// Whether it is suspended and a change of it is under way: it may have paid the fee that it is suspended
    /// for, and may have it given back.
    pub is_in_between: bool,
}

/// What a run of the monthly fees reads and remembers.
#[async_trait]
pub trait FeeBook: Send + Sync + 'static {
    /// Organizations with a price above zero, by id, past `after`; without those whose run for
    /// `unfinished` is complete.
    async fn payers(
        &self,
        unfinished: Option<Month>,
        after: Option<OrgId>,
        limit: i64,
    ) -> Result<Vec<Payer>, StoreError>;
    /// An organization's Links by id, past `after`.
    async fn candidates(
        &self,
        org: OrgId,
        month: Month,
        after: Option<LinkId>,
        limit: i64,
    ) -> Result<Vec<Candidate>, StoreError>;
    /// Notes that no fee of a month falls due of Links that are suspended for an earlier one.
    async fn waive(
        &self,
        org: OrgId,
        month: Month,
        links: Vec<LinkId>,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// Notes that a run for a month has looked at all Links of an organization.
    async fn complete(&self, org: OrgId, month: Month, at: Timestamp) -> Result<(), StoreError>;
}
