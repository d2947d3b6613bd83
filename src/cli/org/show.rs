//! `bappy org show`: one tenant.

use super::Session;
use super::view::{OrganizationView, print_changed};
use crate::cli::output::Format;
use crate::cli::{ConfigArgs, Outcome};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `org show`.
#[derive(Args)]
pub struct Show {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    slug: String,
    #[command(flatten)]
    format: Format,
}

impl Show {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        print_changed(&session, &self.slug, self.format, OrganizationView::lines).await?;
        Ok(ExitCode::SUCCESS)
    }
}
