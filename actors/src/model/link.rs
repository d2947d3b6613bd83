//! Links (cards) and the activations (plans) on them.

use super::{
    ActivationId, Currency, LinkId, Money, OperationId, PlanId, Sponsor, Timestamp, Volume,
};
use serde::{Deserialize, Serialize};

/// Whether a Link's endpoint serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkStatus {
    /// Serving.
    Active,
    /// Switched off, can be reactivated.
    Suspended,
    /// Terminated upstream; final.
    Inactive,
}

/// What kind of card a Link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SimKind {
    /// A downloadable profile.
    Esim,
    /// A plastic card.
    Physical,
}

/// Where an eSIM profile is in its life (SGP.22 notification states, plus `unknown`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProfileState {
    /// Ready for download.
    Released,
    /// Downloaded by a device.
    Downloaded,
    /// Installed on a device.
    Installed,
    /// In use on a device.
    Enabled,
    /// Installed but switched off.
    Disabled,
    /// Removed from the device.
    Deleted,
    /// Not known.
    #[serde(other)]
    Unknown,
}

/// An eSIM's profile state and when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EsimProfile {
    /// The state.
    pub state: ProfileState,
    /// When it was read from the operator.
    pub updated_at: Option<Timestamp>,
}

/// A Link: one card of one organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// The partner's name for it.
    pub name: Option<String>,
    /// The card's ICCID (E.118), 19–20 digits.
    pub iccid: String,
    /// The card's number (E.164), if known.
    pub msisdn: Option<String>,
    /// What kind of card it is.
    pub kind: SimKind,
    /// Whether it serves.
    pub status: LinkStatus,
    /// The family of cards it belongs to.
    pub sponsor: Sponsor,
    /// The operator's id of its endpoint. Never leaves the platform.
    pub endpoint_id: String,
    /// SM-DP+ address of an eSIM.
    pub smdp_address: Option<String>,
    /// Matching id (activation code token) of an eSIM.
    pub matching_id: Option<String>,
    /// Volume of all activations in force.
    pub data_total: Volume,
    /// Last known use of it.
    pub data_used: Volume,
    /// Last known state of an eSIM's profile.
    pub profile: Option<EsimProfile>,
    /// When the use was last read from the operator.
    pub usage_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Whether an activation can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActivationStatus {
    /// In force.
    Active,
    /// Its volume is used up.
    Depleted,
    /// Its time is over.
    Expired,
    /// Removed by the partner.
    Cancelled,
}

impl ActivationStatus {
    /// Neither cancelled nor expired: it is still the Link's, if used up.
    pub fn is_in_force(self) -> bool {
        matches!(self, Self::Active | Self::Depleted)
    }
}

/// One plan on one Link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Activation {
    /// Its id.
    pub id: ActivationId,
    /// The Link it is on.
    pub link_id: LinkId,
    /// The operation that made and paid for it.
    pub operation_id: OperationId,
    /// The plan.
    pub plan_id: PlanId,
    /// The plan's name when it was bought.
    pub plan_name: String,
    /// Whether it can be used.
    pub status: ActivationStatus,
    /// The operator's id of it. Never leaves the platform.
    pub instance_id: String,
    /// When it was activated.
    pub activated_at: Timestamp,
    /// When it was first used, if it was.
    pub first_used_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Its volume.
    pub data_total: Volume,
    /// Last known use of it.
    pub data_used: Volume,
    /// ISO codes of the countries it works in.
    pub countries: Vec<String>,
    /// What was charged for it.
    pub amount: Money,
    /// In which currency.
    pub currency: Currency,
}

impl Activation {
    /// Whether its time is over.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// A Link with its activations, as it stood when an operation on it ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkSnapshot {
    /// The Link.
    pub link: Link,
    /// Newest first: all in force and the newest others.
    pub activations: Vec<Activation>,
    /// Union of the coverage of the activations in force: ISO codes, sorted.
    pub countries: Vec<String>,
    /// How many networks that union has.
    pub operators_total: i64,
    /// Whether the usage figures are no older than the cache's TTL.
    pub usage_live: bool,
}

impl LinkSnapshot {
    /// The activations in force.
    pub fn in_force(&self) -> impl Iterator<Item = &Activation> {
        self.activations.iter().filter(|activation| activation.status.is_in_force())
    }

    /// Expires the activations whose time is over at `now`, and makes the Link's volumes those of
    /// the activations in force. What they cover is for the caller to find.
    pub fn age(&mut self, now: Timestamp) {
        for activation in &mut self.activations {
            if activation.status.is_in_force() && activation.is_over(now) {
                activation.status = ActivationStatus::Expired;
            }
        }
        let sum = |volume: fn(&Activation) -> Volume| {
            self.in_force().map(volume).fold(Volume::ZERO, Volume::plus)
        };
        let (total, used) = (sum(|a| a.data_total), sum(|a| a.data_used));
        (self.link.data_total, self.link.data_used) = (total, used);
    }
}
