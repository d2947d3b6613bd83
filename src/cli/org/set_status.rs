//! `bappy org suspend` and `bappy org activate`.

use super::Session;
use super::view::{print_changed, word};
use crate::cli::output::Format;
use crate::cli::{ConfigArgs, Outcome};
use crate::store::organizations;
use bappy_actors::model::OrgStatus;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `org suspend` and `org activate`.
#[derive(Args)]
pub struct SetStatus {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    slug: String,
    #[command(flatten)]
    format: Format,
}

impl SetStatus {
    pub(super) async fn run(self, status: OrgStatus) -> Outcome {
        let session = Session::open(&self.config).await?;
        let at = session.parts.clock.now();
        let slug = self.slug.clone();
        let changed = session.parts.database.write(move |tx| {
            Box::pin(async move { organizations::set_status(tx, &slug, status, at).await })
        });
        changed.await??;
        print_changed(&session, &self.slug, self.format, |changed| {
            format!("{} is {}.", changed.slug, word(changed.status))
        })
        .await?;
        Ok(ExitCode::SUCCESS)
    }
}
