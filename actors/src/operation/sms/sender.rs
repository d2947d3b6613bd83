//! Works through the queue of SMS: claims what is due, hands it over, asks after what was handed
//! over. Each instance has one; the leases keep two from working on the same message.
//!
//! **Invariant.** SMS hold a share of the operator's room at most, so that they keep nobody
//! waiting who pays for an answer.

use super::ask_after::ask_after;
use super::hand_over::{Turned, hand_over};
use super::lease;
use crate::metrics::{Job, job_succeeded};
use crate::model::{Cleanup, Operation, OperationState};
use crate::operation::{METRICS, OperationError, Services, schedule};
use crate::ports::{Claimed, Due, StoreError};
use crate::traced;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// Looks for due messages at least this often.
const POLL: Duration = Duration::from_secs(1);

/// While the operator takes no calls a lane's worth of messages is tried in this time, not all of
/// the queue: enough to give up in time those whose time is over.
const NOT_ADMITTED_PAUSE: Duration = Duration::from_secs(1);

/// Of the operator's room: a quarter to hand over, an eighth to ask after what was.
const SENDING_SHARE: usize = 4;
const ASKING_SHARE: usize = 8;

/// Wakes the sender.
#[derive(Clone, Default)]
pub struct SmsHandle(Arc<Notify>);

impl SmsHandle {
    /// Something may be due now.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// The sender of this instance.
#[derive(Clone)]
pub struct SmsSender {
    services: Arc<Services>,
    running: TaskTracker,
}

/// One kind of work, and how much of it runs.
struct Lane {
    due: Due,
    width: usize,
    tasks: JoinSet<Turned>,
    /// Nothing is claimed before, on the process's own clock: the operator takes no calls.
    paused_until: Duration,
    /// Nor before this: what was due is claimed. A wake ends it.
    quiet_until: Duration,
}

impl Lane {
    fn new(due: Due, concurrency_max: usize, share: usize) -> Self {
        let width = (concurrency_max / share).max(1);
        let (paused_until, quiet_until) = (Duration::ZERO, Duration::ZERO);
        Self { due, width, tasks: JoinSet::new(), paused_until, quiet_until }
    }

    /// How many to claim now; a few at a time spare the database.
    fn room(&self, now: Duration) -> usize {
        let room = self.width - self.tasks.len().min(self.width);
        let worth_it = self.tasks.is_empty() || room >= self.width.div_ceil(4);
        if worth_it && now >= self.paused_until.max(self.quiet_until) { room } else { 0 }
    }

    fn ended(&mut self, ended: Result<Turned, tokio::task::JoinError>, now: Duration) {
        match ended {
            Ok(Turned::Done) => {}
            Ok(Turned::NotAdmitted) => self.paused_until = now + NOT_ADMITTED_PAUSE,
            Err(error) => tracing::error!(%error, "work on an SMS failed"),
        }
    }
}

impl SmsSender {
    /// A sender over the same services as the operations.
    pub fn new(services: Arc<Services>) -> Self {
        Self { services, running: TaskTracker::new() }
    }

    /// Starts the work on the current runtime, until `stop` is notified.
    pub fn start(&self, stop: Arc<Notify>) {
        self.running.spawn(self.clone().run(stop));
    }

    /// Waits until what runs has ended, once it was told to stop.
    pub async fn drain(&self) {
        self.running.close();
        self.running.wait().await;
    }

    /// Runs until `stop` is notified, and then until what it has claimed is done with.
    pub async fn run(self, stop: Arc<Notify>) {
        let mut stopped = std::pin::pin!(stop.notified());
        let room = self.services.gateway.concurrency_max();
        let mut sending = Lane::new(Due::SmsToSend, room, SENDING_SHARE);
        let mut asking = Lane::new(Due::SmsUnderWay, room, ASKING_SHARE);
        loop {
            let now = self.services.clock.elapsed();
            for lane in [&mut sending, &mut asking] {
                let room = lane.room(now);
                if room > 0 {
                    self.fill(lane, room).await;
                }
            }
            // In this order: what has ended makes room, however often it is woken.
            tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(ended) = sending.tasks.join_next() => {
                    sending.ended(ended, self.services.clock.elapsed());
                }
                Some(ended) = asking.tasks.join_next() => {
                    asking.ended(ended, self.services.clock.elapsed());
                }
                () = self.services.sms.0.notified() => sending.quiet_until = Duration::ZERO,
                () = tokio::time::sleep(POLL) => {}
            }
        }
        for mut lane in [sending, asking] {
            while let Some(ended) = lane.tasks.join_next().await {
                lane.ended(ended, Duration::ZERO);
            }
        }
    }

