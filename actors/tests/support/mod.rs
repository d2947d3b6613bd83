//! What the tests stand on: an in-memory database and operator with scripted failures, time that
//! the test owns, and the whole core put together over them on one thread.

pub mod commands;
pub mod core;
pub mod draws;
pub mod environment;
pub mod fixtures;
pub mod invariant;
pub mod operator;
pub mod script;
pub mod store;
pub mod wire;
pub mod world;
