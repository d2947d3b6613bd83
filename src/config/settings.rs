//! What can be configured, as values that were checked.

use super::ConfigError;
use secrecy::SecretString;
use std::{net::SocketAddr, num::NonZeroU32, time::Duration};
use url::Url;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// What stands before `/v1`: empty, or `/…` without a slash at its end.
    pub base_path: String,
    /// HTTP worker threads.
    pub workers: usize,
    /// The database.
    pub database: DatabaseConfig,
    /// The identity provider.
    pub identity: IdentityConfig,
    /// The operator upstream.
    pub operator: OperatorConfig,
    /// How many requests an organization may send.
    pub rate_limit: RateLimitConfig,
    /// The monthly job.
    pub fees: FeesConfig,
    /// What is remembered of the operator's answers.
    pub cache: CacheConfig,
    /// Prometheus metrics.
    pub metrics: MetricsConfig,
    /// The log.
    pub log: LogConfig,
    /// Traces.
    pub otlp: OtlpConfig,
}

/// The database.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// `sqlite://…` or `postgres://…`, which may hold a password.
    pub url: SecretString,
    /// Connections beside those of the ledger's writers.
    pub max_connections: u32,
    /// Whether `serve` brings the schema up to date.
    pub migrate: bool,
    /// Whether what partners read goes through PostgreSQL's row-level security, where it can.
    pub row_level_security: bool,
}

/// The identity provider whose tokens are accepted.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// The issuer, as tokens name it; required in `serve`.
    pub issuer: Option<String>,
    /// Where its keys are; none: as its discovery document says.
    pub jwks_url: Option<Url>,
    /// The audience that tokens must name; none: not checked.
    pub audience: Option<String>,
    /// The claim that holds the organization.
    pub organization_claim: String,
}

/// The operator upstream.
#[derive(Clone, Debug)]
pub struct OperatorConfig {
    /// Its address; required in `serve`.
    pub url: Option<Url>,
    /// Our user name; required in `serve`.
    pub username: Option<String>,
    /// Our password; required in `serve`.
    pub password: Option<SecretString>,
    /// Calls a second, of this instance.
    pub rate_per_second: u32,
    /// Calls at a time, of this instance.
    pub concurrency_max: usize,
    /// One call, whole.
    pub call_timeout: Duration,
    /// An answer to a partner waits no longer.
    pub deadline: Duration,
    /// What was sent may appear until then, counted from the deadline.
    pub horizon: Duration,
    /// When to stop calling.
    pub breaker: BreakerConfig,
}

/// The circuit breaker before the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// The newest calls that are looked at.
    pub window_calls: u32,
    /// It opens at this share of failures.
    pub failure_rate_percent: u32,
    /// A call that takes longer is slow.
    pub slow_call: Duration,
    /// It opens at this share of slow calls.
    pub slow_rate_percent: u32,
    /// It never opens on fewer calls.
    pub calls_min: u32,
    /// How long it stays open before it tries again.
    pub open: Duration,
    /// Calls that it lets through to try.
    pub half_open_calls: u32,
}

/// What is remembered of the operator's answers, on this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfig {
    /// Usage figures and profile states are live that long.
    pub usage_ttl: Duration,
    /// Connectivity is live that long.
    pub status_ttl: Duration,
    /// Links remembered at a time.
    pub entries_max: u64,
}

/// How many requests an organization may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitConfig {
    /// Whether that is limited.
    pub enabled: bool,
    /// Requests of any kind.
    pub requests: Limit,
    /// Reads that ask the provider whatever is cached.
    pub live_reads: Limit,
    /// Messages to be sent.
    pub sms: Limit,
}

/// A limit of one kind of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Lasting rate.
    pub per_second: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// The monthly job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeesConfig {
    /// Whether `serve` runs it by itself.
    pub enabled: bool,
}

/// Prometheus metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsConfig {
    /// Where `/metrics` listens; never the public address.
    pub listen: SocketAddr,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// How it is written.
    pub format: LogFormat,
    /// What is written: a level, or a filter such as `info,bappy=debug`.
    pub level: String,
}

/// Traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpConfig {
    /// The collector; none: no traces are sent.
    pub endpoint: Option<Url>,
    /// Of the traces that begin here, the share that is sent.
    pub sample_percent: u32,
}

/// What `serve` cannot do without.
#[derive(Clone, Debug)]
pub struct Required {
    /// `identity.issuer`.
    pub issuer: String,
    /// `operator.url`.
    pub operator_url: Url,
    /// `operator.username`.
    pub operator_username: String,
    /// `operator.password`.
    pub operator_password: SecretString,
}

impl Config {
    /// What `serve` cannot do without, or the sentence that names all that is missing of it.
    pub fn required(&self) -> Result<Required, ConfigError> {
        let operator = &self.operator;
        if let (Some(issuer), Some(url), Some(username), Some(password)) =
            (&self.identity.issuer, &operator.url, &operator.username, &operator.password)
        {
            return Ok(Required {
                issuer: issuer.clone(),
                operator_url: url.clone(),
                operator_username: username.clone(),
                operator_password: password.clone(),
            });
        }
        let missing: Vec<_> = [
            ("identity.issuer", self.identity.issuer.is_none()),
            ("operator.url", operator.url.is_none()),
            ("operator.username", operator.username.is_none()),
            ("operator.password", operator.password.is_none()),
        ]
        .into_iter()
        .filter(|(_, missing)| *missing)
        .map(|(key, _)| super::source::named(key, true))
        .collect();
        Err(ConfigError::new(format!("required and not set: {}", missing.join(", "))))
    }
}
