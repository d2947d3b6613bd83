//! The HTTP edge over a real listener: every error that can be provoked there, the envelopes,
//! the extractors, and the shapes that no client library would send.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails the test")]

mod app;
mod errors;
mod framing;
mod json_bodies;
mod logs;
mod pages;
mod queries;
mod raw;
mod routing;
mod server;
mod slow_clients;
mod smuggling;
