//! `bappy identity-sim`: the sandbox identity provider alone.

use super::{Outcome, shutdown};
use crate::sandbox::identity::{IdentitySimConfig, SandboxClient, start};
use clap::Args;
use std::net::SocketAddr;
use std::process::ExitCode;

/// Arguments of `identity-sim`.
#[derive(Args)]
pub struct IdentitySim {
    /// Where it listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    listen: SocketAddr,
    /// A client as ID:SECRET:ORG; ORG (an organization's id or slug) may be empty
    #[arg(long = "client", value_name = "ID:SECRET:ORG", required = true)]
    clients: Vec<SandboxClient>,
}

impl IdentitySim {
    pub(super) async fn run(self) -> Outcome {
        let listen = self.listen;
        let config = IdentitySimConfig::new(listen, self.clients);
        let running = tokio::task::spawn_blocking(|| start(config)).await?;
        let running = running
            .map_err(|error| format!("the sandbox identity cannot start on {listen}: {error}"))?;
        println!("The sandbox identity listens on http://{}", running.addr());
        println!("Its issuer is {}", running.issuer());
        shutdown::requested().await?;
        running.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}
