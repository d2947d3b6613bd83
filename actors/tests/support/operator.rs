//! An in-memory operator that does what the script says, and remembers what took effect.

use super::fixtures::SPONSOR;
use super::script::{Fault, Script};
use async_trait::async_trait;
use bappy_actors::model::{ProfileState, SimKind, Volume};
use bappy_actors::ports::{
    AccessToken, CallError, CataloguePage, Connectivity, Endpoint, EndpointStatus, InstanceState,
    NewEndpoint, Operator, PlanInstance, Refusal, Removal, SimCard, UnknownCause,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Effect = Box<dyn Fn(&mut State) + Send>;

/// What the operator holds.
#[derive(Default)]
pub struct State {
    pub endpoints: Vec<Endpoint>,
    pub sims: Vec<SimCard>,
    /// What took effect, in order: the call and the reference, or the id that it was about.
    pub journal: Vec<(&'static str, String)>,
    /// Effects that land when the test says so.
    late: Vec<Effect>,
    /// The session that is accepted; the number of logins.
    session: usize,
    pub logins: usize,
    in_flight: usize,
    pub in_flight_max: usize,
    next_id: usize,
    half: bool,
    pub latency: Duration,
}

#[derive(Clone)]
pub struct ScriptedOperator {
    state: Arc<Mutex<State>>,
    pub script: Script,
}

impl ScriptedOperator {
    pub fn new(script: Script) -> Self {
        let sims = (0..400).map(sim).collect();
        let state = State { sims, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), script }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What hung and was not done is done now; says how much that was.
    pub fn land_late(&self) -> usize {
        let mut state = self.state();
        let late = std::mem::take(&mut state.late);
        for effect in &late {
            effect(&mut state);
        }
        late.len()
    }

    /// The session in use is accepted no longer.
    pub fn expire_session(&self) {
        self.state().session = usize::MAX;
    }

    async fn call<T>(
        &self,
        method: &'static str,
        token: Option<&AccessToken>,
        timeout: Duration,
        work: impl Fn(&mut State) -> Result<T, CallError> + Send + Clone + 'static,
    ) -> Result<T, CallError> {
        let fault = self.script.next(method);
        let _counted = Counted::new(&self.state);
        let latency = self.state().latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency.min(timeout)).await;
        }
        if let Some(token) = token
            && *token.secret != *session(self.state().session)
        {
            return Err(CallError::Unauthorized);
        }
        let unknown = |cause| Err(CallError::Unknown(cause));
        match fault {
            Some(Fault::Panic) => panic!("scripted panic in {method}"),
            Some(Fault::PanicAfter) => {
                let _ = work(&mut self.state());
                panic!("scripted panic after {method}")
            }
            Some(Fault::Hold(gate)) => {
                gate.pass().await;
                work(&mut self.state())
            }
            Some(Fault::HoldAfter(gate)) => {
                let done = work(&mut self.state());
                gate.pass().await;
                done
            }
            Some(Fault::Refuse(refusal)) => Err(CallError::Refused(refusal)),
            Some(Fault::Unauthorized) => Err(CallError::Unauthorized),
            Some(Fault::Throttled(pause)) => Err(CallError::Throttled(pause)),
            Some(Fault::Unreachable) => Err(CallError::Unreachable),
            Some(Fault::Error500) => unknown(UnknownCause::ErrorAnswer("500".to_owned())),
            Some(fault @ (Fault::Lost | Fault::Wrapped | Fault::Unreadable | Fault::HangDone)) => {
                let _ = work(&mut self.state());
                match fault {
                    Fault::Lost => unknown(UnknownCause::Cut),
                    Fault::Wrapped => unknown(UnknownCause::ErrorAnswer("wrapped".to_owned())),
                    Fault::Unreadable => unknown(UnknownCause::Unreadable("empty".to_owned())),
                    _ => {
                        tokio::time::sleep(timeout).await;
                        unknown(UnknownCause::TimedOut)
                    }
                }
            }
            Some(fault @ (Fault::HangNothing | Fault::HangLate)) => {
                if matches!(fault, Fault::HangLate) {
                    let effect = move |state: &mut State| drop(work(state));
                    self.state().late.push(Box::new(effect));
                }
                tokio::time::sleep(timeout).await;
                unknown(UnknownCause::TimedOut)
            }
            Some(Fault::Half) => {
                self.state().half = true;
                let done = work(&mut self.state());
                self.state().half = false;
                done
            }
            _ => work(&mut self.state()),
        }
    }
}

/// Counts a call as in flight until it is dropped.
struct Counted(Arc<Mutex<State>>);

impl Counted {
    fn new(state: &Arc<Mutex<State>>) -> Self {
        let counted = Self(Arc::clone(state));
        let mut state = counted.0.lock().unwrap();
        state.in_flight += 1;
        state.in_flight_max = state.in_flight_max.max(state.in_flight);
        drop(state);
        counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).in_flight -= 1;
    }
}

