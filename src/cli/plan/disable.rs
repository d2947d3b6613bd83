//! `bappy plan disable`: what an organization may buy no more.

use super::Selected;
use crate::cli::output::{Format, counted};
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Outcome};
use crate::store::catalogue;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `plan disable`.
#[derive(Args)]
pub struct Disable {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    #[arg(long, value_name = "SLUG")]
    org: String,
    #[command(flatten)]
    selected: Selected,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Disabled {
    organization: String,
    disabled: u64,
}

impl Disable {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let organization = session.organization(&self.org).await?;
        let (id, at) = (organization.id, session.parts.clock.now());
        let selection = self.selected.into();
        let disabled = session.parts.database.write(move |tx| {
            Box::pin(async move { catalogue::disable(tx, id, &selection, at).await })
        });
        let done = Disabled { organization: organization.slug, disabled: disabled.await?? };
        self.format.print(&done, |done| {
            format!("{} disabled for {}.", counted(done.disabled, "plan"), done.organization)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
