//! Traces, sent to an OpenTelemetry collector over OTLP (HTTP, protobuf), and joined to those of
//! callers and of the operator by W3C `traceparent`.
//!
//! Set up where `otlp.endpoint` is configured; elsewhere every function here is one look at a flag.
//! What a trace shows are the spans of [`bappy_actors::traces`] and the requests themselves.
//!
//! **Invariants.** A trace begins with a request or with a background job's work: what a job asks
//! while it looks for work is no trace. A caller's decision not to sample is followed. What cannot be
//! sent is dropped, and keeps nobody waiting.

use crate::config::OtlpConfig;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tracing::{Metadata, Span};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

/// A collector that takes longer does not get the spans of that batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The module whose spans are the requests.
const REQUESTS: &str = "bappy::http::request_id";

static IS_ON: AtomicBool = AtomicBool::new(false);
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Why no traces can be sent.
#[derive(Debug, thiserror::Error)]
#[error("otlp.endpoint: {0}")]
pub struct TracesError(#[from] opentelemetry_otlp::ExporterBuildError);

/// Whether traces are sent.
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// The layer that sends traces; none where they are not configured.
pub(super) fn layer<S>(config: &OtlpConfig) -> Result<Option<impl Layer<S> + use<S>>, TracesError>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let Some(endpoint) = &config.endpoint else { return Ok(None) };
    let address = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(address)
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let resource = Resource::builder()
        .with_service_name("bappy")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(Roots::of(config.sample_percent))))
        .build();
    let tracer: SdkTracer = provider.tracer("bappy");
    // A second set-up in one process (tests) is the first one's.
    let _ = PROVIDER.set(provider);
    IS_ON.store(true, Ordering::Relaxed);
    let layer = OpenTelemetryLayer::new(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    Ok(Some(layer.with_filter(shown())))
}

/// The spans that traces show; no events, which are the log's.
fn shown() -> FilterFn {
    filter_fn(|metadata: &Metadata<'_>| {
        let target = metadata.target();
        metadata.is_span() && (target == bappy_actors::traces::TARGET || target == REQUESTS)
    })
}

/// Decides on spans that have no parent: of requests, and of jobs' work, a share.
#[derive(Clone, Debug)]
struct Roots(Sampler);

impl Roots {
    fn of(percent: u32) -> Self {
        Self(Sampler::TraceIdRatioBased(f64::from(percent) / 100.0))
    }
}

impl ShouldSample for Roots {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_root = |key: &str| matches!(key, "request_id" | "root");
        if attributes.iter().any(|attribute| is_root(attribute.key.as_str())) {
            return self.0.should_sample(parent, trace_id, name, kind, attributes, links);
        }
        SamplingResult {
            decision: SamplingDecision::Drop,
            attributes: Vec::new(),
            trace_state: parent.map_or_else(Default::default, |parent| {
                parent.span().span_context().trace_state().clone()
            }),
        }
    }
}

/// Sends what is left; waits for it no longer than an export may take.
pub fn flush() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(EXPORT_TIMEOUT)
    {
        tracing::warn!(%error, "the last traces could not be sent");
    }
}

/// What a request says of the trace that it belongs to.
struct Incoming<'h> {
    traceparent: Option<&'h str>,
    tracestate: Option<&'h str>,
}

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// The kind of a request's span.
pub fn server() -> Option<&'static str> {
    is_on().then_some("server")
}

/// Puts a request's span into its caller's trace, if it names one.
pub fn continue_from<'h>(span: &Span, header: impl Fn(&str) -> Option<&'h str>) {
    if !is_on() {
        return;
    }
    let (traceparent, tracestate) = (header("traceparent"), header("tracestate"));
    let parent = TraceContextPropagator::new().extract(&Incoming { traceparent, tracestate });
    // Refused only for a span that has begun, which this one has not.
    let _ = span.set_parent(parent);
    let trace_id = span.context().span().span_context().trace_id();
    span.record("trace_id", tracing::field::display(trace_id));
}

/// Names a request's span as its route is known.
pub fn routed(span: &Span, method: &str, route: &'static str) {
    if is_on() {
        span.context().span().update_name(format!("{method} {route}"));
        span.set_attribute("http.request.method", method.to_owned());
        span.set_attribute("http.route", route);
    }
}

/// Says how a request was answered.
pub fn answered(span: &Span, status: u16) {
    if is_on() {
        span.set_attribute("http.response.status_code", i64::from(status));
        if status >= 500 {
            span.set_status(opentelemetry::trace::Status::error(""));
        }
    }
}

struct Outgoing<'h>(&'h mut HeaderMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        let header = (HeaderName::from_bytes(key.as_bytes()), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = header {
            self.0.insert(name, value);
        }
    }
}

/// The headers with which a call takes the current trace along.
pub fn carried() -> HeaderMap {
    let mut headers = HeaderMap::new();
    if is_on() {
        let context = Span::current().context();
        TraceContextPropagator::new().inject_context(&context, &mut Outgoing(&mut headers));
    }
    headers
}
