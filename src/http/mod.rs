//! HTTP edge: router, envelope, errors, extractors; one folder a resource, one file an endpoint.
//!
//! What every endpoint stands on:
//! - [`edge`]: the middleware around everything, with [`request_id`], [`limits`], [`closing`]
//!   and the private `failure`, which writes errors;
//! - [`envelope`], [`error`], [`error_kind`]: what is answered;
//! - [`json`], [`query`], [`page`], [`cursor`], [`idempotency_key`], [`identifier`],
//!   [`field_errors`]: what is read;
//! - [`fallback`]: how a path is declared; [`metrics`]: what is counted.
//!
//! The resources stand on it, one folder each; [`api`] has the routes, [`tenant`] says whose a
//! request is, [`rate_limit`] how many there may be, [`keyed_call`] runs the calls that change something.

pub mod api;
pub mod closing;
pub mod cursor;
pub mod docs;
pub mod edge;
pub mod envelope;
pub mod error;
pub mod error_kind;
mod failure;
pub mod fallback;
pub mod field_errors;
pub mod idempotency_key;
pub mod identifier;
pub mod info;
pub mod json;
mod json_text;
pub mod keyed_call;
pub mod limits;
pub mod links;
pub mod metrics;
pub mod openapi;
pub mod operations;
pub mod organization;
pub mod page;
pub mod plans;
mod problem;
mod provider_failure;
pub mod query;
pub mod rate_limit;
pub mod request_id;
pub mod service;
pub mod show;
pub mod sms;
pub mod tenant;
pub mod transactions;
mod tree;
