//! Messages to a card: accepted, and delivered a moment later.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Reference, World,
    endpoint::{Endpoint, Status},
    event::{Event, SmsSent},
    lock,
};
use crate::sandbox::operator::{
    clock::Timestamp,
    ids::{EndpointId, SmsId},
    refusal::Refusal,
};

/// How long a message is under way: long enough to see it accepted, short enough to wait for.
const DELIVERY_SECONDS: f64 = 0.5;

#[derive(Debug, Clone)]
pub(super) struct Sms {
    endpoint_id: EndpointId,
    reference: Reference,
    text: String,
    accepted_at: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum SmsState {
    Accepted,
    Delivered,
}

/// A message as the operator shows it.
#[derive(Serialize)]
pub(in super::super) struct SmsView {
    sms_id: SmsId,
    endpoint_id: EndpointId,
    reference: Reference,
    text: String,
    state: SmsState,
    accepted_at: Timestamp,
}

impl Sms {
    fn view(&self, sms_id: SmsId, now: Timestamp) -> SmsView {
        let delivered = now >= self.accepted_at.plus_seconds(DELIVERY_SECONDS);
        SmsView {
            sms_id,
            endpoint_id: self.endpoint_id,
            reference: self.reference.clone(),
            text: self.text.clone(),
            state: if delivered { SmsState::Delivered } else { SmsState::Accepted },
            accepted_at: self.accepted_at,
        }
    }
}

impl World {
    /// Accepts a message to the endpoint's card.
    pub fn send_sms(
        &self,
        endpoint_id: EndpointId,
        text: String,
        reference: Reference,
    ) -> Result<SmsView, Refusal> {
        let endpoint = self.endpoint(endpoint_id)?;
        let mut state = lock(&endpoint.state);
        if state.status == Status::Terminated {
            return Err(Refusal::terminated(endpoint_id));
        }
        let sent = SmsSent {
            at: Timestamp::now(),
            endpoint_id,
            iccid: endpoint.iccid,
            sms_id: SmsId::new(&self.ids),
            text,
            reference,
        };
        self.commit(&Event::SmsSent(sent.clone()))?;
        state.sms_sent(&sent);
        drop(state);
        let (sms_id, at) = (sent.sms_id, sent.at);
        self.keep_sms(sent);
        self.sms(sms_id, at)
    }

    pub(super) fn keep_sms(&self, sent: SmsSent) {
        let SmsSent { at, endpoint_id, sms_id, text, reference, .. } = sent;
        self.messages.insert(sms_id, Sms { endpoint_id, reference, text, accepted_at: at });
    }

    /// One message.
    pub fn sms(&self, sms_id: SmsId, now: Timestamp) -> Result<SmsView, Refusal> {
        let sms = self.messages.get(&sms_id).ok_or(Refusal::NoSms)?;
        Ok(sms.view(sms_id, now))
    }

    /// The messages of an endpoint with this reference, or all, in the order they were sent.
    pub fn find_sms(
        &self,
        endpoint_id: EndpointId,
        reference: Option<&str>,
    ) -> Result<Vec<SmsView>, Refusal> {
        let endpoint: Arc<Endpoint> = self.endpoint(endpoint_id)?;
        let ids = {
            let state = lock(&endpoint.state);
            match reference {
                None => state.messages.clone(),
                Some(one) => state.messages_by_reference.get(one).cloned().unwrap_or_default(),
            }
        };
        let now = Timestamp::now();
        Ok(ids.into_iter().filter_map(|id| self.sms(id, now).ok()).collect())
    }
}
