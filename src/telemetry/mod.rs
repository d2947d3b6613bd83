//! What the service tells of itself: logs and metrics.
//!
//! Set up by the commands that serve, before anything else; a metric that is used earlier records
//! nothing. What a capability counts it declares in a `metrics.rs` of its own.

mod buckets;
mod log;
mod metrics;
mod runtime;
mod sampler;

pub use log::{LogError, log, log_to_stderr};
pub use metrics::{MetricsError, metrics};
pub use runtime::{Threads, watch_delay};
pub use sampler::Sampler;
