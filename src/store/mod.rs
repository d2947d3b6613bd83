//! The database: SQL that SQLite and PostgreSQL both run, one file an aggregate.
//!
//! [`Database`] opens either engine; the macros `one!`, `opt!`, `all!` and `exec!` run one
//! statement on whichever it is; functions take `&mut Tx`, so that they compose in one
//! transaction. What must differ between the engines is in `sqlite.rs` and `postgres.rs`.
//!
//! **Invariants:** every tenant's row is read and written with its `org_id`; times go in as
//! [`Time`], identifiers as UUIDs, money as millionths; a write runs in a spawned task
//! ([`Database::write`]), so that a caller who goes away never leaves a transaction open.

#[macro_use]
mod sql;

mod activations;
mod attempt_totals;
pub mod attempts;
pub mod audit;
pub mod balances;
pub mod blocks;
pub mod catalogue;
mod connectivity;
mod db;
mod entries;
mod error;
mod expiry;
mod ledger;
pub mod ledger_sample;
mod link_fees;
mod link_search;
pub mod link_summaries;
mod links;
mod lookups;
mod metrics;
pub mod months;
pub mod open_work;
mod operations;
pub mod organizations;
pub mod page;
mod peers;
pub mod period;
pub mod planner_statistics;
mod plans;
mod postgres;
pub mod ranks;
mod revisions;
mod settings;
mod sim_claims;
mod sims;
pub mod sms;
mod sql_store;
mod sqlite;
pub mod stock;
mod text;
mod time;
pub mod transactions;
pub mod turnover;
mod tx;
mod wallet;

pub use db::{Database, Schema};
pub use error::{DbError, is_unique_violation};
pub use links::plans_coverage;
pub use lookups::{CachedOffers, StoredOrganizations};
pub use metrics::register as register_metrics;
#[doc(hidden)]
pub use postgres::batch::{encoded as encoded_batch, sections as batch_sections};
pub use postgres::row_level_security::Wall;
pub use settings::Settings;
pub use sql_store::SqlStore;
pub use text::Text;
pub use time::Time;
pub use tx::{Conn, Tx};
