//! `bappy load` as a process of its own, its figures as JSON.

use crate::Failed;
use crate::process::{command, program};
use crate::world::World;
use serde_json::Value;
use std::net::SocketAddr;

/// What a run shall do.
#[derive(Clone, Debug)]
pub struct Run {
    pub scenario: &'static str,
    pub connections: u32,
    pub seconds: u64,
    pub warm_up: u64,
    pub links: u32,
    /// All organizations' wallets, not only the first one's.
    pub all_wallets: bool,
    /// A service to compare with, and in how many rounds.
    pub versus: Option<(SocketAddr, u32)>,
    /// Ends after so many calls.
    pub requests: Option<u64>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            scenario: "topup",
            connections: 64,
            seconds: 10,
            warm_up: 0,
            links: 64,
            all_wallets: false,
            versus: None,
            requests: None,
        }
    }
}

/// What came of it.
pub struct Figures(pub Value);

impl Figures {
    /// Successes a second.
    pub fn rate(&self) -> f64 {
        self.0["rate"].as_f64().unwrap_or(f64::NAN)
    }

    /// Successes.
    pub fn ok(&self) -> f64 {
        self.0["ok"].as_f64().unwrap_or(f64::NAN)
    }

    /// A latency in milliseconds: `p50`, `p99`, …
    pub fn latency(&self, which: &str) -> f64 {
        self.0["latency_ms"][which].as_f64().unwrap_or(f64::NAN)
    }

    /// What the tool itself used, in microseconds a call.
    pub fn client_us(&self) -> f64 {
        self.0["client_cpu_us"].as_f64().unwrap_or(f64::NAN)
    }
}

/// Drives a service. Errors other than none are an error: they would make the figures worthless.
pub async fn load(world: &World, at: SocketAddr, run: &Run) -> Result<Figures, Failed> {
    let mut command = command(&program());
    command.args(["load", run.scenario, "--json", "--url", &format!("http://{at}/v1")]);
    command.args(["--token-url", &world.token_url(), "--plan", &world.plan]);
    if run.all_wallets {
        command.args(["--clients-file", &world.clients_file()?]);
    } else {
        command.args(["--client", &format!("{}:secret", world.organizations[0].1)]);
    }
    for (flag, number) in [
        ("--connections", u64::from(run.connections)),
        ("--duration", run.seconds),
        ("--warm-up", run.warm_up),
        ("--links", u64::from(run.links)),
    ] {
        command.args([flag, &number.to_string()]);
    }
    if let Some((versus, rounds)) = run.versus {
        command.args(["--versus", &format!("http://{versus}/v1")]);
        command.args(["--rounds", &rounds.to_string()]);
    }
    if let Some(requests) = run.requests {
        command.args(["--requests", &requests.to_string()]);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    let figures: Value =
        serde_json::from_slice(&output.stdout).map_err(|_| Failed(format!("load: {}", said())))?;
    if let Some(errors) = figures["errors"].as_object().filter(|errors| !errors.is_empty()) {
        eprintln!("  errors: {errors:?}");
    }
    if figures["money"]["adds_up"] != true {
        return Err(Failed(format!("the money does not add up: {}", figures["money"])));
    }
    Ok(Figures(figures))
}
