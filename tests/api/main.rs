//! The service as a partner sees it: over HTTP, on SQLite and on PostgreSQL, with a sandbox
//! operator that can be made to fail. One file a resource.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../support/app.rs"]
mod app;
#[path = "../support/postgres.rs"]
mod postgres_server;

mod access;
mod breaker;
mod change_plans;
mod credentials;
mod faults;
mod fees;
mod idempotency;
mod instances;
mod lists;
mod main_flow;
mod new_links;
mod organization;
mod partial;
mod physical;
mod plans;
mod status;
mod update_link;
mod usage;
