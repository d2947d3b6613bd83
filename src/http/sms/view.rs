//! An SMS as partners see it.

use crate::http::show;
use bappy_actors::model::{
    Currency, LinkId, Money, OperationId, Sms, SmsStatus, SmsText, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

/// A text message to a Link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sms)]
pub struct SmsView {
    id: OperationId,
    link_id: LinkId,
    #[schema(pattern = "^[0-9]{19,20}$", example = "8988247000000000019")]
    iccid: String,
    #[schema(value_type = String, example = "Your data is nearly used up.")]
    message: SmsText,
    status: SmsStatus,
    /// What your wallet was charged; given back where the status is `failed`.
    amount_charged: Money,
    currency: Currency,
    #[serde(serialize_with = "show::at")]
    created_at: Timestamp,
}

impl SmsView {
    /// An SMS as it stands, in its wallet's currency.
    pub fn new(sms: Sms, currency: Currency) -> Self {
        Self {
            id: sms.id,
            link_id: sms.link_id,
            iccid: sms.iccid,
            message: sms.message,
            status: sms.status,
            amount_charged: sms.amount,
            currency,
            created_at: sms.created_at,
        }
    }

    /// An SMS as it was when it was queued.
    pub fn queued(sms: Sms, currency: Currency) -> Self {
        Self { status: SmsStatus::Queued, ..Self::new(sms, currency) }
    }
}
