//! What everybody else holds of the gateway, and the permits it gives out.
//!
//! **Invariants.** A call is made only with a permit. Every permit is reported to the breaker:
//! once for each call, or as not made when it is dropped unused.

use super::actor::{
    Admission, Admit, AskState, GatewayActor, GatewayLimits, Renew, Report, Ticket,
};
use super::breaker::{BreakerState, CallReport};
use super::metrics::AdmissionOutcome;
use super::rate::Rate;
use super::room::Room;
use super::{METRICS, NotAdmitted};
use crate::metrics::size;
use crate::ports::{AccessToken, CallError, Clock, Operator};
use crate::traced;
use actix::{Addr, ArbiterHandle, Message, Supervisor, dev::ToEnvelope};
use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

/// A call shorter than this is not worth sending: no operator answers in it.
const CALL_TIMEOUT_MIN: Duration = Duration::from_millis(5);

/// Of the rate, what background work may take: half.
const BACKGROUND_SHARE: u32 = 2;

struct Live {
    addr: Addr<GatewayActor>,
    /// Keeps the actor's reports open: it holds only a weak sender of its own.
    _reports: mpsc::UnboundedSender<Report>,
}

/// The way to the operator.
pub struct GatewayHandle {
    operator: Arc<dyn Operator>,
    clock: Arc<dyn Clock>,
    arbiter: ArbiterHandle,
    limits: GatewayLimits,
    /// What nobody waits for passes here as well.
    background: Rate,
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
        METRICS.limit.set(size(limits.concurrency_max));
        METRICS.rate_limit.set(limits.rate_per_second);
        let background = Rate::new(limits.rate_per_second / BACKGROUND_SHARE, Arc::clone(&clock));
        Arc::new(Self { operator, clock, arbiter, limits, background, live: Mutex::new(live) })
    }

    /// Room for `calls` calls, one after the other; waits for it no longer than `patience`.
    pub async fn admit(
        self: &Arc<Self>,
        calls: NonZeroU32,
        patience: Duration,
    ) -> Result<Permit, NotAdmitted> {
        self.ask(calls, patience, false).await
    }

    /// As [`Self::admit`], for who has something to do before it calls: where there is no room now
    /// it may be let through in advance of it, and its first call then waits for room.
    pub async fn admit_in_advance(
        self: &Arc<Self>,
        calls: NonZeroU32,
        patience: Duration,
    ) -> Result<Permit, NotAdmitted> {
        self.ask(calls, patience, true).await
    }

    async fn ask(
        self: &Arc<Self>,
        calls: NonZeroU32,
        patience: Duration,
        in_advance: bool,
    ) -> Result<Permit, NotAdmitted> {
        let (reply, admitted) = oneshot::channel();
        let asked = self.clock.elapsed();
        self.send(Admit { calls, patience, in_advance, reply });
        let admitted = admitted.instrument(traced!("room at the operator")).await;
        let admitted = admitted.unwrap_or(Err(NotAdmitted::NoRoom));
        let waited = self.clock.elapsed().saturating_sub(asked);
        METRICS.admission_seconds.record(waited);
        let outcome = admitted.as_ref().err().map_or(AdmissionOutcome::Granted, |&why| why.into());
        METRICS.admissions.of(outcome).increment(1);
        let Admission { room, token, ticket, rate } = admitted?;
        let (gateway, paid) = (Arc::clone(self), rate.at_once(calls).get());
        Ok(Permit { gateway, room, token, ticket, rate, paid })
    }

    /// As [`Self::admit`], for work that nobody waits for: it gets at most half of the rate, so
    /// that there is always some for who does.
    pub async fn admit_in_background(
        self: &Arc<Self>,
        calls: NonZeroU32,
        patience: Duration,
    ) -> Result<Permit, NotAdmitted> {
        let asked = self.clock.elapsed();
        let wait = self.background.wait(calls);
        tokio::time::timeout(patience, wait).await.map_err(|_| NotAdmitted::NoRoom)?;
        let waited = self.clock.elapsed().saturating_sub(asked);
        self.admit(calls, patience.saturating_sub(waited)).await
    }

    /// What the breaker does now.
    pub async fn breaker(&self) -> Option<BreakerState> {
        let (reply, state) = oneshot::channel();
        self.send(AskState(reply));
        state.await.ok()
    }

    /// Calls that run at once.
    pub fn concurrency_max(&self) -> usize {
        self.limits.concurrency_max
    }

    /// One call's time.
    pub fn call_timeout(&self) -> Duration {
        self.limits.call_timeout
    }

    /// Sends to the actor, starting it again if it died.
    fn send<M>(&self, message: M)
    where
        M: Message<Result = ()> + Send + 'static,
        GatewayActor: actix::Handler<M>,
        actix::Context<GatewayActor>: ToEnvelope<GatewayActor, M>,
    {
        let addr = {
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            if !live.addr.connected() {
                tracing::error!("the gateway actor died; starting it again");
                *live = start(&self.operator, &self.clock, &self.arbiter, self.limits);
            }
            live.addr.clone()
        };
        // A message that is lost with the actor is answered by its dropped reply channel.
        let _ = addr.try_send(message);
    }
}

