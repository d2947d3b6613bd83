//! `bappy operator-sim`: the sandbox operator alone.

use super::{Outcome, shutdown};
use crate::sandbox::operator::{OperatorSimConfig, start};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `operator-sim`.
#[derive(Args)]
pub struct OperatorSim {
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Keeps its state in this file; without it, in memory
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Seed of its faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

impl OperatorSim {
    pub(super) async fn run(self) -> Outcome {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let config = OperatorSimConfig {
            listen: self.listen,
            state_file: self.state,
            seed: self.seed,
            workers,
        };
        let listen = self.listen;
        let running = start(config)
            .await
            .map_err(|error| format!("the sandbox operator cannot start on {listen}: {error}"))?;
        println!("The sandbox operator listens on http://{}", running.addr());
        shutdown::requested().await?;
        running.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}
