//! The core over an in-memory database and operator, in time that stands still.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod gateway;
mod link;
mod operations;
#[expect(dead_code, reason = "shared with the simulation")]
mod support;
mod wallet;
