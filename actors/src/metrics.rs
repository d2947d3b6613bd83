//! Handles of metrics, made once: a recorder's own look-up by name and labels costs more than most
//! of what is counted.
//!
//! Each capability declares its metrics in a `metrics.rs` of its own, as a static that is made at
//! its first use. [`register`] makes them all, so that every series is there from the start, at
//! zero: a rate can then be taken of the first event too.
//!
//! **Invariants.** A label's values are known beforehand; never an id, nor a text from outside. The
//! recorder is installed before anything is used: what is made without one records nothing, ever.

use crate::model::Timestamp;
use metrics::{Counter, Gauge, Histogram, Label};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use std::marker::PhantomData;
use std::sync::LazyLock;

/// Makes all metrics of the core.
pub fn register() {
    LazyLock::force(&crate::billing::METRICS);
    LazyLock::force(&crate::gateway::METRICS);
    LazyLock::force(&crate::link::METRICS);
    LazyLock::force(&crate::operation::METRICS);
    LazyLock::force(&crate::wallet::METRICS);
    LazyLock::force(&JOBS);
}

/// Values of one label, or of several together.
pub trait Labels: Copy + 'static {
    /// How many there are.
    const COUNT: usize;
    /// All of them.
    fn all() -> Vec<Self>;
    /// Its place among all.
    fn index(self) -> usize;
    /// Adds name and value of each label.
    fn add_to(self, labels: &mut Vec<Label>);
}

impl<A: Labels, B: Labels> Labels for (A, B) {
    const COUNT: usize = A::COUNT * B::COUNT;

    fn all() -> Vec<Self> {
        let with_each = |a: A| B::all().into_iter().map(move |b| (a, b));
        A::all().into_iter().flat_map(with_each).collect()
    }

    fn index(self) -> usize {
        self.0.index() * B::COUNT + self.1.index()
    }

    fn add_to(self, labels: &mut Vec<Label>) {
        self.0.add_to(labels);
        self.1.add_to(labels);
    }
}

/// Makes an enum without fields a label: `labels!(Kind as "kind" { Topup = "topup" })`.
#[macro_export]
macro_rules! labels {
    ($name:ty as $key:literal { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $crate::metrics::Labels for $name {
            const COUNT: usize = [$($word),+].len();

            fn all() -> Vec<Self> {
                vec![$(Self::$variant),+]
            }

            fn index(self) -> usize {
                self as usize
            }

            fn add_to(self, labels: &mut Vec<::metrics::Label>) {
                let word = match self {
                    $(Self::$variant => $word),+
                };
                labels.push(::metrics::Label::from_static_parts($key, word));
            }
        }
    };
}

/// A metric with a series for each value of its labels.
pub struct Family<L, M> {
    series: Vec<M>,
    labels: PhantomData<fn(L)>,
}

impl<L: Labels, M> Family<L, M> {
    /// The series of these values.
    pub fn of(&self, labels: L) -> &M {
        &self.series[labels.index()]
    }

    fn new(mut make: impl FnMut(Vec<Label>) -> M) -> Self {
        let one = |labels: L| {
            let mut list = Vec::new();
            labels.add_to(&mut list);
            make(list)
        };
        Self { series: L::all().into_iter().map(one).collect(), labels: PhantomData }
    }
}

/// A counter; its name ends in `_total`.
pub fn counter_of(name: &'static str, help: &'static str) -> Counter {
    describe_counter!(name, help);
    counter!(name)
}

/// Counters by label.
pub fn counters_of<L: Labels>(name: &'static str, help: &'static str) -> Family<L, Counter> {
    describe_counter!(name, help);
    Family::new(|labels| counter!(name, labels))
}

/// A gauge.
pub fn gauge_of(name: &'static str, help: &'static str) -> Gauge {
    describe_gauge!(name, help);
    gauge!(name)
}

/// Gauges by label.
pub fn gauges_of<L: Labels>(name: &'static str, help: &'static str) -> Family<L, Gauge> {
    describe_gauge!(name, help);
    Family::new(|labels| gauge!(name, labels))
}

/// A histogram; its name ends in its unit, by which its buckets are chosen.
pub fn histogram_of(name: &'static str, help: &'static str) -> Histogram {
    describe_histogram!(name, help);
    histogram!(name)
}

/// Histograms by label.
pub fn histograms_of<L: Labels>(name: &'static str, help: &'static str) -> Family<L, Histogram> {
    describe_histogram!(name, help);
    Family::new(|labels| histogram!(name, labels))
}

/// Counts one of something that is there, until it is dropped.
pub struct Present(&'static Gauge);

impl Present {
    /// One more in this gauge.
    pub fn in_gauge(gauge: &'static Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// How large a count is, for a gauge or a histogram.
#[expect(clippy::cast_precision_loss, reason = "counts of things in memory are far below 2^52")]
pub fn size(count: usize) -> f64 {
    count as f64
}

/// A cache's answers and size.
pub struct CacheMetrics {
    hits: Counter,
    misses: Counter,
    entries: Gauge,
}

impl CacheMetrics {
    /// Of the cache with this name.
    pub fn of(cache: &'static str) -> Self {
        let name = "bappy_cache_requests_total";
        describe_counter!(name, "Look-ups in caches, by whether the answer was there");
        let requests = |outcome| counter!(name, "cache" => cache, "outcome" => outcome);
        let entries = "bappy_cache_entries";
        describe_gauge!(entries, "Entries in caches, about");
        Self {
            hits: requests("hit"),
            misses: requests("miss"),
            entries: gauge!(entries, "cache" => cache),
        }
    }

    /// Counts a look-up.
    pub fn asked(&self, found: bool) {
        if found { &self.hits } else { &self.misses }.increment(1);
    }

    /// Says how many entries there are.
    #[expect(clippy::cast_precision_loss, reason = "caches are bounded far below 2^52 entries")]
    pub fn holds(&self, entries: u64) {
        self.entries.set(entries as f64);
    }
}

/// What runs in the background of a service, over and over.
#[derive(Clone, Copy, Debug)]
pub enum Job {
    /// Ends activations with their time.
    Expiry,
    /// Charges the monthly fees.
    Fees,
    /// Compares wallets with their ledgers.
    LedgerCheck,
    /// Keeps up how deep ids are in long lists.
    Ranks,
    /// Brings operations to their end.
    Resolver,
    /// Reads what these metrics show of the database.
    Sampler,
    /// Hands SMS over.
    Sms,
}
labels!(Job as "job_name" {
    Expiry = "expiry",
    Fees = "fees",
    LedgerCheck = "ledger_check",
    Ranks = "ranks",
    Resolver = "resolver",
    Sampler = "sampler",
    Sms = "sms",
});

static JOBS: LazyLock<Family<Job, Gauge>> = LazyLock::new(|| {
    gauges_of(
        "bappy_job_last_success_timestamp_seconds",
        "When a background job last did what it is there for; 0 before the first time",
    )
});

/// Notes that a job has just done what it is there for.
pub fn job_succeeded(job: Job, now: Timestamp) {
    JOBS.of(job).set(seconds(now));
}

/// A time, as seconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
pub fn seconds(at: Timestamp) -> f64 {
    at.timestamp() as f64
}
