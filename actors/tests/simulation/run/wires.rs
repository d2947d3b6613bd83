//! The wires of one process to the database and to the operator.

use super::faults::{Killed, OperatorFate, StoreFate, Ways};
use super::life::Life;
use super::sim::Sim;
use super::weather::freeze;
use crate::support::operator::State;
use crate::support::store::Data;
use crate::support::wire::{About, Call, Effect, Wire};
use async_trait::async_trait;
use bappy_actors::ports::{CallError, StoreError, UnknownCause};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Calls that change nothing.
const READS: [&str; 20] = [
    "payers",
    "candidates",
    "wallet",
    "currency",
    "operation",
    "operation_state",
    "operation_group",
    "due_fee",
    "is_fee_charged",
    "sim",
    "last_sim",
    "free_sims",
    "link",
    "link_by_iccid",
    "link_snapshot",
    "activation",
    "last_connectivity",
    "plan",
    "sms",
    "debit_of",
];

/// Writes that may be delivered twice and are told once: a statement that swaps, or names the
/// epoch that it is written under.
const REPEATABLE: [&str; 3] = ["commit", "reschedule", "close_operation"];

/// Calls before which it hurts most to stand still: they do what was decided, or are the last before
/// that.
const DECISIVE: [&str; 10] = [
    "sms",
    "commit",
    "rewrite_request",
    "close_operation",
    "reschedule",
    "sms_handed_over",
    "op_create",
    "op_add",
    "op_status",
    "op_send_sms",
];

/// A process's wires.
#[derive(Clone)]
pub struct Wires {
    pub sim: Arc<Sim>,
    pub life: Arc<Life>,
}

impl Wires {
    /// Whether the process is killed in the course of this call, and when.
    fn killed(&self) -> Killed {
        let events = &self.sim.conditions.events;
        if !self.sim.is_stormy() {
            return Killed::Not;
        }
        let mut inner = self.sim.inner();
        if inner.kills >= events.kills_max {
            return Killed::Not;
        }
        let killed = Killed::drawn(&mut inner.draws, events.kill_per_myriad);
        inner.kills += u64::from(killed != Killed::Not);
        killed
    }

    /// Waits while the process stands still; now and then it begins to do so just here, with the call
    /// unsent, so that what was decided is done much later.
    async fn goes_on(&self, call: &Call) {
        if DECISIVE.contains(&call.method) && self.stalls() {
            freeze(&self.sim, &self.life);
        }
        self.life.goes_on().await;
    }

    fn stalls(&self) -> bool {
        let events = &self.sim.conditions.events;
        if !self.sim.is_stormy() || !self.life.is_running() {
            return false;
        }
        let mut inner = self.sim.inner();
        let stalls =
            inner.stalls < events.stalls_max && inner.draws.below(10_000) < events.stall_per_myriad;
        inner.stalls += u64::from(stalls);
        stalls
    }

    fn kill(&self) {
        if !self.life.is_over() {
            self.sim.inner().figures.crashes += 1;
            self.sim.note(self.life.who, "KILLED", String::new);
            self.life.end();
        }
    }

    /// Of what a killed process had on its way some never arrives.
    fn arrives(&self) -> bool {
        !self.life.is_over() || self.sim.draw(|draws| draws.chance(700))
    }

    /// Spawns what goes on at the other end whatever becomes of the process.
    fn deliver<T: Send + 'static>(
        &self,
        killed: Killed,
        delivery: impl Future<Output = T> + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (tell, told) = oneshot::channel();
        tokio::spawn(async move {
            let _ = tell.send(delivery.await);
        });
        if killed == Killed::OnTheWay {
            self.kill();
        }
        told
    }
}

#[async_trait]
impl Wire<Data, StoreError> for Wires {
    async fn carry(&self, call: Call, mut effect: Effect<Data>) -> Result<(), StoreError> {
        self.goes_on(&call).await;
        let killed = self.killed();
        if killed == Killed::Before {
            self.kill();
            std::future::pending::<()>().await;
        }
        let (fate, ways) = self.store_fate(&call);
        if fate != StoreFate::Answered {
            let (method, about) = (call.method, call.about.clone());
            self.sim
                .note(self.life.who, "database fails", || format!("{method} {about}: {fate:?}"));
        }
        let this = self.clone();
        let told = self.deliver(killed, async move {
            ways.there.pass().await;
            let unknown = || Err(StoreError::Unknown("the answer was lost".to_owned()));
            let answer = match fate {
                StoreFate::Away => Err(StoreError::Unavailable("away".to_owned())),
                StoreFate::LostBefore | StoreFate::LostAndLate(_) | StoreFate::Panic => unknown(),
                _ if !this.arrives() => unknown(),
                _ => {
                    this.sim.at_store(&this.life, &call, &mut effect);
                    if fate == StoreFate::LostAfter { unknown() } else { Ok(()) }
                }
            };
            if killed == Killed::After {
                this.kill();
            }
            ways.back.pass().await;
            let later = match fate {
                StoreFate::Twice(later) | StoreFate::LostAndLate(later) => Some(later),
                _ => None,
            };
            if let Some(later) = later {
                tokio::spawn(async move {
                    tokio::time::sleep(later).await;
                    this.sim.at_store(&this.life, &call, &mut effect);
                });
            }
            answer
        });
        let answer = told.await;
        self.life.goes_on().await;
        assert!(!matches!(fate, StoreFate::Panic | StoreFate::PanicAfter), "scripted panic");
        answer.unwrap_or_else(|_| Err(StoreError::Broken("the model panicked".to_owned())))
    }
}

