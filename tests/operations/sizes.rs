//! How much each test does: small by default, full with `BAPPY_FULL=1`, and each size by itself
//! in the variable of its name.

/// The size `name`: `BAPPY_TEST_<name>`, else `full` or `small`.
pub fn size(name: &str, small: usize, full: usize) -> usize {
    let variable = format!("BAPPY_TEST_{name}");
    if let Ok(text) = std::env::var(&variable) {
        return text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}"));
    }
    if is_full() { full } else { small }
}

/// Whether all there is to be played is.
pub fn is_full() -> bool {
    std::env::var_os("BAPPY_FULL").is_some_and(|value| value == "1")
}

/// Calls in flight at a time.
pub fn in_flight() -> usize {
    size("IN_FLIGHT", 32, 32)
}

/// Top-ups of a run under load.
pub fn topups() -> usize {
    size("TOPUPS", 150, 2_000)
}

/// New Links of a run under load.
pub fn creates() -> usize {
    size("CREATES", 40, 500)
}

/// SMS of a run that is killed in the middle.
pub fn sms() -> usize {
    size("SMS", 60, 1_000)
}

/// Kills of the service, or of the operator.
pub fn kills() -> usize {
    size("KILLS", 3, 20)
}

/// Calls at a time that the operator takes under overload, a tenth of a second each.
pub fn overload_concurrency() -> usize {
    size("OVERLOAD_CONCURRENCY", 4, 64)
}

/// How long too much is asked for, in seconds.
pub fn overload_seconds() -> usize {
    size("OVERLOAD_SECONDS", 4, 60)
}

/// Connections that are kept open and idle.
pub fn idle_connections() -> usize {
    size("IDLE_CONNECTIONS", 10_000, 10_000)
}
