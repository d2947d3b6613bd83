//! `bappy org add-client`: a client id that leads to a tenant.

use super::Session;
use super::view::print_changed;
use crate::cli::output::Format;
use crate::cli::{ConfigArgs, Outcome};
use crate::store::organizations;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `org add-client`.
#[derive(Args)]
pub struct AddClient {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    slug: String,
    /// The client id at the identity provider
    #[arg(value_name = "ID")]
    client_id: String,
    #[command(flatten)]
    format: Format,
}

impl AddClient {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let at = session.parts.clock.now();
        let (slug, client_id) = (self.slug.clone(), self.client_id.clone());
        let added = session.parts.database.write(move |tx| {
            Box::pin(async move { organizations::add_client(tx, &slug, &client_id, at).await })
        });
        added.await??;
        print_changed(&session, &self.slug, self.format, |changed| {
            format!("The client `{}` leads to {}.", self.client_id, changed.slug)
        })
        .await?;
        Ok(ExitCode::SUCCESS)
    }
}
