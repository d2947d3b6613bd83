//! The command line: one file a command.
//!
//! **Invariants.** Exit status 0: done; 1: failed, with one clear sentence on stderr; 2: wrong
//! usage. With `--json`, stdout holds JSON and nothing else.

mod actor_thread;
mod audit;
mod fees;
mod identity_sim;
mod load;
mod migrate;
mod open_files;
mod openapi;
mod operations;
mod operator_sim;
mod org;
mod output;
mod plan;
mod progress;
mod rows;
mod sandbox;
mod serve;
mod session;
mod shutdown;
mod sim;
mod values;

use crate::config::{Config, ConfigError, Profile};
use crate::telemetry;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command failed: one sentence.
#[derive(Debug)]
pub struct Failed(String);

impl<E: std::fmt::Display> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// How a command ends.
pub type Outcome = Result<ExitCode, Failed>;

/// Reseller platform for eSIM and physical SIM data plans.
#[derive(Parser)]
#[command(name = "bappy", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything on this machine, with nothing installed: for trying out and for development
    Sandbox(sandbox::Sandbox),
    /// The service
    Serve(serve::Serve),
    /// Brings the database's schema up to date
    Migrate(migrate::Migrate),
    /// Checks that the ledger, the operations, the Links and the operator agree
    ///
    /// Exit status 1 where they do not, with the rows that break it. Operations that a person has
    /// to look at count as such. Where the operator is configured and can be reached, what stands
    /// there is compared too; else the database is judged alone, and stderr says so. While an
    /// operation on a Link is pending or watched, differences there are none.
    Audit(audit::Audit),
    /// Prints the OpenAPI document of the API
    Openapi(openapi::Openapi),
    #[command(subcommand)]
    Org(org::Org),
    #[command(subcommand)]
    Plan(plan::Plan),
    #[command(subcommand)]
    Sim(sim::Sim),
    #[command(subcommand)]
    Fees(fees::Fees),
    #[command(subcommand)]
    Operations(operations::Operations),
    Load(Box<load::Load>),
    /// The sandbox operator alone
    OperatorSim(operator_sim::OperatorSim),
    /// The sandbox identity provider alone
    IdentitySim(identity_sim::IdentitySim),
}

/// Where a command finds its configuration.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// The configuration file (TOML); environment variables `BAPPY_…` win over it
    #[arg(long, value_name = "FILE", env = "BAPPY_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigArgs {
    /// The configuration of a service.
    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&Profile::Service, self.config.as_deref(), Config::environment()?)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bappy: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Sandbox(command) => command.run().await,
            Command::Serve(command) => command.run().await,
            Command::Migrate(command) => command.run().await,
            Command::Audit(command) => command.run().await,
            Command::Openapi(_) => openapi::run(),
            Command::Org(command) => command.run().await,
            Command::Plan(command) => command.run().await,
            Command::Sim(command) => command.run().await,
            Command::Fees(command) => command.run().await,
            Command::Operations(command) => command.run().await,
            Command::Load(command) => command.run().await,
            Command::OperatorSim(command) => command.run().await,
            Command::IdentitySim(command) => command.run().await,
        }
    });
    match outcome {
        Ok(code) => code,
        Err(Failed(sentence)) => {
            eprintln!("bappy: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// The log of a command that only prints: warnings, to stderr.
fn quiet_log() {
    telemetry::log_to_stderr();
}
