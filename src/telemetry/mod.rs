//! What the service tells of itself: logs, metrics and traces.
//!
//! Set up by the commands that serve, before anything else; a metric that is used earlier records
//! nothing. What a capability counts it declares in a `metrics.rs` of its own.

mod buckets;
pub mod json_lines;
mod log;
mod metrics;
mod runtime;
mod sampler;
#[cfg_attr(not(feature = "otlp"), path = "no_traces.rs")]
pub mod traces;

pub use log::{
    GATHERED, LogError, LogGuard, SetupError, carries_spans, log, log_and_traces, log_to_stderr,
};
pub use metrics::{MetricsError, metrics};
pub use runtime::{Threads, watch_delay};
pub use sampler::Sampler;

/// Sends the traces that are left, at the end.
pub async fn flush_traces() {
    // A matter of milliseconds, or of what a collector that is away may take.
    let _ = tokio::task::spawn_blocking(traces::flush).await;
}
