//! `bappy org credit`: money paid in.

use super::Session;
use crate::app::{self, CreditError};
use crate::cli::output::Format;
use crate::cli::{ConfigArgs, Failed, Outcome, values};
use bappy_actors::model::{Currency, EntryId, EntryKind, Money};
use bappy_actors::wallet::{Command, Credit};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// As long as a payment system's references are; kept and searched for as they are.
const TEXT_CHARS_MAX: usize = 200;

/// Arguments of `org credit`.
#[derive(Args)]
pub struct CreditArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The organization
    slug: String,
    /// How much, in the wallet's currency; above zero
    #[arg(allow_negative_numbers = true, value_parser = values::positive)]
    amount: Money,
    /// The payment's own reference, taken once in an organization
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reference: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// What changed a balance, and what it is then.
#[derive(Serialize)]
pub(super) struct Paid {
    pub transaction_id: EntryId,
    pub organization: String,
    pub amount: Money,
    pub balance: Money,
    pub currency: Currency,
    pub reference: Option<String>,
    pub description: String,
}

impl CreditArgs {
    pub(super) async fn run(self) -> Outcome {
        let session = Session::open(&self.config).await?;
        let description = match &self.reference {
            Some(reference) => format!("Credit: {reference}"),
            None => "Credit".to_owned(),
        };
        let credit = Credit {
            entry_id: EntryId(session.parts.ids.next()),
            kind: EntryKind::Credit,
            amount: self.amount,
            reference: self.reference,
            description,
        };
        let paid = pay(&session, &self.slug, credit).await?;
        self.format.print(&paid, |paid| {
            let Paid { organization, amount, balance, currency, .. } = paid;
            format!("{amount} {currency} paid in: {organization} has {balance} {currency}.")
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a credit or an adjustment into an organization's wallet.
pub(super) async fn pay(session: &Session, slug: &str, credit: Credit) -> Result<Paid, Failed> {
    let organization = session.organization(slug).await?;
    let written = Command::Credit(credit.clone());
    let balance = match app::credit(&session.parts, organization.id, written).await {
        Ok(balance) => balance,
        Err(CreditError::ReferenceTaken) => {
            let reference = credit.reference.unwrap_or_default();
            return Err(Failed(format!(
                "the reference `{reference}` was used for an earlier credit of {slug}; nothing was \
                 changed"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Paid {
        transaction_id: credit.entry_id,
        organization: organization.slug,
        amount: credit.amount,
        balance,
        currency: organization.currency,
        reference: credit.reference,
        description: credit.description,
    })
}

/// A reference or a reason: a line of text.
pub(super) fn words(text: &str) -> Result<String, String> {
    let text = text.trim();
    let count = text.chars().count();
    if count == 0 || count > TEXT_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(format!("write 1 to {TEXT_CHARS_MAX} characters on one line"));
    }
    Ok(text.to_owned())
}
