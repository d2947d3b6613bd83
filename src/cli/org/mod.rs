//! `bappy org …`: tenants and their wallets. All of it works while `serve` runs.

mod add_client;
mod adjust;
mod create;
mod credit;
mod list;
mod set;
mod set_status;
mod show;
mod view;

use super::{Outcome, session::Session};
use bappy_actors::model::OrgStatus;
use clap::Subcommand;

/// Organizations: the tenants, their wallets, prices and clients
#[derive(Subcommand)]
pub enum Org {
    /// Makes an organization with an empty wallet
    Create(create::Create),
    /// Lists all organizations with their balances
    List(list::List),
    /// Shows one organization with its balance and clients
    Show(show::Show),
    /// Pays money into an organization's wallet
    ///
    /// A reference that was used before is refused, so that a credit given with one and sent twice
    /// is paid in once.
    Credit(credit::CreditArgs),
    /// Corrects a balance by a signed amount, down to zero at most
    Adjust(adjust::Adjust),
    /// Suspends an organization: it may read its profile and balance, nothing else
    Suspend(set_status::SetStatus),
    /// Activates an organization again
    Activate(set_status::SetStatus),
    /// Changes an organization's name or prices
    Set(set::Set),
    /// Registers a client id of the identity provider for an organization
    ///
    /// For tokens that carry no organization: the client id leads to it.
    AddClient(add_client::AddClient),
}

impl Org {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Create(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Show(command) => command.run().await,
            Self::Credit(command) => command.run().await,
            Self::Adjust(command) => command.run().await,
            Self::Suspend(command) => command.run(OrgStatus::Suspended).await,
            Self::Activate(command) => command.run(OrgStatus::Active).await,
            Self::Set(command) => command.run().await,
            Self::AddClient(command) => command.run().await,
        }
    }
}
