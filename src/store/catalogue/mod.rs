//! The catalogue: what the operator sells, and what each organization may buy at which price.
//!
//! `sync.rs` takes over the operator's plans, `offers.rs` enables and prices them for an
//! organization (both called by the commands `bappy plan …` and the sandbox), `terms.rs` keeps the
//! markup and the rates that prices follow, `reprice.rs` makes them follow, `list.rs` reads what an
//! organization may buy (called by the edge).
//!
//! **Invariants:** a plan keeps its id for as long as the operator keeps its own; a plan that the
//! operator sells no more stays, not offered, since Links were sold on it; a price is in the
//! wallet's currency.

mod list;
mod offers;
mod reprice;
mod sync;
mod terms;

pub use list::{CataloguePlan, PlanFilter, PricedPlan, all, priced, regions, sold, sold_plan};
pub use offers::{OfferError, Selection, Terms, disable, enable, set_price};
pub use reprice::{NewTerms, TakenOver, take_over};
pub use sync::{Synced, sync};
pub use terms::{InForce, Rate, Rates, in_force, resolve};
