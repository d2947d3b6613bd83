//! The gateway's actor: decides who may call the operator now, and keeps the session.
//!
//! It decides in synchronous code; who has to wait (for the rate, for room, for a login) waits in
//! a future of its own, each bounded by the time it was given. Who would wait longer, by how fast
//! those before it got on, is refused at once.

use super::breaker::{Breaker, BreakerLimits, CallReport, Generation};
use super::rate::Rate;
use super::room::{Room, Rooms};
use super::{BreakerState, METRICS, NotAdmitted};
use crate::metrics::Present;
use crate::ports::{AccessToken, CallError, Clock, Operator};
use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, StreamHandler, Supervised,
    WrapFuture,
};
use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// A session is renewed this long before the operator says it ends.
const SESSION_MARGIN: Duration = Duration::from_secs(30);
/// A login that failed is not tried again sooner: all waiters of the moment share its answer.
const LOGIN_PAUSE: Duration = Duration::from_millis(500);

/// Bounds of the gateway.
#[derive(Clone, Copy, Debug)]
pub struct GatewayLimits {
    /// Calls a second, as a token bucket of one second's worth.
    pub rate_per_second: u32,
    /// Calls that run at once.
    pub concurrency_max: usize,
    /// Callers that may wait for room: past it they are refused at once.
    pub waiting_max: usize,
    /// One call's time.
    pub call_timeout: Duration,
    /// When the breaker opens.
    pub breaker: BreakerLimits,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            rate_per_second: 200,
            concurrency_max: 64,
            waiting_max: 2048,
            call_timeout: Duration::from_secs(10),
            breaker: BreakerLimits::default(),
        }
    }
}

/// How long one place in the queue takes, as those who waited last had it.
#[derive(Default)]
struct Pace(AtomicU64);

impl Pace {
    /// Whether who waits behind `ahead` others gets on well within `patience`. Where nobody waits
    /// somebody may always try: it is by them that the pace is known.
    fn suits(&self, ahead: usize, patience: Duration) -> bool {
        let each = Duration::from_micros(self.0.load(Ordering::Relaxed));
        let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
        // A quarter to spare: who is near the edge would often wait in vain.
        ahead == 0 || each.saturating_mul(ahead.saturating_add(1)) <= patience * 3 / 4
    }

    /// One who had waited behind `ahead` others has got on, after some time for room and then for the
    /// rate. Room is given back by as many as may call at once, often together: who waited behind
    /// fewer waited for one call, and not for that of each before it.
    fn learn(&self, ahead: usize, concurrency_max: usize, for_room: Duration, for_rate: Duration) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX).max(1);
        let places = number(ahead.saturating_add(1));
        let now = micros(for_room) / places.max(number(concurrency_max));
        let now = now.saturating_add(micros(for_rate) / places);
        let known = self.0.load(Ordering::Relaxed);
        // One slow call among many is not the pace of all.
        let learnt = if known == 0 { now } else { known - known / 4 + now / 4 };
        self.0.store(learnt, Ordering::Relaxed);
    }
}

/// What a caller that is let through gets.
pub(super) struct Admission {
    pub room: Room,
    pub token: AccessToken,
    pub ticket: Ticket,
    pub rate: Arc<Rate>,
}

/// A report of a caller that was let through.
pub(super) type Report = (Generation, CallReport);

/// The breaker's leave to call. Wherever it is dropped, its end is reported.
pub(super) struct Ticket {
    generation: Generation,
    reports: mpsc::UnboundedSender<Report>,
    called: bool,
}

impl Ticket {
    /// Reports a call.
    pub(super) fn report(&mut self, report: CallReport) {
        self.called = true;
        let _ = self.reports.send((self.generation, report));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let _ = self.reports.send((self.generation, CallReport::Ended { called: self.called }));
    }
}

/// Asks to be let through for a number of calls within a time.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Admit {
    pub calls: NonZeroU32,
    pub patience: Duration,
    /// Whether it may be let through in advance of room.
    pub in_advance: bool,
    pub reply: oneshot::Sender<Result<Admission, NotAdmitted>>,
}

/// Asks for another session than one that was refused.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Renew {
    pub refused: AccessToken,
    pub reply: oneshot::Sender<Result<AccessToken, NotAdmitted>>,
}

/// Asks what the breaker does now.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AskState(pub oneshot::Sender<BreakerState>);