    /// Does what is due now, at most a lane of each kind; says how much that was.
    pub async fn round(&self) -> Result<usize, StoreError> {
        let room = self.services.gateway.concurrency_max();
        let mut done = 0;
        for (due, share) in [(Due::SmsToSend, SENDING_SHARE), (Due::SmsUnderWay, ASKING_SHARE)] {
            let mut lane = Lane::new(due, room, share);
            let claimed = claim(&self.services, due, lane.width).await?;
            done += claimed.len();
            self.spawn(&mut lane, claimed);
            while let Some(ended) = lane.tasks.join_next().await {
                lane.ended(ended, Duration::ZERO);
            }
        }
        Ok(done)
    }

    async fn fill(&self, lane: &mut Lane, room: usize) {
        let (services, due) = (Arc::clone(&self.services), lane.due);
        // In a task of its own: a panic ends one claim, not the sender.
        match tokio::spawn(async move { claim(&services, due, room).await }).await {
            Ok(Ok(claimed)) => {
                job_succeeded(Job::Sms, self.services.clock.now());
                if claimed.len() < room {
                    lane.quiet_until = self.services.clock.elapsed() + POLL;
                }
                self.spawn(lane, claimed);
            }
            Ok(Err(error)) => tracing::warn!(%error, "due SMS are not looked up"),
            Err(error) => tracing::error!(%error, "a claim of SMS failed"),
        }
    }

    fn spawn(&self, lane: &mut Lane, claimed: Vec<Claimed>) {
        for Claimed { operation, .. } in claimed {
            let (services, due) = (Arc::clone(&self.services), lane.due);
            let span = traced!("sms", root = true);
            lane.tasks
                .spawn(async move { work(&services, due, &operation).await }.instrument(span));
        }
    }
}

async fn claim(services: &Services, due: Due, room: usize) -> Result<Vec<Claimed>, StoreError> {
    let now = services.clock.now();
    let limit = i64::try_from(room).unwrap_or(i64::MAX);
    services.store.claim_due(due, now, now + lease(services), limit).await
}

async fn work(services: &Services, due: Due, operation: &Operation) -> Turned {
    let worked = match due {
        Due::SmsUnderWay => ask_after(services, operation).await.map(|()| Turned::Done),
        Due::SmsToSend | Due::Operations => hand_over(services, operation).await,
    };
    let Err(error) = worked else { return worked.unwrap_or(Turned::Done) };
    tracing::warn!(operation = %operation.id, %error, "an SMS is not done with yet");
    // Where not even this can be stored, it is due again when its lease is over.
    if let Err(error) = put_off(services, operation).await {
        tracing::warn!(operation = %operation.id, %error, "nor put off");
    }
    Turned::Done
}

/// What the database does not take is tried again, but not for ever.
async fn put_off(services: &Services, operation: &Operation) -> Result<(), OperationError> {
    let (org, id, epoch) = (operation.org_id, operation.id, operation.epoch);
    let (now, give_up_at) = (services.clock.now(), operation.horizon_at + services.limits.give_up);
    let (cleanup, due_at) = if now < give_up_at {
        let due_at = schedule::next_look(operation.attempts, now, give_up_at);
        (Cleanup::None, Some(due_at))
    } else if operation.state == OperationState::Pending {
        tracing::error!(operation = %id, "a person has to look at it");
        METRICS.manual.increment(1);
        (Cleanup::Manual, None)
    } else {
        // Handed over, and under way for a day.
        (Cleanup::None, None)
    };
    services.store.reschedule(org, id, epoch, cleanup, due_at).await?;
    Ok(())
}
