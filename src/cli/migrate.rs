//! `bappy migrate`: the database's schema up to date.

use super::{ConfigArgs, Outcome, quiet_log};
use crate::app;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `migrate`.
#[derive(Args)]
pub struct Migrate {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Migrate {
    pub(super) async fn run(self) -> Outcome {
        quiet_log();
        let mut config = self.config.load()?;
        config.database.migrate = true;
        app::open(&config).await?;
        println!("The schema is up to date.");
        Ok(ExitCode::SUCCESS)
    }
}
