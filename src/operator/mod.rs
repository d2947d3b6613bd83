//! Client of the operator protocol: the only module that knows its paths and fields.
//!
//! The gateway in `bappy-actors` calls it through the [`Operator`](bappy_actors::ports::Operator)
//! port; `app` builds the one [`OperatorClient`] of a process.
//!
//! **Invariants:** a call is sent once and never again by this module; whatever was sent and not
//! answered readably is *unknown*, never a no; what the operator says in words goes into error
//! texts for the log, shortened, and nowhere else.

mod answer;
mod calls;
pub mod catalogue;
mod client;
#[cfg(fuzzing)]
pub mod fuzz;
mod json_fields;
mod measured;
mod metrics;
mod shown_text;
mod wire;

pub use client::{OperatorClient, SetupError};
pub use measured::Measured;
pub use metrics::register as register_metrics;
