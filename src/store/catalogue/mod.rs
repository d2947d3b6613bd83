//! The catalogue: what the operator sells, and what each organization may buy at which price.
//!
//! `sync.rs` takes over the operator's plans, `offers.rs` enables and prices them for an
//! organization (both called by the commands `bappy plan …` and the sandbox), `list.rs` reads what
//! an organization may buy (called by the edge).
//!
//! **Invariants:** a plan keeps its id for as long as the operator keeps its own; a plan that the
//! operator sells no more stays, not offered, since Links were sold on it; a price is in the
//! wallet's currency.

mod list;
mod offers;
mod sync;

pub use list::{
    CataloguePlan, PlanFilter, PlanKey, PricedPlan, all, priced, regions, sold, sold_plan,
};
pub use offers::{OfferError, Selection, Terms, disable, enable, set_price};
pub use sync::{Synced, sync};
