//! An operator whose calls are counted and timed: stands between the gateway and the client. Behind
//! the answers that operations wait for are the points at which tests may end the process.
//!
//! **Invariant:** what is asked and answered passes through unchanged.

use super::metrics::{Call, METRICS};
use async_trait::async_trait;
use bappy_actors::fault_point;
use bappy_actors::model::{ProfileState, SimKind};
use bappy_actors::ports::{
    AccessToken, CallError, CataloguePage, Connectivity, Endpoint, EndpointStatus, NewEndpoint,
    Operator, PlanInstance, Removal, SimCard, SmsReport,
};
use bappy_actors::traced;
use std::time::{Duration, Instant};
use tracing::Instrument;

/// An operator behind which the calls are made.
pub struct Measured<O>(pub O);

/// Has one call made.
async fn measured<T>(
    call: Call,
    made: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let asked = Instant::now();
    let span = traced!("operator", otel.kind = "client", call = ?call);
    let answer = made.instrument(span).await;
    METRICS.seconds.of(call).record(asked.elapsed());
    METRICS.calls.of((call, (&answer).into())).increment(1);
    answer
}

#[async_trait]
impl<O: Operator> Operator for Measured<O> {
    async fn login(&self, timeout: Duration) -> Result<AccessToken, CallError> {
        measured(Call::Login, self.0.login(timeout)).await
    }

    async fn catalogue(
        &self,
        token: &AccessToken,
        page: u32,
        per_page: u32,
        timeout: Duration,
    ) -> Result<CataloguePage, CallError> {
        measured(Call::Catalogue, self.0.catalogue(token, page, per_page, timeout)).await
    }

    async fn list_sims(
        &self,
        token: &AccessToken,
        sponsor_id: &str,
        kind: SimKind,
        limit: u32,
        after: Option<&str>,
        timeout: Duration,
    ) -> Result<Vec<SimCard>, CallError> {
        let listed = self.0.list_sims(token, sponsor_id, kind, limit, after, timeout);
        measured(Call::ListSims, listed).await
    }

    async fn profile_state(
        &self,
        token: &AccessToken,
        iccid: &str,
        timeout: Duration,
    ) -> Result<ProfileState, CallError> {
        measured(Call::GetSim, self.0.profile_state(token, iccid, timeout)).await
    }

    async fn create_endpoint(
        &self,
        token: &AccessToken,
        new: NewEndpoint<'_>,
        timeout: Duration,
    ) -> Result<Endpoint, CallError> {
        let answer =
            measured(Call::CreateEndpoint, self.0.create_endpoint(token, new, timeout)).await;
        fault_point!("operator.create_endpoint");
        answer
    }

    async fn endpoint(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Option<Endpoint>, CallError> {
        let answer =
            measured(Call::GetEndpoint, self.0.endpoint(token, endpoint_id, timeout)).await;
        fault_point!("operator.get_endpoint");
        answer
    }

    async fn endpoints_of_sim(
        &self,
        token: &AccessToken,
        iccid: &str,
        timeout: Duration,
    ) -> Result<Vec<Endpoint>, CallError> {
        let answer =
            measured(Call::FindEndpoint, self.0.endpoints_of_sim(token, iccid, timeout)).await;
        fault_point!("operator.find_endpoint");
        answer
    }

    async fn add_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        operator_plan_id: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<PlanInstance, CallError> {
        let added = self.0.add_plan(token, endpoint_id, operator_plan_id, reference, timeout);
        let answer = measured(Call::AddPlan, added).await;
        fault_point!("operator.add_plan");
        answer
    }

    async fn remove_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        instance_id: &str,
        timeout: Duration,
    ) -> Result<Removal, CallError> {
        let removed = self.0.remove_plan(token, endpoint_id, instance_id, timeout);
        let answer = measured(Call::RemovePlan, removed).await;
        fault_point!("operator.remove_plan");
        answer
    }

    async fn set_status(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        status: EndpointStatus,
        timeout: Duration,
    ) -> Result<(), CallError> {
        let answer =
            measured(Call::SetStatus, self.0.set_status(token, endpoint_id, status, timeout)).await;
        fault_point!("operator.set_status");
        answer
    }

    async fn connectivity(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Connectivity, CallError> {
        measured(Call::Connectivity, self.0.connectivity(token, endpoint_id, timeout)).await
    }

    async fn send_sms(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        text: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<SmsReport, CallError> {
        let sent = self.0.send_sms(token, endpoint_id, text, reference, timeout);
        let answer = measured(Call::SendSms, sent).await;
        fault_point!("operator.send_sms");
        answer
    }

    async fn find_sms(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<Option<SmsReport>, CallError> {
        let answer =
            measured(Call::FindSms, self.0.find_sms(token, endpoint_id, reference, timeout)).await;
        fault_point!("operator.find_sms");
        answer
    }

    async fn sms(
        &self,
        token: &AccessToken,
        sms_id: &str,
        timeout: Duration,
    ) -> Result<Option<SmsReport>, CallError> {
        let answer = measured(Call::GetSms, self.0.sms(token, sms_id, timeout)).await;
        fault_point!("operator.get_sms");
        answer
    }

    async fn ping(&self, token: &AccessToken, timeout: Duration) -> Result<(), CallError> {
        measured(Call::Ping, self.0.ping(token, timeout)).await
    }
}
