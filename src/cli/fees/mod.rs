//! `bappy fees …`: the monthly fees of Links, by hand.

mod run;
mod view;

use super::Outcome;
use clap::Subcommand;

/// The monthly fees of Links
#[derive(Subcommand)]
pub enum Fees {
    /// Charges the fees of a month that are not charged yet
    ///
    /// Each Link that is not inactive, and was created before the month, costs its organization's
    /// price once. A Link whose fee the balance does not cover is suspended, by the service, at the
    /// operator too. May be run any number of times, and beside the service, which does the same by
    /// itself for the current month unless `fees.enabled` is false.
    Run(run::Run),
}

impl Fees {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Run(command) => command.run().await,
        }
    }
}
