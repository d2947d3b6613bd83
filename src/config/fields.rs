//! Each key: its type, its bounds and its default. Called by [`super::Config::load`].

use super::Profile;
use super::error::ConfigError;
use super::file::text_or_file;
use super::settings::{
    BreakerConfig, CacheConfig, Config, DatabaseConfig, FeesConfig, IdentityConfig, Limit,
    LogConfig, LogFormat, MetricsConfig, OperatorConfig, OtlpConfig, RateLimitConfig,
};
use super::source::{Setting, Source, named};
use config::ValueKind;
use std::{fmt::Display, net::SocketAddr, num::NonZeroU32, ops::RangeInclusive, time::Duration};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use url::Url;

/// A day: a longer wait than this is a slip of the finger.
const MS_MAX: u64 = 86_400_000;
/// More would be threads or connections that no machine has.
const COUNT_MAX: u64 = 10_000;
const RATE_MAX: u64 = 1_000_000;

/// Reads every key, in the order of the sample file.
pub(super) fn read(profile: &Profile, s: &mut Source) -> Result<Config, ConfigError> {
    let sandbox = matches!(profile, Profile::Sandbox { .. });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Config {
        listen: address(s, "listen", "127.0.0.1:8080")?,
        base_path: base_path(s)?,
        workers: whole(s, "workers", 1..=COUNT_MAX, cores as u64)?,
        database: database(profile, s)?,
        identity: identity(s)?,
        operator: operator(sandbox, s)?,
        rate_limit: RateLimitConfig {
            enabled: switch(s, "rate_limit.enabled", !sandbox)?,
            requests: limit(s, "rate_limit.per_second", 100, "rate_limit.burst", 200)?,
            live_reads: limit(
                s,
                "rate_limit.live_reads_per_second",
                5,
                "rate_limit.live_reads_burst",
                20,
            )?,
            sms: limit(s, "rate_limit.sms_per_second", 10, "rate_limit.sms_burst", 100)?,
        },
        fees: FeesConfig { enabled: switch(s, "fees.enabled", true)? },
        cache: CacheConfig {
            usage_ttl: millis(s, "cache.usage_ttl_ms", 30_000)?,
            status_ttl: millis(s, "cache.status_ttl_ms", 15_000)?,
            entries_max: whole(s, "cache.entries_max", 1..=100_000_000, 100_000)?,
        },
        metrics: MetricsConfig { listen: address(s, "metrics.listen", "127.0.0.1:9464")? },
        log: LogConfig { format: log_format(sandbox, s)?, level: log_level(s)? },
        otlp: OtlpConfig {
            endpoint: address_of_service(s, "otlp.endpoint", None)?,
            sample_percent: percent(s, "otlp.sample_percent", 100)?,
        },
    })
}

fn database(profile: &Profile, s: &mut Source) -> Result<DatabaseConfig, ConfigError> {
    let url = match text_or_file(s, "database.url", "database.url_file")? {
        Some(given) => {
            let known = ["sqlite:", "postgres://", "postgresql://"];
            if !known.iter().any(|scheme| given.text.starts_with(scheme)) {
                let wanted = "an address that begins with sqlite:// or postgres://";
                return Err(ConfigError::wrong(&given.named, wanted, None));
            }
            given.text
        }
        None => match profile {
            Profile::Service => "sqlite://bappy-data/bappy.db".to_owned(),
            Profile::Sandbox { data } => {
                // It is read as an address again: what separates its parts is escaped.
                let folder = data.display().to_string().replace('%', "%25").replace('?', "%3F");
                format!("sqlite://{folder}/bappy.db")
            }
        },
    };
    Ok(DatabaseConfig {
        url: url.into(),
        max_connections: whole(s, "database.max_connections", 1..=COUNT_MAX, 10)?,
        migrate: switch(s, "database.migrate", true)?,
        row_level_security: switch(s, "database.row_level_security", false)?,
    })
}

fn identity(s: &mut Source) -> Result<IdentityConfig, ConfigError> {
    Ok(IdentityConfig {
        issuer: issuer_text(s)?,
        jwks_url: address_of_service(s, "identity.jwks_url", None)?,
        audience: words(s, "identity.audience")?,
        organization_claim: words(s, "identity.organization_claim")?
            .unwrap_or_else(|| "org_id".to_owned()),
    })
}

