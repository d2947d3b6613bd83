//! Logs: JSON lines in the service, text for people in the sandbox. Always on stderr.
//!
//! **Invariant.** Nothing here adds to a line what its writer left out: tokens, secrets, message
//! texts and whole ICCIDs are never written in the first place.

use crate::config::{LogConfig, LogFormat};
use std::io::IsTerminal;
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
