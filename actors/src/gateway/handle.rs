//! What everybody else holds of the gateway, and the permits it gives out.
//!
//! **Invariants.** A call is made only with a permit. Every permit is reported to the breaker:
//! once for each call, or as not made when it is dropped unused.

use super::NotAdmitted;
use super::actor::{Admission, Admit, AskState, GatewayActor, GatewayLimits, Renew};
use super::breaker::{BreakerState, CallReport};
use crate::ports::{AccessToken, CallError, Clock, Operator};
use actix::{Addr, ArbiterHandle, Message, Supervisor, dev::ToEnvelope};
use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// A call shorter than this is not worth sending: no operator answers in it.
const CALL_TIMEOUT_MIN: Duration = Duration::from_millis(5);

struct Live {
    addr: Addr<GatewayActor>,
    reports: mpsc::UnboundedSender<CallReport>,
}

/// The way to the operator.
pub struct GatewayHandle {
    operator: Arc<dyn Operator>,
    clock: Arc<dyn Clock>,
    arbiter: ArbiterHandle,
    limits: GatewayLimits,
    live: Mutex<Live>,
}

impl GatewayHandle {
    /// Starts the gateway's actor on an arbiter.
    pub fn new(
        operator: Arc<dyn Operator>,
        clock: Arc<dyn Clock>,
        arbiter: ArbiterHandle,
        limits: GatewayLimits,
    ) -> Arc<Self> {
        let live = start(&operator, &clock, &arbiter, limits);
        Arc::new(Self { operator, clock, arbiter, limits, live: Mutex::new(live) })
    }

    /// Room for `calls` calls, one after the other; waits for it no longer than `patience`.
    pub async fn admit(
        self: &Arc<Self>,
        calls: NonZeroU32,
        patience: Duration,
    ) -> Result<Permit, NotAdmitted> {
        let (reply, admitted) = oneshot::channel();
        let reports = self.send(Admit { calls, patience, reply }).await;
        let Admission { slot, token } = admitted.await.unwrap_or(Err(NotAdmitted::NoRoom))?;
        Ok(Permit { gateway: Arc::clone(self), _slot: slot, token, reports, used: false })
    }

    /// What the breaker does now.
    pub async fn breaker(&self) -> Option<BreakerState> {
        let (reply, state) = oneshot::channel();
        self.send(AskState(reply)).await;
        state.await.ok()
    }

    /// One call's time.
    pub fn call_timeout(&self) -> Duration {
        self.limits.call_timeout
    }

    /// Sends to the actor, starting it again if it died.
    async fn send<M>(&self, message: M) -> mpsc::UnboundedSender<CallReport>
    where
        M: Message<Result = ()> + Send + 'static,
        GatewayActor: actix::Handler<M>,
        actix::Context<GatewayActor>: ToEnvelope<GatewayActor, M>,
    {
        let (addr, reports) = {
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            if !live.addr.connected() {
                tracing::error!("the gateway actor died; starting it again");
                *live = start(&self.operator, &self.clock, &self.arbiter, self.limits);
            }
            (live.addr.clone(), live.reports.clone())
        };
        // A message that is lost with the actor is answered by its dropped reply channel.
        #[expect(clippy::disallowed_methods, reason = "this handle owns admission and respawn")]
        let _ = addr.send(message).await;
        reports
    }
}

fn start(
    operator: &Arc<dyn Operator>,
    clock: &Arc<dyn Clock>,
    arbiter: &ArbiterHandle,
    limits: GatewayLimits,
) -> Live {
    let (reports, received) = mpsc::unbounded_channel();
    let actor = GatewayActor::new(Arc::clone(operator), Arc::clone(clock), limits, received);
    Live { addr: Supervisor::start_in_arbiter(arbiter, |_| actor), reports }
}

/// Room at the operator for calls one after the other.
pub struct Permit {
    gateway: Arc<GatewayHandle>,
    _slot: OwnedSemaphorePermit,
    token: AccessToken,
    reports: mpsc::UnboundedSender<CallReport>,
    used: bool,
}

impl Permit {
    /// Makes a call within `left` and the gateway's time for one call. A session that is refused
    /// is renewed, once, and the call sent again: a refused one did nothing. With no time left
    /// nothing is sent, which is the same as an operator that cannot be reached.
    pub async fn call<T, F, Fut>(&mut self, left: Duration, call: F) -> Result<T, CallError>
    where
        F: Fn(Arc<dyn Operator>, AccessToken, Duration) -> Fut,
        Fut: Future<Output = Result<T, CallError>>,
    {
        let operator = Arc::clone(&self.gateway.operator);
        let started = self.gateway.clock.elapsed();
        let timeout = left.min(self.gateway.limits.call_timeout);
        if timeout < CALL_TIMEOUT_MIN {
            return Err(CallError::Unreachable);
        }
        let mut answer = call(Arc::clone(&operator), self.token.clone(), timeout).await;
        if matches!(answer, Err(CallError::Unauthorized)) {
            let spent = self.gateway.clock.elapsed().saturating_sub(started);
            let rest = left.saturating_sub(spent).min(self.gateway.limits.call_timeout);
            if rest >= CALL_TIMEOUT_MIN && self.renew(rest).await {
                answer = call(operator, self.token.clone(), rest).await;
            }
        }
        let took = self.gateway.clock.elapsed().saturating_sub(started);
        self.report(&answer, took);
        answer
    }

    async fn renew(&mut self, patience: Duration) -> bool {
        let (reply, renewed) = oneshot::channel();
        self.gateway.send(Renew { refused: self.token.clone(), reply }).await;
        match tokio::time::timeout(patience, renewed).await {
            Ok(Ok(Ok(token))) => {
                self.token = token;
                true
            }
            _ => false,
        }
    }

    fn report<T>(&mut self, answer: &Result<T, CallError>, took: Duration) {
        let report = match answer {
            Ok(_) | Err(CallError::Refused(_) | CallError::Throttled(_)) => {
                CallReport::Answered(took)
            }
            Err(CallError::Unauthorized | CallError::Unreachable | CallError::Unknown(_)) => {
                CallReport::Failed(took)
            }
        };
        metrics::histogram!("bappy_operator_call_seconds").record(took.as_secs_f64());
        self.used = true;
        let _ = self.reports.send(report);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.used {
            let _ = self.reports.send(CallReport::NotMade);
        }
    }
}