pub fn sim(n: usize) -> SimCard {
    SimCard {
        iccid: format!("8900000000000{n:06}"),
        kind: SimKind::Esim,
        sponsor_id: SPONSOR.to_owned(),
        smdp_address: Some("smdp.example".to_owned()),
        matching_id: Some(format!("M{n}")),
    }
}

fn session(number: usize) -> String {
    format!("session-{number}")
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
        PlanInstance {
            instance_id: self.fresh("I"),
            operator_plan_id: plan.to_owned(),
            reference: Some(reference.to_owned()),
            state: InstanceState::Active,
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

    fn add(&mut self, id: &str, plan: &str, reference: &str) -> Result<PlanInstance, CallError> {
        let instance = self.instance(plan, reference);
        self.live(id)?.plans.push(instance.clone());
        self.journal.push(("add", reference.to_owned()));
        Ok(instance)
    }

    fn remove(&mut self, id: &str, instance: &str) -> Result<Removal, CallError> {
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

    fn set(&mut self, id: &str, status: EndpointStatus) -> Result<(), CallError> {
        self.live(id)?.status = status;
        self.journal.push(("status", id.to_owned()));
        Ok(())
    }

    /// The plan instances that stand, by reference.
    pub fn standing(&self) -> Vec<String> {
        self.endpoints
            .iter()
            .filter(|endpoint| endpoint.status != EndpointStatus::Terminated)
            .flat_map(|endpoint| &endpoint.plans)
            .filter(|p| !matches!(p.state, InstanceState::Removed | InstanceState::Expired))
            .filter_map(|plan| plan.reference.clone())
            .collect()
    }
}

#[async_trait]
impl Operator for ScriptedOperator {
    async fn login(&self, timeout: Duration) -> Result<AccessToken, CallError> {
        self.call("op_login", None, timeout, |state| {
            state.logins += 1;
            state.session = state.logins;
            let secret = Arc::from(session(state.session));
            Ok(AccessToken { secret, expires_in: Duration::from_hours(1) })
        })
        .await
    }

    async fn catalogue(
        &self,
        token: &AccessToken,
        _: u32,
        _: u32,
        timeout: Duration,
    ) -> Result<CataloguePage, CallError> {
        let empty = |_: &mut State| Ok(CataloguePage { items: Vec::new(), total: 0 });
        self.call("op_catalogue", Some(token), timeout, empty).await
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
        self.call("op_list_sims", Some(token), timeout, move |state| {
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
        _: &str,
        timeout: Duration,
    ) -> Result<ProfileState, CallError> {
        self.call("op_profile", Some(token), timeout, |_| Ok(ProfileState::Enabled)).await
    }

    async fn create_endpoint(
        &self,
        token: &AccessToken,
        new: NewEndpoint<'_>,
        timeout: Duration,
    ) -> Result<Endpoint, CallError> {
        let (iccid, plan) = (new.iccid.to_owned(), new.operator_plan_id.to_owned());
        let reference = new.reference.to_owned();
        let create = move |state: &mut State| state.create(&iccid, &plan, &reference);
        self.call("op_create", Some(token), timeout, create).await
    }

    async fn endpoint(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        timeout: Duration,
    ) -> Result<Option<Endpoint>, CallError> {
        let id = endpoint_id.to_owned();
        self.call("op_endpoint", Some(token), timeout, move |state| {
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
        self.call("op_endpoints_of_sim", Some(token), timeout, move |state| {
            Ok(state.endpoints.iter().filter(|e| e.iccid == iccid).cloned().collect())
        })
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
        let add = move |state: &mut State| state.add(&id, &plan, &reference);
        self.call("op_add", Some(token), timeout, add).await
    }

    async fn remove_plan(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        instance_id: &str,
        timeout: Duration,
    ) -> Result<Removal, CallError> {
        let (id, instance) = (endpoint_id.to_owned(), instance_id.to_owned());
        let remove = move |state: &mut State| state.remove(&id, &instance);
        self.call("op_remove", Some(token), timeout, remove).await
    }

    async fn set_status(
        &self,
        token: &AccessToken,
        endpoint_id: &str,
        status: EndpointStatus,
        timeout: Duration,
    ) -> Result<(), CallError> {
        let id = endpoint_id.to_owned();
        let set = move |state: &mut State| state.set(&id, status);
        self.call("op_status", Some(token), timeout, set).await
    }

    async fn connectivity(
        &self,
        token: &AccessToken,
        _: &str,
        timeout: Duration,
    ) -> Result<Connectivity, CallError> {
        let nowhere = |_: &mut State| Err(CallError::Refused(Refusal::NoEndpoint));
        self.call("op_connectivity", Some(token), timeout, nowhere).await
    }

    async fn ping(&self, token: &AccessToken, timeout: Duration) -> Result<(), CallError> {
        self.call("op_ping", Some(token), timeout, |_| Ok(())).await
    }
}