fn start(
    operator: &Arc<dyn Operator>,
    clock: &Arc<dyn Clock>,
    arbiter: &ArbiterHandle,
    limits: GatewayLimits,
) -> Live {
    let (reports, received) = mpsc::unbounded_channel();
    let (operator, clock, tickets) = (Arc::clone(operator), Arc::clone(clock), reports.downgrade());
    let actor = GatewayActor::new(operator, clock, limits, received, tickets);
    Live { addr: Supervisor::start_in_arbiter(arbiter, |_| actor), _reports: reports }
}

/// Room at the operator for calls one after the other.
pub struct Permit {
    gateway: Arc<GatewayHandle>,
    room: Room,
    token: AccessToken,
    ticket: Ticket,
    rate: Arc<Rate>,
    /// Calls that the rate has already let through; read-backs and repetitions come behind them.
    paid: u32,
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
        let asked = self.gateway.clock.elapsed();
        let left = |now: Duration| left.saturating_sub(now.saturating_sub(asked));
        if !self.ready(left(asked)).await || !self.pay(left(self.gateway.clock.elapsed())).await {
            return Err(CallError::Unreachable);
        }
        let mut started = self.gateway.clock.elapsed();
        let timeout = left(started).min(self.gateway.limits.call_timeout);
        if timeout < CALL_TIMEOUT_MIN {
            return Err(CallError::Unreachable);
        }
        let mut answer = call(Arc::clone(&operator), self.token.clone(), timeout).await;
        if matches!(answer, Err(CallError::Unauthorized)) {
            let rest = left(self.gateway.clock.elapsed()).min(self.gateway.limits.call_timeout);
            answer = match self.renew(rest).await {
                Ok(()) => {
                    let paid = self.pay(left(self.gateway.clock.elapsed())).await;
                    let now = self.gateway.clock.elapsed();
                    let rest = left(now).min(self.gateway.limits.call_timeout);
                    if !paid || rest < CALL_TIMEOUT_MIN {
                        Err(CallError::Unreachable)
                    } else {
                        // Waiting for the rate is no slowness of the operator's.
                        started = now;
                        call(operator, self.token.clone(), rest).await
                    }
                }
                Err(NotAdmitted::CredentialsRefused) => Err(CallError::Unauthorized),
                Err(_) => Err(CallError::Unreachable),
            };
        }
        let took = self.gateway.clock.elapsed().saturating_sub(started);
        self.report(&answer, took);
        answer
    }

    /// Waits for the room that it was let through in advance of; `false` where none comes in time,
    /// or the breaker has opened meanwhile, and then no call is made. A call waits by itself; this is
    /// for who has something to look at between that wait and the call.
    pub async fn ready(&mut self, left: Duration) -> bool {
        if let Room::InAdvance(advance) = &mut self.room {
            self.room = advance.room(left).await.unwrap_or(Room::None);
        }
        matches!(self.room, Room::Taken(..))
    }

    /// Waits until the rate lets another call through; `false` where that takes too long.
    async fn pay(&mut self, left: Duration) -> bool {
        if let Some(paid) = self.paid.checked_sub(1) {
            self.paid = paid;
            return true;
        }
        tokio::time::timeout(left, self.rate.wait(NonZeroU32::MIN)).await.is_ok()
    }

    async fn renew(&mut self, patience: Duration) -> Result<(), NotAdmitted> {
        let (reply, renewed) = oneshot::channel();
        self.gateway.send(Renew { refused: self.token.clone(), reply });
        let renewed = tokio::time::timeout(patience, renewed).await;
        self.token =
            renewed.map_err(|_| NotAdmitted::NoSession)?.unwrap_or(Err(NotAdmitted::NoSession))?;
        Ok(())
    }

    fn report<T>(&mut self, answer: &Result<T, CallError>, took: Duration) {
        self.ticket.report(match answer {
            Ok(_) | Err(CallError::Refused(_) | CallError::Throttled(_)) => {
                CallReport::Answered(took)
            }
            Err(CallError::Unauthorized | CallError::Unreachable | CallError::Unknown(_)) => {
                CallReport::Failed(took)
            }
        });
    }
}
