//! One run: connections that call, a warm-up, and a clock that counts the seconds.

use super::connection::Connection;
use super::cpu;
use super::exchange::{Outcome, exchange};
use super::pace::Pace;
use super::recorder::{Live, Recorder};
use super::scenario::Call;
use super::summary::{Ended, Summary};
use super::wallet::Wallet;
use super::{Settings, Target};
use futures_util::future::join_all;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The seconds that figures are told by.
const SECOND: Duration = Duration::from_secs(1);
/// Of the charges that are paid for, a warm-up uses one in so many.
const WARM_UP_SHARE: u64 = 10;
/// A connection that is refused is tried again after this.
const RECONNECT: Duration = Duration::from_millis(50);

/// How far a run is, once a second.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Measured so far; none while it warms up.
    pub measured: Option<Duration>,
    /// The last second.
    pub live: Live,
}

struct Run<'a> {
    settings: &'a Settings,
    target: &'a Target,
    wallets: &'a [Rc<Wallet>],
    pace: Pace,
    recorder: RefCell<Recorder>,
    /// Calls handed out.
    number: Cell<u64>,
    /// Charges handed out, and how many of them may be while it warms up.
    charges: Cell<u64>,
    warm_up_charges: u64,
    measured_from: Cell<Option<Instant>>,
    /// Measured calls handed out.
    measured: Cell<u64>,
    /// Successes that were answered while it was measured, whenever they began: what is under way
    /// at the end would else count as if it had been done.
    answered: Cell<u64>,
    ended: Cell<Option<Ended>>,
    changed: Notify,
}

/// Drives a service. To be called inside of a `LocalSet`.
pub async fn run(
    settings: &Settings,
    target: &Target,
    wallets: &[Rc<Wallet>],
    watch: &dyn Fn(Tick),
) -> Summary {
    let paid_for = wallets.iter().fold(0_u64, |sum, w| sum.saturating_add(w.charges_left.get()));
    let run = Run {
        settings,
        target,
        wallets,
        pace: Pace::start(settings.arrival),
        recorder: RefCell::default(),
        number: Cell::new(0),
        charges: Cell::new(0),
        warm_up_charges: warm_up_charges(settings, paid_for),
        measured_from: Cell::new(None),
        measured: Cell::new(0),
        answered: Cell::new(0),
        ended: Cell::new(None),
        changed: Notify::new(),
    };
    let connections = join_all((0..settings.connections).map(|_| run.connection()));
    // The clock first: without a warm-up it measures from the first call on.
    let ((cpu, measured), _) = tokio::join!(run.clock(watch), connections);
    run.summary(cpu, measured)
}

/// How many charges a warm-up may use. Where that is less than one for each connection there is
/// none: nothing would be left to measure.
fn warm_up_charges(settings: &Settings, paid_for: u64) -> u64 {
    let share = paid_for / WARM_UP_SHARE;
    if share < settings.connections as u64 { 0 } else { share }
}

