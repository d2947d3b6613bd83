//! `bappy audit`: Invariant I.

use super::{ConfigArgs, Outcome};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `audit`.
#[derive(Args)]
pub struct Audit {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only this organization
    #[arg(long, value_name = "SLUG")]
    org: Option<String>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

impl Audit {
    pub(super) async fn run(self) -> Outcome {
        let _ = (self.config, self.org, self.json);
        Ok(ExitCode::SUCCESS)
    }
}
