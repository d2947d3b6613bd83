//! The sandbox operator: a mobile operator as a real HTTP server, with the manners of a real one.
//!
//! Slow, without an idempotency key, with errors that hide in a 200, tokens that end early and
//! answers that get lost: whatever its controls ask for. Who starts it: `bappy sandbox`,
//! `bappy operator-sim`, tests and benchmarks. Its protocol is `spec/operator.md`; nothing of the
//! service is used here, and nothing of this by the service's own adapter.
//!
//! A request comes in at `serve`, which knows faults and authentication; `route` finds its call;
//! `calls` and `control` do the work on `state`; `cards` and `catalogue` are made up, not stored.

mod calls;
mod cards;
mod catalogue;
mod clock;
mod control;
mod cut;
mod faults;
mod ids;
mod in_flight;
mod input;
mod operation;
mod random;
mod refusal;
mod reply;
mod route;
mod serve;
mod server;
mod sessions;
mod sponsor;
mod state;

pub use server::{OperatorSimConfig, RunningOperatorSim, start};
