//! Logs: JSON lines in the service, text for people in the sandbox. Always on stderr. Metrics.
//!
//! **Invariant.** Nothing here adds to a line what its writer left out: tokens, secrets, message
//! texts and whole ICCIDs are never written in the first place.

use crate::config::{LogConfig, LogFormat};
use metrics::{Unit, describe_counter, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use std::io::IsTerminal;
use std::net::SocketAddr;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::ChronoUtc;

/// actix-http logs malformed heads and cut connections as errors, without a request's id: every
/// scan of the Internet would fill the log.
const ALWAYS: &str = "actix_http=off,actix_server=warn,sqlx=warn,hyper=warn,reqwest=warn";

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("log.level: `{level}` is not a level or a filter: {error}")]
pub struct LogError {
    level: String,
    error: tracing_subscriber::filter::ParseError,
}

/// Sets the log up for the rest of the process. Later calls change nothing.
pub fn log(config: &LogConfig) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(format!("{},{ALWAYS}", config.level))
        .map_err(|error| LogError { level: config.level.clone(), error })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_timer(ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()));
    // A second log in one process (tests) is the first one's.
    let _ = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
        LogFormat::Pretty => lines.compact().try_init(),
    };
    Ok(())
}

/// Warnings only, for commands that print.
pub fn log_to_stderr() {
    let config = LogConfig { format: LogFormat::Pretty, level: "warn".to_owned() };
    let _ = log(&config);
}

/// Durations that matter: from a commit of half a millisecond to an answer at the deadline.
const SECONDS_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0];
/// Commands in one commit, up to the most there can be.
const COMMANDS_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listen: {0}")]
pub struct MetricsError(#[from] metrics_exporter_prometheus::BuildError);

/// Serves Prometheus metrics at `/metrics` on an address of their own, for the rest of the process.
pub fn metrics(listen: SocketAddr) -> Result<(), MetricsError> {
    PrometheusBuilder::new()
        .with_http_listener(listen)
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_commands".to_owned()), &COMMANDS_BUCKETS)?
        .install()?;
    describe_counter!("bappy_wallet_conflicts_total", "Commits that another instance outran");
    describe_counter!("bappy_wallet_rejections_total", "Debits refused because too many waited");
    describe_counter!("bappy_wallet_respawns_total", "Wallet actors started again after a panic");
    describe_histogram!("bappy_wallet_batch_commands", "Commands in one commit");
    describe_histogram!(
        "bappy_operator_call_seconds",
        Unit::Seconds,
        "Time that a call to the provider took"
    );
    for name in [
        "bappy_wallet_conflicts_total",
        "bappy_wallet_rejections_total",
        "bappy_wallet_respawns_total",
    ] {
        // There from the start, so that a rate can be taken of the first one.
        metrics::counter!(name).increment(0);
    }
    Ok(())
}
