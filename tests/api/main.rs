//! The service as a partner sees it: over HTTP, on SQLite and on PostgreSQL, with a sandbox
//! operator that can be made to fail. One file a resource.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../support/app.rs"]
mod app;
#[path = "../support/postgres.rs"]
mod postgres_server;

mod access;
mod answers;
mod breaker;
mod change_plans;
mod coverage;
mod credentials;
mod expiry;
mod faults;
mod fees;
mod hostile_input;
mod idempotency;
mod info;
mod instances;
mod lists;
mod lying_operator;
mod main_flow;
mod network_status;
mod new_links;
mod openapi;
mod organization;
mod partial;
mod physical;
mod plans;
mod qr_code;
mod query_plans;
mod rate_limits;
mod row_level_security;
mod sms;
mod status;
mod tenants;
mod transactions;
mod update_link;
mod usage;
