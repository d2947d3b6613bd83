//! What a run of the monthly fees prints.

use crate::cli::output::Table;
use bappy_actors::billing::Tally;
use bappy_actors::model::{Currency, Money, Month};
use serde::Serialize;

/// A run.
#[derive(Serialize)]
pub(super) struct RunView {
    pub month: Month,
    /// Whether nothing was changed: then the counts are what a run would do.
    pub dry_run: bool,
    pub organizations: Vec<OrganizationView>,
}

/// What a run did with the Links of an organization.
#[derive(Serialize)]
pub(super) struct OrganizationView {
    organization: String,
    currency: Currency,
    price_per_link: Money,
    /// Links looked at.
    links: u64,
    /// Links charged.
    charged: u64,
    /// What was charged.
    amount: Money,
    /// Links suspended because the balance did not cover their fee.
    suspended: u64,
    /// Links suspended for an earlier fee, so that none fell due.
    waived: u64,
    /// Links whose fee was decided on before.
    already: u64,
    /// Links that something else ran on: for the next run.
    left: u64,
}

impl OrganizationView {
    pub(super) fn new(
        organization: String,
        currency: Currency,
        price_per_link: Money,
        tally: Tally,
    ) -> Self {
        let Tally { links, charged, amount, suspended, waived, decided, left } = tally;
        Self {
            organization,
            currency,
            price_per_link,
            links,
            charged,
            amount,
            suspended,
            waived,
            already: decided,
            left,
        }
    }
}

impl RunView {
    /// A table, and a line about it.
    pub(super) fn table(&self) -> String {
        let header = [
            "ORGANIZATION",
            "LINKS ",
            "CHARGED ",
            "AMOUNT ",
            "CURRENCY",
            "SUSPENDED ",
            "ALREADY ",
            "LEFT ",
        ];
        let mut table = Table::new(header);
        for view in &self.organizations {
            table.row([
                view.organization.clone(),
                view.links.to_string(),
                view.charged.to_string(),
                view.amount.to_string(),
                view.currency.to_string(),
                view.suspended.to_string(),
                (view.already + view.waived).to_string(),
                view.left.to_string(),
            ]);
        }
        let rows = table.or("No organization pays for its Links.");
        let what = if self.dry_run { "would be charged; nothing was changed" } else { "charged" };
        format!("{rows}\nFees of {}: {what}.", self.month)
    }
}
