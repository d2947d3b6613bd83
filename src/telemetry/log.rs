//! Logs: JSON lines in the service, text for people in the sandbox. Always on stderr. Beside them,
//! where they are configured, traces.
//!
//! A line is written at once, but for those [`GATHERED`]: these wait for others and are written together,
//! for a write each was a twelfth of what a read from memory cost. They may stand behind younger lines,
//! and the last of them are lost with a process that is killed: nothing may rest on them.
//!
//! **Invariant.** Nothing here adds to a line what its writer left out: tokens, secrets, message
//! texts and whole ICCIDs are never written in the first place.

use super::json_lines::{JsonFields, JsonLine};
use super::traces::{self, TracesError};
use crate::config::{LogConfig, LogFormat, OtlpConfig};
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use tracing::{Dispatch, Subscriber};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::time::ChronoUtc;
use tracing_subscriber::fmt::writer::MakeWriterExt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// actix-http logs malformed heads and cut connections as errors, without a request's id: every
/// scan of the Internet would fill the log.
/// Spans for traces are not the log's.
const ALWAYS: &str =
    "actix_http=off,actix_server=warn,sqlx=warn,hyper=warn,reqwest=warn,bappy_traces=off";

/// The name of events whose lines are gathered. They stand outside of any span, and carry what theirs would
/// have told (`json_lines`).
pub const GATHERED: &str = "gathered";

/// How long lines wait for others.
const GATHERED_FOR: Duration = Duration::from_millis(10);
/// No more is written at a time, but for a line that is longer: a pipe takes so much as a whole (`PIPE_BUF`), so
/// that nothing of another process comes into a line.
const WRITTEN_BYTES_MAX: usize = 4_096;
/// Lines that may wait to be written; then who logs waits.
const WAITING_LINES_MAX: usize = 10_000;

/// See [`carries_spans`].
static CARRIES_SPANS: AtomicBool = AtomicBool::new(false);

/// Whether the log takes of a span nothing but its fields in JSON lines, so that where there are no traces an
/// event may carry them, named [`GATHERED`], and the span need not be made.
pub fn carries_spans() -> bool {
    CARRIES_SPANS.load(Relaxed)
}

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
pub fn log_and_traces(log: &LogConfig, otlp: &OtlpConfig) -> Result<LogGuard, SetupError> {
    let (writer, worker) = writer();
    Ok(set_up(dispatch(log, otlp, writer)?, log, worker))
}

/// Sets the log up for the rest of the process. Later calls change nothing.
pub fn log(config: &LogConfig) -> Result<LogGuard, LogError> {
    let (writer, worker) = writer();
    Ok(set_up(only_lines(config, writer)?, config, worker))
}

/// A second log in one process (tests) is the first one's.
fn set_up(dispatch: Dispatch, log: &LogConfig, worker: WorkerGuard) -> LogGuard {
    let is_first = dispatch.try_init().is_ok();
    if is_first {
        CARRIES_SPANS.store(log.format == LogFormat::Json && targets(log).is_some(), Relaxed);
    }
    LogGuard { is_first, _worker: worker }
}

/// While it is held lines are gathered; when it is dropped those that wait are written.
#[must_use]
pub struct LogGuard {
    is_first: bool,
    _worker: WorkerGuard,
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        if self.is_first {
            // Who still logs has it written at once.
            CARRIES_SPANS.store(false, Relaxed);
        }
    }
}

/// Where a running service writes its lines.
fn writer() -> (impl Writer, WorkerGuard) {
    let (gathered, worker) = gathered(io::stderr());
    let gathered = gathered.with_filter(|event| event.name() == GATHERED);
    (gathered.or_else(io::stderr), worker)
}

/// Gathers lines for `to`.
fn gathered(to: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(false)
        .buffered_lines_limit(WAITING_LINES_MAX)
        .thread_name("log")
        .finish(Gathered { to, lines: Vec::with_capacity(WRITTEN_BYTES_MAX) })
}

/// Writes what it was given whenever it is flushed, which is once no more lines wait. Then lets
/// lines gather.
struct Gathered<W> {
    to: W,
    lines: Vec<u8>,
}