impl Run<'_> {
    /// One connection's calls.
    async fn connection(&self) {
        let mut connection: Option<Connection> = None;
        while let Some(due) = self.pace.next().await {
            let Some((call, wallet)) = self.next_call(due) else { return };
            let timeout = self.settings.timeout;
            let outcome = exchange(self.target, &mut connection, wallet, call, timeout).await;
            match outcome {
                Outcome::Done(amount) => wallet.add_charge(amount),
                Outcome::Lost(_) if call.charges() => wallet.lost.set(wallet.lost.get() + 1),
                _ => {}
            }
            let is_measuring = self.measured_from.get().is_some() && self.ended.get().is_none();
            if is_measuring && matches!(outcome, Outcome::Done(_)) {
                self.answered.set(self.answered.get() + 1);
            }
            if self.is_measured(due) {
                self.recorder.borrow_mut().record(call, due.elapsed(), &outcome);
            }
            if matches!(outcome, Outcome::Unsent(_)) {
                tokio::time::sleep(RECONNECT).await;
            }
        }
    }

    fn is_measured(&self, due: Instant) -> bool {
        self.measured_from.get().is_some_and(|from| due >= from)
    }

    /// The next call and whose it is: organizations take turns. None: the run is over.
    fn next_call(&self, due: Instant) -> Option<(Call, &Wallet)> {
        let number = self.number.get();
        let count = self.wallets.len();
        let begin = usize::try_from(number % count as u64).unwrap_or(0);
        // Each organization has the calls of the scenario in order.
        let call = self.settings.scenario.call(number / count as u64);
        let mut turns = self.wallets[begin..].iter().chain(&self.wallets[..begin]);
        let Some(wallet) = turns.find(|wallet| !call.charges() || wallet.take_charge()) else {
            self.end(Ended::Money);
            return None;
        };
        if self.is_measured(due) {
            if self.settings.requests_max.is_some_and(|most| self.measured.get() >= most) {
                self.end(Ended::Requests);
                return None;
            }
            self.measured.set(self.measured.get() + 1);
        }
        self.number.set(number + 1);
        if call.charges() {
            self.charges.set(self.charges.get() + 1);
            if self.charges.get() == self.warm_up_charges {
                self.changed.notify_one();
            }
        }
        Some((call, wallet))
    }

    fn end(&self, why: Ended) {
        if self.ended.get().is_none() {
            self.ended.set(Some(why));
            self.changed.notify_one();
            let now = Instant::now();
            self.pace.end(now, now);
        }
    }

    /// Warms up, measures, ends; says what this process used of the processor meanwhile, and how
    /// long was measured.
    async fn clock(&self, watch: &dyn Fn(Tick)) -> (Option<Duration>, Duration) {
        let begin = Instant::now();
        while begin.elapsed() < self.settings.warm_up && self.charges.get() < self.warm_up_charges {
            let left = self.settings.warm_up.saturating_sub(begin.elapsed()).min(SECOND);
            let _ = tokio::time::timeout(left, self.changed.notified()).await;
            watch(Tick { measured: None, live: Live::default() });
        }
        let (from, cpu_before) = (Instant::now(), cpu::used());
        self.measured_from.set(Some(from));
        let end = from + self.settings.duration;
        for second in 1.. {
            let tick = (from + SECOND * second).min(end);
            while Instant::now() < tick && self.ended.get().is_none() {
                let wait = tick.saturating_duration_since(Instant::now());
                let _ = tokio::time::timeout(wait, self.changed.notified()).await;
            }
            let live = self.recorder.borrow_mut().second(self.ended.get().is_none());
            watch(Tick { measured: Some(from.elapsed()), live });
            if self.ended.get().is_some() {
                break;
            }
            if tick == end {
                self.ended.set(Some(Ended::Duration));
                self.pace.end(end, end + self.settings.timeout);
                break;
            }
        }
        let used = cpu::used().zip(cpu_before).map(|(after, before)| after.saturating_sub(before));
        (used, from.elapsed())
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn summary(&self, cpu: Option<Duration>, measured: Duration) -> Summary {
        let recorder = self.recorder.borrow();
        let ended = self.ended.get().unwrap_or(Ended::Duration);
        // What ends early, ends with its last answer.
        let (answered, measured) = match (ended, self.measured_from.get()) {
            (Ended::Requests | Ended::Money, Some(from)) => (recorder.ok(), from.elapsed()),
            _ => (self.answered.get(), measured),
        };
        let seconds = measured.as_secs_f64();
        let per_request =
            |used: Duration| used.as_secs_f64() * 1e6 / recorder.ended().max(1) as f64;
        Summary {
            scenario: self.settings.scenario,
            target: self.target.base.to_string(),
            connections: self.settings.connections,
            rate_wanted: self.settings.arrival.rate(),
            seconds,
            requests: recorder.ended(),
            ok: recorder.ok(),
            rate: answered as f64 / seconds.max(1e-9),
            latency_ms: recorder.latency(),
            errors: recorder.errors(),
            unsent: self.pace.unsent(),
            calls: recorder.calls(),
            by_second: recorder.seconds().to_vec(),
            distribution_ms: recorder.distribution(),
            ended,
            client_cpu_us: cpu.map(per_request),
        }
    }
}
