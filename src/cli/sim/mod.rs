//! `bappy sim …`: an organization's stock of physical cards.

mod import;
mod list;

use super::Outcome;
use clap::Subcommand;

/// Physical cards in an organization's stock
#[derive(Subcommand)]
pub enum Sim {
    /// Takes the physical cards of a file into an organization's stock
    ///
    /// The file is CSV with the columns `iccid` (19 or 20 digits) and `sponsor` (a sponsor
    /// profile's id, as in `bappy plan list`). A bad row names its line and field, and nothing is
    /// imported; so does a card that is in somebody's stock already.
    Import(import::Import),
    /// Lists an organization's stock: free, claimed (by an operation that runs) or used (by a Link)
    List(list::List),
}

impl Sim {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Import(command) => command.run().await,
            Self::List(command) => command.run().await,
        }
    }
}
