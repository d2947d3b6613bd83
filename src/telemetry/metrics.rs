//! Serves the metrics: `/metrics` on an address of its own, for Prometheus.

use super::{buckets, runtime};
use bappy_actors::metrics::counter_of;
use metrics::{Counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_process::Collector;
use std::net::SocketAddr;

/// The commit that the program was built from, where the build says so.
const REVISION: Option<&str> = option_env!("BAPPY_REVISION");

/// Why metrics cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listen = {listen}: {error}")]
pub struct MetricsError {
    listen: SocketAddr,
    error: metrics_exporter_prometheus::BuildError,
}

/// Serves Prometheus metrics at `/metrics` on an address of their own, for the rest of the process,
/// with every series at zero. Call it once, inside a tokio runtime, before anything is counted.
pub fn metrics(listen: SocketAddr) -> Result<(), MetricsError> {
    let exporter = PrometheusBuilder::new().with_http_listener(listen);
    buckets::set(exporter)
        .and_then(PrometheusBuilder::install)
        .map_err(|error| MetricsError { listen, error })?;
    bappy_actors::metrics::register();
    crate::http::metrics::register();
    crate::identity::register_metrics();
    crate::operator::register_metrics();
    crate::ledger_check::register_metrics();
    crate::store::register_metrics();
    runtime::register();
    super::sampler::register();
    Collector::default().describe();
    build_info();
    count_panics();
    Ok(())
}

fn build_info() {
    let name = "bappy_build_info";
    describe_gauge!(name, "1; the labels say which build this is");
    let revision = REVISION.unwrap_or("unknown");
    gauge!(name, "version" => env!("CARGO_PKG_VERSION"), "revision" => revision).set(1.0);
}

/// A panic anywhere is a defect, whoever catches it.
fn count_panics() {
    let panics: Counter = counter_of("bappy_panics_total", "Panics, on any thread");
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        panics.increment(1);
        before(panic);
    }));
}
