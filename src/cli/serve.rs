//! `bappy serve`: the service.

use super::{ConfigArgs, Outcome, open_files, shutdown};
use crate::{app, telemetry};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `serve`.
#[derive(Args)]
pub struct Serve {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Serve {
    pub(super) async fn run(self) -> Outcome {
        let config = self.config.load()?;
        let _log = telemetry::log_and_traces(&config.log, &config.otlp)?;
        telemetry::metrics(config.metrics.listen)?;
        open_files::raise_limit();
        let running = app::start(config).await?;
        tracing::info!(addr = %running.addr(), "serving");
        shutdown::requested().await?;
        tracing::info!("stopping");
        running.stop().await;
        telemetry::flush_traces().await;
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}
