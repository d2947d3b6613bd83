//! SMS to Links.

use super::{LinkId, Money, OperationId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is sent. It is a partner's customer's: no log shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SmsText(String);

impl SmsText {
    /// A message of any length; the edge bounds it.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The message, for the database, the operator and whoever sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SmsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmsText({} characters)", self.0.chars().count())
    }
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SmsStatus {
    /// Charged, and not known to be with the operator.
    Queued,
    /// The operator has taken it.
    Sent,
    /// The operator says that it reached the card.
    Delivered,
    /// It was never handed over and is refunded; or it was, and the operator could not deliver it.
    Failed,
}

/// A message to a Link. Its operation has the same id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sms {
    /// Its id, and our reference at the operator.
    pub id: OperationId,
    /// The Link it goes to.
    pub link_id: LinkId,
    /// The Link's card.
    pub iccid: String,
    /// What it says.
    pub message: SmsText,
    /// Where it is.
    pub status: SmsStatus,
    /// What it was charged at.
    pub amount: Money,
    /// Its id at the operator, once that has taken it.
    pub operator_sms_id: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When the operator was known to have taken it.
    pub sent_at: Option<Timestamp>,
    /// When its status changed last.
    pub updated_at: Timestamp,
}
