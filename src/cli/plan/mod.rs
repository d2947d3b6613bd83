//! `bappy plan …`: the catalogue, and what each organization may buy of it.

mod disable;
mod enable;
mod file;
mod import;
mod item;
mod list;
mod price;
mod sync;
mod terms;

use super::Outcome;
use crate::store::catalogue::Selection;
use clap::{Args, Subcommand};

/// The catalogue: what the operator sells, and what organizations may buy at which price
#[derive(Subcommand)]
pub enum Plan {
    /// Takes over the operator's catalogue, and brings prices up to date
    ///
    /// Plans that the operator sells no more are offered no more; Links that have them keep them.
    /// Then every price that was not set by hand with `bappy plan price` follows the wholesale
    /// price: wholesale plus the markup, at the rate from the wholesale currency to the wallet's,
    /// rounded half up to cents.
    ///
    /// The markup and the rates given here hold for the whole catalogue, over any that were given
    /// to `bappy plan enable` before, and stay in force for later runs that give none. Before
    /// the first there is no markup: plans are sold at wholesale.
    ///
    /// A plan in another currency than an organization's wallet can be sold only at a rate. If a
    /// plan that is enabled cannot be priced, nothing is changed.
    Sync(sync::Sync),
    /// Takes over plans from a file, as `plan sync` does from the operator
    ///
    /// Plans that are in the file are added or changed, others stay as they are; prices follow as
    /// after `bappy plan sync`. A later `bappy plan sync` offers only what the operator sells.
    #[command(after_long_help = import::FIELDS)]
    Import(import::Import),
    /// Lists the catalogue at wholesale prices, or what has a price for one organization
    List(list::List),
    /// Lets an organization buy plans
    ///
    /// Prices follow the wholesale price as told in `bappy plan sync --help`. A markup or rate
    /// given here is kept with these plans of this organization, until `bappy plan sync` sets
    /// one for the whole catalogue. With --markup a price that was set by hand is given up;
    /// without, it stays. All of the plans are enabled, or none.
    Enable(enable::Enable),
    /// Stops an organization from buying plans; its Links keep what they have
    Disable(disable::Disable),
    /// Sets the price of a plan for an organization by hand
    ///
    /// It stays until it is set again, whatever the wholesale price does, or until `bappy plan
    /// enable --markup` gives it up. It enables nothing.
    Price(price::Price),
}

impl Plan {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Sync(command) => command.run().await,
            Self::Import(command) => command.run().await,
            Self::List(command) => command.run().await,
            Self::Enable(command) => command.run().await,
            Self::Disable(command) => command.run().await,
            Self::Price(command) => command.run().await,
        }
    }
}

/// Which plans are meant: some, or all.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Selected {
    /// The plans, each by its id or by its id at the operator
    #[arg(value_name = "PLAN")]
    plans: Vec<String>,
    /// All plans that the operator offers
    #[arg(long)]
    all: bool,
}

impl From<Selected> for Selection {
    fn from(selected: Selected) -> Self {
        if selected.all { Self::All } else { Self::These(selected.plans) }
    }
}
