//! `bappy plan price`: a price set by hand.

use crate::cli::output::Format;
use crate::cli::session::Session;
use crate::cli::{ConfigArgs, Outcome, values};
use crate::store::catalogue;
use bappy_actors::model::{Currency, Money};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `plan price`.
#[derive(Args)]
pub struct Price {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    #[arg(long, value_name = "SLUG")]
    org: String,
    /// The plan, by its id or by its id at the operator
    plan: String,
    /// The price in the wallet's currency
    #[arg(allow_negative_numbers = true, value_parser = values::price)]
    amount: Money,
    #[command(flatten)]
    format: Format,
}

#[derive(Serialize)]
struct Priced {
    organization: String,
    plan: String,
    price: Money,
    currency: Currency,
    enabled: bool,
}

impl Price {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let organization = session.organization(&self.org).await?;
        let (id, at) = (organization.id, session.parts.clock.now());
        let (plan, amount) = (self.plan.clone(), self.amount);
        let priced = session.parts.database.write(move |tx| {
            Box::pin(async move { catalogue::set_price(tx, id, &plan, amount, at).await })
        });
        let priced = Priced {
            organization: organization.slug,
            plan: self.plan,
            price: amount,
            currency: organization.currency,
            enabled: priced.await??,
        };
        self.format.print(&priced, |priced| {
            let Priced { organization, plan, price, currency, enabled } = priced;
            let but = if *enabled { "" } else { "; it is not enabled" };
            format!("`{plan}` costs {organization} {price} {currency}{but}.")
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