impl<W: Write> Write for Gathered<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.lines.len() + line.len() > WRITTEN_BYTES_MAX {
            self.write_out();
        }
        self.lines.extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out();
        thread::sleep(GATHERED_FOR);
        Ok(())
    }
}

impl<W: Write> Gathered<W> {
    /// Whole lines, between which no one else's come. What cannot be written is gone.
    fn write_out(&mut self) {
        if !self.lines.is_empty() {
            let _ = self.to.write_all(&self.lines);
            self.lines.clear();
        }
    }
}

/// What lines are written with.
trait Writer: for<'writer> MakeWriter<'writer> + Send + Sync + 'static {}

impl<W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static> Writer for W {}

fn dispatch(
    log: &LogConfig,
    otlp: &OtlpConfig,
    writer: impl Writer,
) -> Result<Dispatch, SetupError> {
    let Some(traces) = traces::layer(otlp)? else { return Ok(only_lines(log, writer)?) };
    let lines = lines(log, writer).with_filter(filter(log)?);
    Ok(tracing_subscriber::registry().with(traces).with(lines).into())
}

/// With a filter for all that there is: what it refuses is refused for good, once a place in the
/// code. A filter of the lines alone, beside an absent layer of traces, would be asked each time and
/// let spans be made that nobody sees.
fn only_lines(config: &LogConfig, writer: impl Writer) -> Result<Dispatch, LogError> {
    let filter = filter(config)?;
    let registry = tracing_subscriber::registry();
    Ok(match targets(config) {
        Some(targets) => registry.with(targets).with(lines(config, writer)).into(),
        None => registry.with(filter).with(lines(config, writer)).into(),
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

fn lines<S>(config: &LogConfig, writer: impl Writer) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match config.format {
        LogFormat::Json => lines.fmt_fields(JsonFields).event_format(JsonLine).boxed(),
        LogFormat::Pretty => lines
            .with_ansi(io::stderr().is_terminal())
            .with_timer(ChronoUtc::new("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned()))
            .compact()
            .boxed(),
    }
}

/// Warnings only, for commands that print.
pub fn log_to_stderr() {
    let config = LogConfig { format: LogFormat::Pretty, level: "warn".to_owned() };
    if let Ok(lines) = only_lines(&config, io::stderr) {
        let _ = lines.try_init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bappy_actors::traced;
    use std::sync::{Arc, Mutex};
    use tracing::{Level, dispatcher, enabled};

    /// What is written at a time.
    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.to_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn gathered_lines_are_written_together_whole_and_to_the_last() {
        let writes = Writes::default();
        let (mut gathered, worker) = gathered(writes.clone());
        let lines: Vec<String> = (0..200).map(|n| format!("{n} {}\n", "x".repeat(n * 7))).collect();
        for line in lines.iter().chain([&format!("{}\n", "y".repeat(2 * WRITTEN_BYTES_MAX))]) {
            gathered.write_all(line.as_bytes()).unwrap();
        }
        drop(worker);
        let writes = writes.0.lock().unwrap();
        let (last, others) = writes.split_last().unwrap();
        assert!(last.len() > WRITTEN_BYTES_MAX && last.ends_with(b"y\n"));
        assert_eq!(others.concat(), lines.concat().into_bytes());
        let whole = |write: &Vec<u8>| write.len() <= WRITTEN_BYTES_MAX && write.ends_with(b"\n");
        assert!(others.iter().all(whole) && others.len() < lines.len());
    }

    #[test]
    fn without_a_collector_spans_for_traces_are_not_made_whatever_is_logged() {
        for level in ["info", "trace", "bappy=trace"] {
            let log = LogConfig { format: LogFormat::Json, level: level.to_owned() };
            let otlp = OtlpConfig { endpoint: None, sample_percent: 100 };
            dispatcher::with_default(&dispatch(&log, &otlp, io::stderr).unwrap(), || {
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
            dispatcher::with_default(&dispatch(&log, &otlp, io::stderr).unwrap(), test);
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
        assert!(dispatch(&log, &otlp, io::stderr).is_err());
    }
}