impl Wires {
    fn store_fate(&self, call: &Call) -> (StoreFate, Ways) {
        let faults = &self.sim.conditions.store;
        let stormy = self.sim.is_stormy();
        let is_write = !READS.contains(&call.method);
        let mut inner = self.sim.inner();
        if !stormy {
            return (StoreFate::Answered, Ways::drawn(&mut inner.draws, faults.way_ms_max.min(20)));
        }
        let mut fate = StoreFate::drawn(&mut inner.draws, faults, is_write);
        if matches!(fate, StoreFate::Twice(_)) && !REPEATABLE.contains(&call.method) {
            fate = StoreFate::Answered;
        }
        if inner.outages.store > 0 {
            fate = StoreFate::Away;
        }
        if call.method == "commit" {
            inner.figures.commit(fate);
        }
        (fate, Ways::drawn(&mut inner.draws, faults.way_ms_max))
    }

    fn operator_fate(&self, call: &Call) -> (OperatorFate, Ways) {
        let conditions = &self.sim.conditions;
        let way_ms_max = conditions.operator.way_ms_max;
        let stormy = self.sim.is_stormy();
        let mut inner = self.sim.inner();
        if !stormy {
            return (OperatorFate::Answered, Ways::drawn(&mut inner.draws, way_ms_max.min(100)));
        }
        let mut fate = OperatorFate::drawn(&mut inner.draws, conditions, call.method);
        if inner.outages.operator > 0 {
            fate = OperatorFate::Told(CallError::Unreachable);
        }
        (fate, Ways::drawn(&mut inner.draws, way_ms_max))
    }
}

#[async_trait]
impl Wire<State, CallError> for Wires {
    async fn carry(&self, call: Call, mut effect: Effect<State>) -> Result<(), CallError> {
        let now = self.sim.elapsed();
        self.sim.check(|checks, data, _| checks.sent(now, &call, data));
        let per_second = self.sim.conditions.gateway.rate_per_second;
        if call.method != "op_login" && !self.life.calls(now, per_second) {
            self.sim.fail(format!("{:?} makes more calls than its rate allows", self.life.who));
        }
        self.goes_on(&call).await;
        let killed = self.killed();
        if killed == Killed::Before {
            self.kill();
            std::future::pending::<()>().await;
        }
        let (fate, ways) = self.operator_fate(&call);
        if fate != OperatorFate::Answered {
            let (method, about) = (call.method, call.about.clone());
            self.sim
                .note(self.life.who, "operator fails", || format!("{method} {about}: {fate:?}"));
        }
        let (about, timeout) = (call.about.clone(), call.timeout.unwrap_or(Duration::MAX));
        let this = self.clone();
        let panics = matches!(fate, OperatorFate::Panic | OperatorFate::PanicAfter);
        let told = self.deliver(killed, async move {
            let hangs = async |time| {
                tokio::time::sleep(time).await;
                Err(CallError::Unknown(UnknownCause::TimedOut))
            };
            ways.there.pass().await;
            let answer = match fate {
                OperatorFate::Told(error) => Err(error),
                OperatorFate::Panic | OperatorFate::Hangs(None) => hangs(timeout).await,
                _ if !this.arrives() => hangs(timeout).await,
                OperatorFate::Hangs(Some(later)) => {
                    tokio::time::sleep(later).await;
                    this.sim.at_operator(&this.life, &call, &mut effect);
                    hangs(timeout).await
                }
                fate => {
                    this.sim.operator.state().half = fate == OperatorFate::Half;
                    this.sim.at_operator(&this.life, &call, &mut effect);
                    this.sim.operator.state().half = false;
                    match fate {
                        OperatorFate::Lost(cause) => Err(CallError::Unknown(cause)),
                        _ => Ok(()),
                    }
                }
            };
            if killed == Killed::After {
                this.kill();
            }
            ways.back.pass().await;
            answer
        });
        let answer = tokio::time::timeout(timeout, told).await;
        self.life.goes_on().await;
        assert!(!panics, "scripted panic");
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(CallError::Unknown(UnknownCause::TimedOut)),
        };
        if let (About::Sent { reference, .. }, Err(CallError::Unknown(_))) = (&about, &answer) {
            self.sim.inner().checks.unknown(reference);
        }
        answer
    }
}
