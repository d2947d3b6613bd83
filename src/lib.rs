//! The shell of Bappy: everything that touches the outside world (HTTP, SQL, the operator,
//! the identity provider, the command line) around the core in `bappy-actors`.

pub mod app;
pub mod cli;
pub mod config;
pub mod environment;
pub mod http;
pub mod identity;
pub mod ledger_check;
pub mod load;
pub mod operator;
pub mod reference;
pub mod sandbox;
pub mod store;
pub mod telemetry;
