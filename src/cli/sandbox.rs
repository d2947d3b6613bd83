//! `bappy sandbox`: everything on one machine, with nothing installed.

use super::{Outcome, open_files, shutdown};
use crate::app;
use crate::config::{Config, Profile};
use crate::sandbox::identity::{self, IdentitySimConfig, SandboxClient};
use crate::sandbox::operator::{self, OperatorSimConfig};
use crate::sandbox::seed;
use crate::telemetry;
use clap::Args;
use secrecy::SecretString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Where the sandbox operator and the sandbox identity listen: on this machine alone, on the two
/// ports behind the API's (any two, where the API takes any).
fn beside(api: SocketAddr) -> [SocketAddr; 2] {
    let behind = |places: u16| match api.port() {
        0 => 0,
        port => port.checked_add(places).unwrap_or(0),
    };
    [1, 2].map(|places| SocketAddr::from((Ipv4Addr::LOCALHOST, behind(places))))
}

/// Arguments of `sandbox`.
#[derive(Args)]
pub struct Sandbox {
    /// Keeps the database and the sandbox operator's state here between runs
    #[arg(long, value_name = "DIR", default_value = "./bappy-data")]
    data: PathBuf,
    /// Where the API listens [default: 127.0.0.1:8080]; the simulators take the two ports behind
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Starts over: what is in DIR from earlier runs is deleted
    #[arg(long)]
    fresh: bool,
}

impl Sandbox {
    pub(super) async fn run(self) -> Outcome {
        let profile = Profile::Sandbox { data: self.data.clone() };
        let mut config = Config::load(&profile, None, Config::environment()?)?;
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        let _log = telemetry::log_and_traces(&config.log, &config.otlp)?;
        telemetry::metrics(config.metrics.listen)?;
        open_files::raise_limit();
        let state_file = self.prepare()?;
        let [operator_addr, identity_addr] = beside(config.listen);

        let operator_sim = operator::start(OperatorSimConfig {
            listen: operator_addr,
            state_file: Some(state_file),
            seed: 1,
            workers: 1,
        })
        .await
        .map_err(|error| {
            format!("the sandbox operator cannot start on {operator_addr}: {error}")
        })?;
        let clients = seed::SLUGS.map(|slug| SandboxClient {
            id: slug.to_owned(),
            secret: format!("{slug}-secret"),
            organization: Some(slug.to_owned()),
        });
        let identity_config = IdentitySimConfig::new(identity_addr, clients.to_vec());
        let identity_sim =
            tokio::task::spawn_blocking(|| identity::start(identity_config)).await?.map_err(
                |error| format!("the sandbox identity cannot start on {identity_addr}: {error}"),
            )?;

        let url = url::Url::parse(&format!("http://{}", operator_sim.addr()))?;
        config.operator.url.get_or_insert(url);
        config.operator.username.get_or_insert_with(|| "sandbox".to_owned());
        config.operator.password.get_or_insert_with(|| SecretString::from("sandbox"));
        config.identity.issuer.get_or_insert_with(|| identity_sim.issuer().to_owned());

        seed::seed(&config).await?;
        let running = app::start(config.clone()).await?;
        let welcome = seed::welcome(&config, running.addr(), identity_sim.issuer())?;
        println!("{welcome}");
        shutdown::requested().await?;
        running.stop().await;
        operator_sim.stop().await;
        identity_sim.stop().await;
        telemetry::flush_traces().await;
        Ok(ExitCode::SUCCESS)
    }

    /// Makes the folder, empty with `--fresh`; gives the path of the operator's state.
    fn prepare(&self) -> Result<PathBuf, String> {
        let operator_state = self.data.join("operator.jsonl");
        if self.fresh {
            // Only what the sandbox made itself: the folder may be anyone's.
            for name in ["bappy.db", "bappy.db-wal", "bappy.db-shm", "operator.jsonl"] {
                let path = self.data.join(name);
                match std::fs::remove_file(&path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => return Err(format!("{}: {error}", path.display())),
                }
            }
        }
        std::fs::create_dir_all(&self.data)
            .map_err(|error| format!("--data {}: {error}", self.data.display()))?;
        Ok(operator_state)
    }
}