fn operator(sandbox: bool, s: &mut Source) -> Result<OperatorConfig, ConfigError> {
    let anyone = || sandbox.then(|| "sandbox".to_owned());
    Ok(OperatorConfig {
        url: address_of_service(s, "operator.url", None)?,
        username: text_or_file(s, "operator.username", "operator.username_file")?
            .map(|given| given.text)
            .or_else(anyone),
        password: text_or_file(s, "operator.password", "operator.password_file")?
            .map(|given| given.text)
            .or_else(anyone)
            .map(Into::into),
        // The sandbox operator has no limit of its own, and load tests begin in the sandbox.
        rate_per_second: whole(
            s,
            "operator.rate_per_second",
            1..=RATE_MAX,
            if sandbox { RATE_MAX } else { 200 },
        )?,
        concurrency_max: whole(s, "operator.concurrency_max", 1..=COUNT_MAX, 64)?,
        call_timeout: millis(s, "operator.call_timeout_ms", 10_000)?,
        deadline: millis(s, "operator.deadline_ms", 18_000)?,
        horizon: Duration::from_secs(whole(s, "operator.horizon_s", 1..=MS_MAX / 1000, 600)?),
        breaker: BreakerConfig {
            window_calls: whole(s, "operator.breaker.window_calls", 1..=COUNT_MAX, 100)?,
            failure_rate_percent: percent(s, "operator.breaker.failure_rate_percent", 50)?,
            slow_call: millis(s, "operator.breaker.slow_call_ms", 8_000)?,
            slow_rate_percent: percent(s, "operator.breaker.slow_rate_percent", 80)?,
            calls_min: whole(s, "operator.breaker.calls_min", 1..=COUNT_MAX, 20)?,
            open: millis(s, "operator.breaker.open_ms", 5_000)?,
            half_open_calls: whole(s, "operator.breaker.half_open_calls", 1..=COUNT_MAX, 3)?,
        },
    })
}

/// The text of a setting; of a secret nothing is repeated.
pub(super) fn text(key: &str, setting: Setting, secret: bool) -> Result<String, ConfigError> {
    let named = named(key, setting.from_environment);
    match setting.kind {
        ValueKind::String(text) if !text.is_empty() => Ok(text),
        ValueKind::String(_) => Err(ConfigError::new(format!("{named} is empty"))),
        kind => {
            let shown = (!secret).then(|| kind.to_string());
            Err(ConfigError::wrong(&named, "a text in quotes", shown.as_deref()))
        }
    }
}

fn words(s: &mut Source, key: &'static str) -> Result<Option<String>, ConfigError> {
    s.take(key).map(|setting| text(key, setting, false)).transpose()
}

/// A text that is read as something else; `wanted` finishes "must be …".
fn parsed<T>(
    s: &mut Source,
    key: &'static str,
    wanted: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    let Some(setting) = s.take(key) else { return Ok(None) };
    let named = named(key, setting.from_environment);
    match setting.kind {
        ValueKind::String(text) => match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(ConfigError::wrong(&named, wanted, Some(&text))),
        },
        kind => Err(ConfigError::wrong(&named, wanted, Some(&kind.to_string()))),
    }
}

fn address(
    s: &mut Source,
    key: &'static str,
    default: &'static str,
) -> Result<SocketAddr, ConfigError> {
    let wanted = "an IP address and a port such as 127.0.0.1:8080";
    let set = parsed(s, key, wanted, |text| text.parse().ok())?;
    let default = || default.parse().map_err(|_| ConfigError::wrong(key, wanted, Some(default)));
    set.map_or_else(default, Ok)
}

fn address_of_service(
    s: &mut Source,
    key: &'static str,
    default: Option<&str>,
) -> Result<Option<Url>, ConfigError> {
    let wanted = "an address that begins with http:// or https://, without a query";
    let set = parsed(s, key, wanted, web_address)?;
    Ok(set.or_else(|| default.and_then(web_address)))
}

fn web_address(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .filter(|url| url.query().is_none() && url.fragment().is_none())
}

