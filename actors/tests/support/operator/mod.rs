//! An in-memory operator that does what the script says, and remembers what took effect.

mod port;
mod state;

pub use state::State;

use super::fixtures::SPONSOR;
use super::script::{Fault, Script};
use super::wire::{self, About, Call, Wire};
use bappy_actors::model::SimKind;
use bappy_actors::ports::{AccessToken, CallError, SimCard, UnknownCause};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Clone)]
pub struct MemoryOperator {
    state: Arc<Mutex<State>>,
    pub script: Script,
    /// What its calls go over, instead of failing as the script says.
    wire: Option<Arc<dyn Wire<State, CallError>>>,
}

impl MemoryOperator {
    pub fn new(script: Script) -> Self {
        let sims = (0..400).map(sim).collect();
        let state = State { sims, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), script, wire: None }
    }

    /// The same operator, over a wire.
    pub fn over(&self, wire: Arc<dyn Wire<State, CallError>>) -> Self {
        Self { wire: Some(wire), ..self.clone() }
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

    async fn call<T: fmt::Debug + Send + 'static>(
        &self,
        method: &'static str,
        about: About,
        token: Option<&AccessToken>,
        timeout: Duration,
        work: impl Fn(&mut State) -> Result<T, CallError> + Send + Clone + 'static,
    ) -> Result<T, CallError> {
        if let Some(wire) = &self.wire {
            let secret = token.map(|token| Arc::clone(&token.secret));
            let (effect, given) = wire::effect(move |state: &mut State| match &secret {
                Some(secret) if **secret != *session(state.session) => Err(CallError::Unauthorized),
                _ => work(state),
            });
            wire.carry(Call { method, about, timeout: Some(timeout) }, effect).await?;
            return given.take();
        }
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

/// A plastic card.
pub fn physical(n: usize) -> SimCard {
    SimCard {
        iccid: format!("8911000000000{n:06}"),
        kind: SimKind::Physical,
        smdp_address: None,
        matching_id: None,
        ..sim(n)
    }
}

fn session(number: usize) -> String {
    format!("session-{number}")
}
