//! Logs: JSON lines in the service, text for people in the sandbox. Always on stderr. Beside them,
//! where they are configured, traces.
//!
//! **Invariant.** Nothing here adds to a line what its writer left out: tokens, secrets, message
//! texts and whole ICCIDs are never written in the first place.

use super::json_lines::{JsonFields, JsonLine};
use super::traces::{self, TracesError};
use crate::config::{LogConfig, LogFormat, OtlpConfig};
use std::io::IsTerminal;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// actix-http logs malformed heads and cut connections as errors, without a request's id: every
/// scan of the Internet would fill the log.
/// Spans for traces are not the log's.
const ALWAYS: &str =
    "actix_http=off,actix_server=warn,sqlx=warn,hyper=warn,reqwest=warn,bappy_traces=off";

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("log.level: `{level}` is not a level or a filter: {error}")]
pub struct LogError {
    level: String,
    error: tracing_subscriber::filter::ParseError,
}

/// Why log or traces cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The traces.
    #[error(transparent)]
    Traces(#[from] TracesError),
}

/// Sets log and traces up for the rest of the process. Later calls change nothing.
pub fn log_and_traces(log: &LogConfig, otlp: &OtlpConfig) -> Result<(), SetupError> {
    // A second log in one process (tests) is the first one's.
    let _ = dispatch(log, otlp)?.try_init();
    Ok(())
}

/// Sets the log up for the rest of the process. Later calls change nothing.
pub fn log(config: &LogConfig) -> Result<(), LogError> {
    let _ = only_lines(config)?.try_init();
    Ok(())
}

fn dispatch(log: &LogConfig, otlp: &OtlpConfig) -> Result<Dispatch, SetupError> {
    let Some(traces) = traces::layer(otlp)? else { return Ok(only_lines(log)?) };
    let lines = lines(log).with_filter(filter(log)?);
    Ok(tracing_subscriber::registry().with(traces).with(lines).into())
}

/// With a filter for all that there is: what it refuses is refused for good, once a place in the
/// code. A filter of the lines alone, beside an absent layer of traces, would be asked each time and
/// let spans be made that nobody sees.
fn only_lines(config: &LogConfig) -> Result<Dispatch, LogError> {
    let filter = filter(config)?;
    let registry = tracing_subscriber::registry();
    Ok(match targets(config) {
        Some(targets) => registry.with(targets).with(lines(config)).into(),
        None => registry.with(filter).with(lines(config)).into(),
    })
}

fn filter(config: &LogConfig) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(directives(config))
        .map_err(|error| LogError { level: config.level.clone(), error })
}

/// The same filter where it asks for levels and places alone, as nearly all do: it has nothing to
/// look up when a span is entered and left.
fn targets(config: &LogConfig) -> Option<Targets> {
    let directives = directives(config);
    // What the two do not read alike.
    let is_special = |part: &str| part.contains('[') || part.ends_with('=');
    if directives.split(',').any(is_special) { None } else { directives.parse().ok() }
}

fn directives(config: &LogConfig) -> String {
    let parts = config.level.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.chain([ALWAYS]).collect::<Vec<_>>().join(",")
}

fn lines<S>(config: &LogConfig) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match config.format {
        LogFormat::Json => lines.fmt_fields(JsonFields).event_format(JsonLine).boxed(),
        LogFormat::Pretty => lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_timer(ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()))
            .compact()
            .boxed(),
    }
}

/// Warnings only, for commands that print.
pub fn log_to_stderr() {
    let config = LogConfig { format: LogFormat::Pretty, level: "warn".to_owned() };
    let _ = log(&config);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bappy_actors::traced;
    use tracing::{Level, dispatcher, enabled};

    #[test]
    fn without_a_collector_spans_for_traces_are_not_made_whatever_is_logged() {
        for level in ["info", "trace", "bappy=trace"] {
            let log = LogConfig { format: LogFormat::Json, level: level.to_owned() };
            let otlp = OtlpConfig { endpoint: None, sample_percent: 100 };
            dispatcher::with_default(&dispatch(&log, &otlp).unwrap(), || {
                assert!(!tracing::error_span!("request").is_disabled(), "{level}");
                assert!(traced!("wallet", command = "debit").is_disabled(), "{level}");
            });
        }
    }

    #[test]
    fn a_filter_is_of_levels_places_or_spans() {
        let otlp = OtlpConfig { endpoint: None, sample_percent: 100 };
        let with = |level: &str, test: fn()| {
            let log = LogConfig { format: LogFormat::Json, level: level.to_owned() };
            dispatcher::with_default(&dispatch(&log, &otlp).unwrap(), test);
        };
        with("warn,bappy=debug", || {
            assert!(enabled!(target: "bappy::http", Level::DEBUG));
            assert!(!enabled!(target: "other", Level::INFO));
            assert!(!enabled!(target: "sqlx::query", Level::INFO));
        });
        with("info,", || assert!(enabled!(Level::INFO)));
        with("warn,bappy=", || assert!(enabled!(target: "bappy::http", Level::TRACE)));
        with("warn,[loud]=debug", || {
            let loud = tracing::error_span!("loud").entered();
            assert!(enabled!(Level::DEBUG));
            drop(loud);
            assert!(!enabled!(Level::DEBUG));
        });
        let log = LogConfig { format: LogFormat::Json, level: "bappy=loud".to_owned() };
        assert!(dispatch(&log, &otlp).is_err());
    }
}
