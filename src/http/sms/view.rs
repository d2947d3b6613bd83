//! An SMS as partners see it.

use crate::http::show;
use bappy_actors::model::{
    Currency, LinkId, Money, OperationId, Sms, SmsStatus, SmsText, Timestamp,
};
use serde::Serialize;

/// An SMS.
#[derive(Debug, Serialize)]
pub struct SmsView {
    id: OperationId,
    link_id: LinkId,
    iccid: String,
    message: SmsText,
    status: SmsStatus,
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
