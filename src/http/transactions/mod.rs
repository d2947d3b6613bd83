//! Transactions: the ledger as partners see it.

pub mod view;
