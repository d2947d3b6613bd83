//! `bappy org create`: a tenant with an empty wallet.

use super::Session;
use super::view::print_changed;
use crate::cli::output::Format;
use crate::cli::{ConfigArgs, Outcome, values};
use crate::store::organizations::{self, NewOrganization};
use bappy_actors::model::{Currency, Money, OrgId};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `org create`.
#[derive(Args)]
pub struct Create {
    #[command(flatten)]
    config: ConfigArgs,
    /// Its short name: lower-case letters, digits and hyphens between them
    slug: String,
    /// Its display name
    #[arg(long)]
    name: String,
    /// The currency of its wallet, as an ISO 4217 code
    #[arg(long, value_name = "CODE")]
    currency: Currency,
    /// What an SMS costs it
    #[arg(long, value_name = "AMOUNT", default_value = "0.05", allow_negative_numbers = true,
          value_parser = values::price)]
    price_per_sms: Money,
    /// What a Link costs it a month
    #[arg(long, value_name = "AMOUNT", default_value = "0.50", allow_negative_numbers = true,
          value_parser = values::price)]
    price_per_link: Money,
    /// A client id of the identity provider, for tokens that carry no organization
    #[arg(long = "client-id", value_name = "ID")]
    clients: Vec<String>,
    #[command(flatten)]
    format: Format,
}

impl Create {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let new = NewOrganization {
            id: OrgId(session.parts.ids.next()),
            slug: self.slug.clone(),
            name: self.name,
            currency: self.currency,
            price_per_sms: self.price_per_sms,
            price_per_link: self.price_per_link,
            clients: self.clients,
        };
        let at = session.parts.clock.now();
        let made = session
            .parts
            .database
            .write(move |tx| Box::pin(async move { organizations::create(tx, &new, at).await }));
        made.await??;
        print_changed(&session, &self.slug, self.format, |made| {
            format!("{} is made, with an empty wallet in {}.", made.slug, made.currency)
        })
        .await?;
        Ok(ExitCode::SUCCESS)
    }
}