/// Kept as it is written, to the letter: tokens are compared with it.
fn issuer_text(s: &mut Source) -> Result<Option<String>, ConfigError> {
    let wanted = "an address that begins with http:// or https://, without a query";
    parsed(s, "identity.issuer", wanted, |text| web_address(text).map(|_| text.to_owned()))
}

fn base_path(s: &mut Source) -> Result<String, ConfigError> {
    let wanted = "empty, or a path such as /bappy that begins with a slash and does not end in one";
    let set = parsed(s, "base_path", wanted, |text| is_base_path(text).then(|| text.to_owned()))?;
    Ok(set.unwrap_or_default())
}

fn is_base_path(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    let segment = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(plain);
    text.is_empty() || text.strip_prefix('/').is_some_and(|path| path.split('/').all(segment))
}

fn log_format(sandbox: bool, s: &mut Source) -> Result<LogFormat, ConfigError> {
    let set = parsed(s, "log.format", "`json` or `pretty`", |text| match text {
        "json" => Some(LogFormat::Json),
        "pretty" => Some(LogFormat::Pretty),
        _ => None,
    })?;
    Ok(set.unwrap_or(if sandbox { LogFormat::Pretty } else { LogFormat::Json }))
}

fn log_level(s: &mut Source) -> Result<String, ConfigError> {
    let wanted = "error, warn, info, debug, trace, off or a filter such as info,bappy=debug";
    // A bare word that is not a level would be taken for the name of a module.
    let level = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    let set = parsed(s, "log.level", wanted, |text| {
        let known = text.split(',').all(level) && EnvFilter::try_new(text).is_ok();
        known.then(|| text.to_owned())
    })?;
    Ok(set.unwrap_or_else(|| "info".to_owned()))
}

fn switch(s: &mut Source, key: &'static str, default: bool) -> Result<bool, ConfigError> {
    let Some(setting) = s.take(key) else { return Ok(default) };
    let named = named(key, setting.from_environment);
    match &setting.kind {
        ValueKind::Boolean(value) => Ok(*value),
        ValueKind::String(text) if setting.from_environment => {
            text.parse().map_err(|_| ConfigError::wrong(&named, "true or false", Some(text)))
        }
        kind => Err(ConfigError::wrong(&named, "true or false", Some(&kind.to_string()))),
    }
}

fn limit(
    s: &mut Source,
    per_second: &'static str,
    per_second_default: u64,
    burst: &'static str,
    burst_default: u64,
) -> Result<Limit, ConfigError> {
    let mut count = |key, default| {
        let count = whole(s, key, 1..=RATE_MAX, default)?;
        Ok(NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN))
    };
    Ok(Limit {
        per_second: count(per_second, per_second_default)?,
        burst: count(burst, burst_default)?,
    })
}

fn percent(s: &mut Source, key: &'static str, default: u64) -> Result<u32, ConfigError> {
    whole(s, key, 1..=100, default)
}

fn millis(s: &mut Source, key: &'static str, default: u64) -> Result<Duration, ConfigError> {
    whole(s, key, 1..=MS_MAX, default).map(Duration::from_millis)
}

fn whole<T: TryFrom<u64>>(
    s: &mut Source,
    key: &'static str,
    range: RangeInclusive<u64>,
    default: u64,
) -> Result<T, ConfigError> {
    let (min, max) = (range.start(), range.end());
    let wanted = format!("a whole number from {min} to {max}");
    let setting = s.take(key);
    let named = named(key, setting.as_ref().is_some_and(|setting| setting.from_environment));
    let wrong = |shown: &dyn Display| ConfigError::wrong(&named, &wanted, Some(&shown.to_string()));
    let value = match setting.map(|setting| (setting.kind, setting.from_environment)) {
        None => default,
        Some((ValueKind::I64(value), _)) => u64::try_from(value).map_err(|_| wrong(&value))?,
        Some((ValueKind::String(text), true)) => text.parse().map_err(|_| wrong(&text))?,
        Some((kind, _)) => return Err(wrong(&kind)),
    };
    if !range.contains(&value) {
        return Err(wrong(&value));
    }
    T::try_from(value).map_err(|_| wrong(&value))
}
