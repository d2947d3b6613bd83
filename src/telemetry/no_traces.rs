//! What is left of traces in a build without them (`--no-default-features`).

use crate::config::OtlpConfig;
use reqwest::header::HeaderMap;
use tracing::Span;
use tracing_subscriber::layer::{Identity, Layer};

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
#[error("otlp.endpoint: this build sends no traces (it lacks the feature `otlp`)")]
pub struct TracesError;

/// None are sent.
pub fn is_on() -> bool {
    false
}

/// Refuses what is configured.
pub(super) fn layer<S: tracing::Subscriber>(
    config: &OtlpConfig,
) -> Result<Option<impl Layer<S> + use<S>>, TracesError> {
    if config.endpoint.is_some() { Err(TracesError) } else { Ok(None::<Identity>) }
}

/// Nothing is left to send.
pub fn flush() {}

/// Spans are of no kind.
pub fn server() -> Option<&'static str> {
    None
}

/// A request begins no trace.
pub fn continue_from<'h>(_: &Span, _: impl Fn(&str) -> Option<&'h str>) {}

/// Nor is it named in one.
pub fn routed(_: &Span, _: &str, _: &'static str) {}

/// Nor its answer.
pub fn answered(_: &Span, _: u16) {}

/// Nothing is taken along.
pub fn carried() -> HeaderMap {
    HeaderMap::new()
}
