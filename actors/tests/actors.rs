//! The core over an in-memory database and operator, in time that stands still.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod gateway;
mod link;
mod operations;
mod support;
mod wallet;
