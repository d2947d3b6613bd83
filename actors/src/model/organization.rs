//! Organizations: the tenants.

use super::{Currency, Money, OrgId, Timestamp};
use serde::{Deserialize, Serialize};

/// Whether an organization may use the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OrgStatus {
    /// May do everything.
    Active,
    /// May read its profile and balance, nothing else.
    Suspended,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: OrgId,
    /// Its short name in commands and claims.
    pub slug: String,
    /// Its display name.
    pub name: String,
    /// Whether it may use the API.
    pub status: OrgStatus,
    /// The currency of its wallet.
    pub currency: Currency,
    /// What an SMS costs it.
    pub price_per_sms: Money,
    /// What a Link costs it a month.
    pub price_per_link: Money,
    /// When it was created.
    pub created_at: Timestamp,
}
