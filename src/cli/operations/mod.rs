//! `bappy operations …`: what is in flight, watched or waits for a person.

mod list;
mod resolve;
mod view;

use super::Outcome;
use clap::Subcommand;

/// Operations that are pending, watched or wait for a person
#[derive(Subcommand)]
pub enum Operations {
    /// Lists what is pending, watched or manual
    ///
    /// Pending: it runs, or its runner is gone and the service will bring it to its end. Watched:
    /// refunded, and the operator may still hold something of it, which will be undone. Manual:
    /// a person has to look.
    List(list::List),
    /// Resolves one operation now, whether due or not, and prints how it stands then
    Resolve(resolve::Resolve),
}

impl Operations {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List(command) => command.run().await,
            Self::Resolve(command) => command.run().await,
        }
    }
}
