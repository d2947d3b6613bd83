//! `bappy org adjust`: a balance corrected by hand.

use super::Session;
use super::credit::{Paid, pay, words};
use crate::cli::output::Format;
use crate::cli::{ConfigArgs, Outcome, values};
use bappy_actors::model::{EntryId, EntryKind, Money};
use bappy_actors::wallet::Credit;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `org adjust`.
#[derive(Args)]
pub struct Adjust {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    slug: String,
    /// By how much, with its sign, such as -43.75; not zero, and the balance stays at zero or above
    #[arg(allow_negative_numbers = true, value_parser = values::signed)]
    amount: Money,
    /// Why; partners read it in their transactions
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: String,
    #[command(flatten)]
    format: Format,
}

impl Adjust {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let adjustment = Credit {
            entry_id: EntryId(session.parts.ids.next()),
            kind: EntryKind::Adjustment,
            amount: self.amount,
            reference: None,
            description: format!("Adjustment: {}", self.reason),
        };
        let paid = pay(&session, &self.slug, adjustment).await?;
        self.format.print(&paid, |paid| {
            let Paid { organization, amount, balance, currency, .. } = paid;
            format!("Adjusted by {amount} {currency}: {organization} has {balance} {currency}.")
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