pub(super) struct GatewayActor {
    operator: Arc<dyn Operator>,
    clock: Arc<dyn Clock>,
    limits: GatewayLimits,
    breaker: Breaker,
    rooms: Rooms,
    waiting: Arc<Semaphore>,
    /// Of those who wait for room, and of those who wait for leave to go in advance of it.
    pace: Arc<Pace>,
    pace_in_advance: Arc<Pace>,
    rate: Arc<Rate>,
    session: Option<(AccessToken, Duration)>,
    login_failed: Option<(NotAdmitted, Duration)>,
    logging_in: bool,
    want_session: Vec<oneshot::Sender<Result<AccessToken, NotAdmitted>>>,
    reports: Option<mpsc::UnboundedReceiver<Report>>,
    /// Makes tickets report; weak, so that the actor does not keep itself alive.
    tickets: mpsc::WeakUnboundedSender<Report>,
}

impl GatewayActor {
    pub(super) fn new(
        operator: Arc<dyn Operator>,
        clock: Arc<dyn Clock>,
        limits: GatewayLimits,
        reports: mpsc::UnboundedReceiver<Report>,
        tickets: mpsc::WeakUnboundedSender<Report>,
    ) -> Self {
        let rate = Arc::new(Rate::new(limits.rate_per_second, Arc::clone(&clock)));
        Self {
            operator,
            clock,
            limits,
            breaker: Breaker::new(limits.breaker),
            rooms: Rooms::new(limits.concurrency_max),
            waiting: Arc::new(Semaphore::new(limits.waiting_max)),
            pace: Arc::default(),
            pace_in_advance: Arc::default(),
            rate,
            session: None,
            login_failed: None,
            logging_in: false,
            want_session: Vec::new(),
            reports: Some(reports),
            tickets,
        }
    }

    fn session(&self) -> Option<AccessToken> {
        let (token, until) = self.session.as_ref()?;
        (self.clock.elapsed() < *until).then(|| token.clone())
    }

    /// Gives the session to who waits for one, logging in once for all.
    fn want_session(
        &mut self,
        reply: oneshot::Sender<Result<AccessToken, NotAdmitted>>,
        ctx: &mut Context<Self>,
    ) {
        if let Some(token) = self.session() {
            let _ = reply.send(Ok(token));
            return;
        }
        if let Some((error, at)) = self.login_failed
            && self.clock.elapsed().saturating_sub(at) < LOGIN_PAUSE
        {
            let _ = reply.send(Err(error));
            return;
        }
        self.want_session.push(reply);
        if self.logging_in {
            return;
        }
        self.logging_in = true;
        let (operator, timeout) = (Arc::clone(&self.operator), self.limits.call_timeout);
        let login = async move { operator.login(timeout).await };
        ctx.spawn(login.into_actor(self).map(|answer, actor, _| actor.logged_in(answer)));
    }

    fn logged_in(&mut self, answer: Result<AccessToken, CallError>) {
        self.logging_in = false;
        let now = self.clock.elapsed();
        let answer = answer.map_err(|error| match error {
            CallError::Refused(_) | CallError::Unauthorized => {
                tracing::error!(?error, "the operator refuses our credentials");
                NotAdmitted::CredentialsRefused
            }
            CallError::Throttled(_) | CallError::Unreachable | CallError::Unknown(_) => {
                tracing::warn!(?error, "no session could be opened at the operator");
                NotAdmitted::NoSession
            }
        });
        match &answer {
            Ok(token) => {
                let margin = SESSION_MARGIN.min(token.expires_in / 2);
                let until = now + token.expires_in.saturating_sub(margin);
                self.session = Some((token.clone(), until));
                self.login_failed = None;
            }
            Err(error) => self.login_failed = Some((*error, now)),
        }
        for waiting in self.want_session.drain(..) {
            let _ = waiting.send(answer.clone());
        }
    }

    /// The rest of an admission that has to wait for something.
    fn admit_later(&mut self, admit: Admit, ticket: Ticket, ctx: &mut Context<Self>) {
        let ahead = self.limits.waiting_max.saturating_sub(self.waiting.available_permits());
        let pace = if admit.in_advance { &self.pace_in_advance } else { &self.pace };
        let seat = Arc::clone(&self.waiting).try_acquire_owned();
        let (Ok(seat), true) = (seat, pace.suits(ahead, admit.patience)) else {
            let _ = admit.reply.send(Err(NotAdmitted::NoRoom));
            return;
        };
        let (room, rate) = (self.rooms.wait(admit.in_advance), Arc::clone(&self.rate));
        let (pace, clock) = (Arc::clone(pace), Arc::clone(&self.clock));
        let concurrency_max = self.limits.concurrency_max;
        let (told, session) = oneshot::channel();
        self.want_session(told, ctx);
        let Admit { calls, patience, reply, .. } = admit;
        let wait = async move {
            let _seat = (seat, Present::in_gauge(&METRICS.waiting));
            let token = match session.await {
                Ok(token) => token?,
                Err(_) => return Err(NotAdmitted::NoSession),
            };
            let queued = clock.elapsed();
            let room = room.await.ok_or(NotAdmitted::NoRoom)?;
            let roomed = clock.elapsed();
            rate.wait(calls).await;
            let (for_room, for_rate) =
                (roomed.saturating_sub(queued), clock.elapsed().saturating_sub(roomed));
            pace.learn(ahead, concurrency_max, for_room, for_rate);
            Ok(Admission { room, token, ticket, rate })
        };
        let bounded = async move {
            let admission = tokio::time::timeout(patience, wait).await;
            // Who has gone away meanwhile does not call: the ticket is dropped with the answer.
            let _ = reply.send(admission.unwrap_or(Err(NotAdmitted::NoRoom)));
        };
        ctx.spawn(bounded.into_actor(self));
    }

