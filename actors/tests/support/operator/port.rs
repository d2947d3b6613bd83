//! The port: each call does its work on the state, or fails as the script says.

use super::super::wire::About;
use super::{MemoryOperator, State, session};
use async_trait::async_trait;
use bappy_actors::model::{ProfileState, SimKind};
use bappy_actors::ports::{
    AccessToken, CallError, CataloguePage, Connectivity, ConnectivityState, Endpoint,
    EndpointStatus, NewEndpoint, Operator, PlanInstance, Refusal, Removal, SimCard, SmsReport,
};
use std::sync::Arc;
use std::time::Duration;

#[async_trait]
impl Operator for MemoryOperator {
    async fn login(&self, timeout: Duration) -> Result<AccessToken, CallError> {
        let opened = self.call("op_login", About::Nothing, None, timeout, |state| {
            state.logins += 1;
            state.session = state.logins;
            Ok(state.session)
        });
        let secret = Arc::from(session(opened.await?));
        Ok(AccessToken { secret, expires_in: Duration::from_hours(1) })
    }

    async fn catalogue(
        &self,
        token: &AccessToken,
        _: u32,
        _: u32,
        timeout: Duration,
    ) -> Result<CataloguePage, CallError> {
        let empty = |_: &mut State| Ok(CataloguePage { items: Vec::new(), total: 0 });
        self.call("op_catalogue", About::Nothing, Some(token), timeout, empty).await
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
        let (sponsor, after) = (sponsor_id.to_owned(), after.map(ToOwned::to_owned));
        self.call("op_list_sims", About::Nothing, Some(token), timeout, move |state| {
            let page = state.sims.iter().filter(|sim| {
                sim.sponsor_id == sponsor
                    && sim.kind == kind
                    && after.as_ref().is_none_or(|after| sim.iccid > *after)
            });
            Ok(page.take(usize::try_from(limit).unwrap()).cloned().collect())
        })
        .await
    }

    async fn profile_state(
        &self,
        token: &AccessToken,
        iccid: &str,
        timeout: Duration,
    ) -> Result<ProfileState, CallError> {
        let about = About::Text(iccid.to_owned());
        self.call("op_profile", about, Some(token), timeout, |_| Ok(ProfileState::Enabled)).await
    }

    async fn create_endpoint(
        &self,
        token: &AccessToken,
        new: NewEndpoint<'_>,
        timeout: Duration,
    ) -> Result<Endpoint, CallError> {
        let (iccid, plan) = (new.iccid.to_owned(), new.operator_plan_id.to_owned());
        let reference = new.reference.to_owned();
        let about = About::Sent { reference: reference.clone(), on: iccid.clone() };
        let create = move |state: &mut State| state.create(&iccid, &plan, &reference);
        self.call("op_create", about, Some(token), timeout, create).await
    }

    async fn endpoint(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Option<Endpoint>, CallError> {
        let id = endpoint_id.to_owned();
        self.call("op_endpoint", About::Text(id.clone()), Some(token), timeout, move |state| {
            Ok(state.endpoints.iter().find(|endpoint| endpoint.endpoint_id == id).cloned())
        })
        .await
    }

    async fn endpoints_of_sim(
        &self,
        token: &AccessToken,
        iccid: &str,
        timeout: Duration,
    ) -> Result<Vec<Endpoint>, CallError> {
        let iccid = iccid.to_owned();
        self.call(
            "op_endpoints_of_sim",
            About::Text(iccid.clone()),
            Some(token),
            timeout,
            move |state| Ok(state.endpoints.iter().filter(|e| e.iccid == iccid).cloned().collect()),
        )
        .await
    }

    async fn add_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        operator_plan_id: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<PlanInstance, CallError> {
        let (id, plan) = (endpoint_id.to_owned(), operator_plan_id.to_owned());
        let reference = reference.to_owned();
        let about = About::Sent { reference: reference.clone(), on: id.clone() };
        let add = move |state: &mut State| state.add(&id, &plan, &reference);
        self.call("op_add", about, Some(token), timeout, add).await
    }

    async fn remove_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        instance_id: &str,
        timeout: Duration,
    ) -> Result<Removal, CallError> {
        let (id, instance) = (endpoint_id.to_owned(), instance_id.to_owned());
        let about = About::Text(format!("{instance} of {id}"));
        let remove = move |state: &mut State| state.remove(&id, &instance);
        self.call("op_remove", about, Some(token), timeout, remove).await
    }

    async fn set_status(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        status: EndpointStatus,
        timeout: Duration,
    ) -> Result<(), CallError> {
        let id = endpoint_id.to_owned();
        let about = About::Status(id.clone(), status);
        let set = move |state: &mut State| state.set(&id, status);
        self.call("op_status", about, Some(token), timeout, set).await
    }

    async fn connectivity(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Connectivity, CallError> {
        let id = endpoint_id.to_owned();
        let about = About::Text(id.clone());
        let look = move |state: &mut State| {
            if state.endpoints.iter().all(|endpoint| endpoint.endpoint_id != id) {
                return Err(CallError::Refused(Refusal::NoEndpoint));
            }
            state.looks += 1;
            Ok(Connectivity {
                state: ConnectivityState::Online,
                network: None,
                ip_address: Some(format!("10.0.0.{}", state.looks)),
                imei: None,
                last_seen_at: None,
            })
        };
        self.call("op_connectivity", about, Some(token), timeout, look).await
    }

    async fn send_sms(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        text: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<SmsReport, CallError> {
        let (id, text) = (endpoint_id.to_owned(), text.to_owned());
        let reference = reference.to_owned();
        let about = About::Sent { reference: reference.clone(), on: id.clone() };
        let send = move |state: &mut State| state.send_sms(&id, &text, &reference);
        self.call("op_send_sms", about, Some(token), timeout, send).await
    }

    async fn find_sms(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        reference: &str,
        timeout: Duration,
    ) -> Result<Option<SmsReport>, CallError> {
        let (id, reference) = (endpoint_id.to_owned(), reference.to_owned());
        let about = About::Text(reference.clone());
        let find = move |state: &mut State| {
            let ours = |m: &&super::state::Message| m.endpoint_id == id && m.reference == reference;
            Ok(state.messages.iter().find(ours).map(|message| message.report.clone()))
        };
        self.call("op_find_sms", about, Some(token), timeout, find).await
    }

    async fn sms(
        &self,
        token: &AccessToken,
        sms_id: &str,
        timeout: Duration,
    ) -> Result<Option<SmsReport>, CallError> {
        let id = sms_id.to_owned();
        let about = About::Text(id.clone());
        let get = move |state: &mut State| {
            let found = state.messages.iter().find(|message| message.report.sms_id == id);
            Ok(found.map(|message| message.report.clone()))
        };
        self.call("op_sms", about, Some(token), timeout, get).await
    }

    async fn ping(&self, token: &AccessToken, timeout: Duration) -> Result<(), CallError> {
        self.call("op_ping", About::Nothing, Some(token), timeout, |_| Ok(())).await
    }
}
