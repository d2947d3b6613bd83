//! `bappy plan enable`: what an organization may buy.

use super::Selected;
use super::terms::TermArgs;
use crate::cli::output::{Format, counted};
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Failed, Outcome};
use crate::store::catalogue::{self, OfferError, Rate, Terms};
use bappy_actors::model::Organization;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `plan enable`.
#[derive(Args)]
pub struct Enable {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    #[arg(long, value_name = "SLUG")]
    org: String,
    #[command(flatten)]
    selected: Selected,
    #[command(flatten)]
    terms: TermArgs,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Enabled {
    organization: String,
    enabled: u64,
}

impl Enable {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let organization = session.organization(&self.org).await?;
        check(&organization, &self.terms.rates)?;
        let (id, at) = (organization.id, session.parts.clock.now());
        let (selection, markup_percent) = (self.selected.into(), self.terms.markup);
        let rates = self.terms.rates;
        let enabled = session.parts.database.write(move |tx| {
            Box::pin(async move {
                let rates = match catalogue::resolve(tx, &rates).await? {
                    Ok(rates) => rates.into_iter().map(|((from, _), rate)| (from, rate)).collect(),
                    Err(error) => return Ok(Err(error)),
                };
                let terms = Terms { markup_percent, rates };
                catalogue::enable(tx, id, &selection, &terms, at).await
            })
        });
        let enabled = enabled.await?.map_err(|error| match error {
            OfferError::NoRate { wallet, .. } => Failed(format!(
                "{error} with --rate {wallet}=RATE, here or in `bappy plan sync`; nothing was \
                 changed"
            )),
            error => Failed(format!("{error}; nothing was changed")),
        })?;
        let done = Enabled { organization: organization.slug, enabled };
        self.format.print(&done, |done| {
            format!("{} enabled for {}.", counted(done.enabled, "plan"), done.organization)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A rate into another currency than the wallet's would do nothing, silently.
fn check(organization: &Organization, rates: &[Rate]) -> Result<(), Failed> {
    match rates.iter().find(|rate| rate.wallet != organization.currency) {
        None => Ok(()),
        Some(rate) => Err(Failed(format!(
            "the rate into {} is of no use: the wallet of {} is in {}",
            rate.wallet, organization.slug, organization.currency
        ))),
    }
}
