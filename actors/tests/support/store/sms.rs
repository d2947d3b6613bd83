//! SMS: their ends behind the charge.

use super::Data;
use bappy_actors::model::{Cleanup, OperationId, OperationState, OrgId, SmsStatus, Timestamp};
use bappy_actors::ports::{Closing, SmsReport, SmsState};

impl Data {
    pub fn sms_handed_over(
        &mut self,
        org: OrgId,
        id: OperationId,
        epoch: i64,
        report: SmsReport,
        due_at: Option<Timestamp>,
        at: Timestamp,
    ) -> bool {
        let closing = Closing {
            operation_id: id,
            epoch,
            state: OperationState::Succeeded,
            failure: None,
            cleanup: Cleanup::None,
            lease_until: due_at,
            answer: None,
        };
        if !self.is_held(org, &closing) {
            return false;
        }
        self.close(closing, at);
        let (_, sms) = self.sms.get_mut(&id).unwrap();
        sms.status = match report.state {
            SmsState::Accepted => SmsStatus::Sent,
            SmsState::Delivered => SmsStatus::Delivered,
            SmsState::Failed => SmsStatus::Failed,
        };
        sms.operator_sms_id = Some(report.sms_id);
        (sms.sent_at, sms.updated_at) = (Some(at), at);
        true
    }

    pub fn sms_ended(&mut self, id: OperationId, status: SmsStatus, at: Timestamp) {
        let (_, sms) = self.sms.get_mut(&id).unwrap();
        if sms.status == SmsStatus::Sent {
            (sms.status, sms.updated_at) = (status, at);
            self.operations.get_mut(&id).unwrap().lease_until = None;
        }
    }
}
