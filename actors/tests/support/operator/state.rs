//! What the operator holds, and what its calls do to it.

use bappy_actors::model::Volume;
use bappy_actors::ports::{
    CallError, Endpoint, EndpointStatus, InstanceState, PlanInstance, Refusal, Removal, SimCard,
    SmsReport, SmsState,
};
use std::time::Duration;

type Effect = Box<dyn Fn(&mut State) + Send>;

/// A message as the operator holds it.
pub struct Message {
    pub endpoint_id: String,
    pub reference: String,
    pub text: String,
    pub report: SmsReport,
}

/// What the operator holds.
#[derive(Default)]
pub struct State {
    pub endpoints: Vec<Endpoint>,
    pub sims: Vec<SimCard>,
    pub messages: Vec<Message>,
    /// What took effect, in order: the call and the reference, or the id that it was about.
    pub journal: Vec<(&'static str, String)>,
    /// Effects that land when the test says so.
    pub(super) late: Vec<Effect>,
    /// The session that is accepted; the number of logins.
    pub(super) session: usize,
    pub logins: usize,
    pub(super) in_flight: usize,
    pub in_flight_max: usize,
    pub(super) next_id: usize,
    /// Whether endpoints are made without their plans.
    pub half: bool,
    /// Whether plans are over as soon as they are there.
    pub over: bool,
    pub latency: Duration,
    /// How often it was asked where a card is; the card's address ends with it.
    pub looks: usize,
}

fn refused<T>(refusal: Refusal) -> Result<T, CallError> {
    Err(CallError::Refused(refusal))
}

impl State {
    fn fresh(&mut self, prefix: &str) -> String {
        self.next_id += 1;
        format!("{prefix}{}", self.next_id)
    }

    fn instance(&mut self, plan: &str, reference: &str) -> PlanInstance {
        let state = if self.over { InstanceState::Expired } else { InstanceState::Active };
        PlanInstance {
            instance_id: self.fresh("I"),
            operator_plan_id: plan.to_owned(),
            reference: Some(reference.to_owned()),
            state,
            data_total: Volume::from_kb(1_000_000),
            data_used: Volume::ZERO,
            first_used_at: None,
            activated_at: None,
            expires_at: None,
        }
    }

    /// Puts a card into use, as a customer of somebody else would.
    pub fn create(
        &mut self,
        iccid: &str,
        plan: &str,
        reference: &str,
    ) -> Result<Endpoint, CallError> {
        let in_use = |e: &Endpoint| e.iccid == iccid && e.status != EndpointStatus::Terminated;
        if self.endpoints.iter().any(in_use) {
            return refused(Refusal::SimInUse);
        }
        let plans = if self.half { Vec::new() } else { vec![self.instance(plan, reference)] };
        let endpoint = Endpoint {
            endpoint_id: self.fresh("E"),
            iccid: iccid.to_owned(),
            msisdn: Some("+33600000000".to_owned()),
            status: EndpointStatus::Active,
            reference: Some(reference.to_owned()),
            plans,
        };
        self.endpoints.push(endpoint.clone());
        self.journal.push(("create", reference.to_owned()));
        Ok(endpoint)
    }

    fn live(&mut self, id: &str) -> Result<&mut Endpoint, CallError> {
        self.endpoints
            .iter_mut()
            .find(|e| e.endpoint_id == id && e.status != EndpointStatus::Terminated)
            .ok_or(CallError::Refused(Refusal::NoEndpoint))
    }

    pub(super) fn add(
        &mut self,
        id: &str,
        plan: &str,
        reference: &str,
    ) -> Result<PlanInstance, CallError> {
        let instance = self.instance(plan, reference);
        self.live(id)?.plans.push(instance.clone());
        self.journal.push(("add", reference.to_owned()));
        Ok(instance)
    }

    pub(super) fn remove(&mut self, id: &str, instance: &str) -> Result<Removal, CallError> {
        let plans = &mut self.live(id)?.plans;
        let standing =
            |p: &&mut PlanInstance| p.instance_id == instance && p.state != InstanceState::Removed;
        let Some(plan) = plans.iter_mut().find(standing) else {
            return refused(Refusal::NoInstance);
        };
        plan.state = InstanceState::Removed;
        self.journal.push(("remove", instance.to_owned()));
        Ok(Removal::Removed)
    }

    pub(super) fn set(&mut self, id: &str, status: EndpointStatus) -> Result<(), CallError> {
        self.live(id)?.status = status;
        self.journal.push(("status", id.to_owned()));
        Ok(())
    }

    pub(super) fn send_sms(
        &mut self,
        id: &str,
        text: &str,
        reference: &str,
    ) -> Result<SmsReport, CallError> {
        self.live(id)?;
        let report = SmsReport { sms_id: self.fresh("M"), state: SmsState::Accepted };
        self.messages.push(Message {
            endpoint_id: id.to_owned(),
            reference: reference.to_owned(),
            text: text.to_owned(),
            report: report.clone(),
        });
        self.journal.push(("sms", reference.to_owned()));
        Ok(report)
    }

    /// The plan instances that stand, by reference.
    pub fn standing(&self) -> Vec<String> {
        self.in_force().map(ToOwned::to_owned).collect()
    }

    /// The references of the plan instances that stand.
    pub fn in_force(&self) -> impl Iterator<Item = &str> {
        self.endpoints
            .iter()
            .filter(|endpoint| endpoint.status != EndpointStatus::Terminated)
            .flat_map(|endpoint| &endpoint.plans)
            .filter(|p| !matches!(p.state, InstanceState::Removed | InstanceState::Expired))
            .filter_map(|plan| plan.reference.as_deref())
    }
}
