//! How the threads do: the tokio runtime that databases, operators and background jobs run on, and
//! how long ready work waits for a thread, there and on the threads of actors and of HTTP.

use bappy_actors::labels;
use bappy_actors::metrics::{Family, gauge_of, histograms_of, size};
use metrics::{Gauge, Histogram};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tokio::runtime::RuntimeMetrics;

/// A thread is tried this often: often enough to meet a stall of a tenth of a second now and then,
/// and too rarely to cost anything.
const TRY: Duration = Duration::from_millis(250);

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    workers: gauge_of("bappy_runtime_workers", "Threads of the runtime"),
    tasks: gauge_of("bappy_runtime_tasks", "Tasks of the runtime that are not over"),
    queue: gauge_of(
        "bappy_runtime_queue_tasks",
        "Tasks in the runtime's global queue that wait for a thread",
    ),
    busy: gauge_of("bappy_runtime_busy_ratio", "Share of the time that the runtime's threads work"),
    delay: histograms_of(
        "bappy_scheduler_delay_seconds",
        "Time that ready work waits for its thread, tried four times a second on each",
    ),
});

struct Metrics {
    workers: Gauge,
    tasks: Gauge,
    queue: Gauge,
    busy: Gauge,
    delay: Family<Threads, Histogram>,
}

/// Threads that do the same kind of work.
#[derive(Clone, Copy, Debug)]
pub enum Threads {
    /// Actors.
    Actors,
    /// Connections of partners.
    Http,
    /// The rest.
    Runtime,
}
labels!(Threads as "threads" { Actors = "actors", Http = "http", Runtime = "runtime" });

pub(super) fn register() {
    LazyLock::force(&METRICS);
}

/// Tries how long ready work waits for a thread, for as long as its runtime runs. Spawn it there.
pub async fn watch_delay(threads: Threads) {
    loop {
        let due = Instant::now() + TRY;
        tokio::time::sleep_until(due.into()).await;
        METRICS.delay.of(threads).record(due.elapsed());
    }
}

/// What the runtime did until a moment.
pub(super) struct Seen {
    at: Instant,
    busy: Duration,
}

impl Seen {
    pub(super) fn of(runtime: &RuntimeMetrics) -> Self {
        let workers = 0..runtime.num_workers();
        let busy = workers.map(|worker| runtime.worker_total_busy_duration(worker)).sum();
        Self { at: Instant::now(), busy }
    }

    /// Brings the metrics up to date; gives what is to be compared with the next time.
    pub(super) fn observe(self, runtime: &RuntimeMetrics) -> Self {
        let (now, workers) = (Self::of(runtime), size(runtime.num_workers()));
        METRICS.workers.set(workers);
        METRICS.tasks.set(size(runtime.num_alive_tasks()));
        METRICS.queue.set(size(runtime.global_queue_depth()));
        let (busy, passed) = (now.busy.saturating_sub(self.busy), now.at - self.at);
        METRICS.busy.set(busy.as_secs_f64() / passed.as_secs_f64().max(f64::EPSILON) / workers);
        now
    }
}
