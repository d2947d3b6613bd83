//! The buckets of the histograms. A histogram without any would become a summary, which cannot be
//! added up over instances.
//!
//! **Invariant:** the thresholds of the service-level objectives (`prometheus/rules`) are bounds.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// From an answer out of memory to one at the deadline.
const ANSWERS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0];

/// What takes fractions of a millisecond when all is well: commits, waits for a connection or for a
/// thread.
const SHORT: [f64; 13] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Commands: up to a wallet's batch, and to a statement with those of several.
const COMMANDS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// The metrics with [`SHORT`] buckets.
const SHORT_ONES: [&str; 5] = [
    "bappy_wallet_commit_duration_seconds",
    "bappy_ledger_write_duration_seconds",
    "bappy_ledger_check_duration_seconds",
    "bappy_database_acquire_duration_seconds",
    "bappy_scheduler_delay_seconds",
];

/// Sets them.
pub(super) fn set(mut exporter: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
    for (suffix, buckets) in [("_seconds", &ANSWERS[..]), ("_commands", &COMMANDS)] {
        let matcher = Matcher::Suffix(suffix.to_owned());
        exporter = exporter.set_buckets_for_metric(matcher, buckets)?;
    }
    for name in SHORT_ONES {
        exporter = exporter.set_buckets_for_metric(Matcher::Full(name.to_owned()), &SHORT)?;
    }
    Ok(exporter)
}