    fn admit(&mut self, admit: Admit, ctx: &mut Context<Self>) {
        let before = self.breaker.state();
        let admitted = self.breaker.admit(self.clock.elapsed());
        METRICS.breaker_is(before, self.breaker.state());
        let generation = match admitted {
            Ok(generation) => generation,
            Err(wait) => {
                let _ = admit.reply.send(Err(NotAdmitted::BreakerOpen(wait)));
                return;
            }
        };
        // Gone only with the handle, and nobody asks then.
        let Some(reports) = self.tickets.upgrade() else { return };
        let ticket = Ticket { generation, reports, called: false };
        // Trials wait for calls from before the opening, which may hang, without having paid.
        let in_advance = admit.in_advance && self.breaker.state() == BreakerState::Closed;
        let admit = Admit { in_advance, ..admit };
        if let Some(token) = self.session()
            && let Some(room) = self.rooms.now(admit.in_advance)
            && self.rate.take(admit.calls).is_ok()
        {
            let rate = Arc::clone(&self.rate);
            let _ = admit.reply.send(Ok(Admission { room, token, ticket, rate }));
            return;
        }
        self.admit_later(admit, ticket, ctx);
    }
}

impl Actor for GatewayActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(reports) = self.reports.take() {
            ctx.add_stream(futures_util::stream::unfold(reports, |mut reports| async move {
                reports.recv().await.map(|report| (report, reports))
            }));
        }
    }
}

impl Supervised for GatewayActor {}

impl StreamHandler<Report> for GatewayActor {
    fn handle(&mut self, (generation, report): Report, _: &mut Context<Self>) {
        let before = self.breaker.state();
        self.breaker.report(generation, report, self.clock.elapsed());
        let after = self.breaker.state();
        if before != after {
            METRICS.breaker_is(before, after);
            tracing::warn!(?before, ?after, "the circuit breaker changed");
            if after == BreakerState::Open {
                self.rooms.breaker_opened();
            }
        }
    }

    /// The reports end only with the handle.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<Admit> for GatewayActor {
    type Result = ();

    fn handle(&mut self, admit: Admit, ctx: &mut Context<Self>) {
        self.admit(admit, ctx);
    }
}

impl Handler<Renew> for GatewayActor {
    type Result = ();

    fn handle(&mut self, renew: Renew, ctx: &mut Context<Self>) {
        // Only who first comes back with the session in use throws it away.
        if self.session.as_ref().is_some_and(|(token, _)| *token.secret == *renew.refused.secret) {
            self.session = None;
        }
        self.want_session(renew.reply, ctx);
    }
}

impl Handler<AskState> for GatewayActor {
    type Result = ();

    fn handle(&mut self, ask: AskState, _: &mut Context<Self>) {
        let _ = ask.0.send(self.breaker.state());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(2);

    #[test]
    fn who_waits_for_one_of_many_calls_does_not_wait_for_each() {
        let pace = Pace::default();
        let call = Duration::from_millis(50);
        for ahead in [0, 0, 0, 0, 1, 2, 31] {
            pace.learn(ahead, 64, call, Duration::ZERO);
        }
        // 64 in each 50 ms: 191 have got on after 150.
        assert!(pace.suits(191, PATIENCE));
        // 1,900 have after a second and a half, and some are to spare.
        assert!(!pace.suits(2_000, PATIENCE));
    }

    #[test]
    fn who_waits_for_the_rate_waits_for_each_before_it() {
        let pace = Pace::default();
        let each = Duration::from_millis(200);
        for ahead in 0..8 {
            pace.learn(ahead, 64, Duration::ZERO, each * (u32::try_from(ahead).unwrap() + 1));
        }
        assert!(pace.suits(6, PATIENCE));
        assert!(!pace.suits(7, PATIENCE));
    }
}
