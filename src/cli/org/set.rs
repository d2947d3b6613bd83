//! `bappy org set`: a tenant's name and prices.

use super::Session;
use super::view::{OrganizationView, print_changed};
use crate::cli::output::Format;
use crate::cli::{ConfigArgs, Outcome, values};
use crate::store::organizations::{self, Changes};
use bappy_actors::model::Money;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `org set`.
#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    slug: String,
    #[command(flatten)]
    changes: Given,
    #[command(flatten)]
    format: Format,
}

/// What is to be changed: at least one of them.
#[derive(Args)]
#[group(required = true, multiple = true)]
struct Given {
    /// Its display name
    #[arg(long)]
    name: Option<String>,
    /// What an SMS costs it
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true,
          value_parser = values::price)]
    price_per_sms: Option<Money>,
    /// What a Link costs it a month
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true,
          value_parser = values::price)]
    price_per_link: Option<Money>,
}

impl Set {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let Given { name, price_per_sms, price_per_link } = self.changes;
        let changes = Changes { name, price_per_sms, price_per_link };
        let at = session.parts.clock.now();
        let slug = self.slug.clone();
        let written = session.parts.database.write(move |tx| {
            Box::pin(async move { organizations::set(tx, &slug, &changes, at).await })
        });
        written.await??;
        print_changed(&session, &self.slug, self.format, OrganizationView::lines).await?;
        Ok(ExitCode::SUCCESS)
    }
}
