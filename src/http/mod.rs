//! HTTP edge: router, envelope, errors, extractors; one folder a resource, one file an endpoint.
//!
//! What every endpoint stands on:
//! - [`edge`]: the middleware around everything, with [`request_id`], [`limits`], [`closing`]
//!   and the private `failure`, which writes errors;
//! - [`envelope`], [`error`], [`error_kind`]: what is answered;
//! - [`json`], [`query`], [`page`], [`cursor`], [`idempotency_key`], [`identifier`],
//!   [`field_errors`]: what is read;
//! - [`fallback`]: how a path is declared.
//!
//! It knows nothing of wallets, Links or the store.

pub mod closing;
pub mod cursor;
pub mod edge;
pub mod envelope;
pub mod error;
pub mod error_kind;
mod failure;
pub mod fallback;
pub mod field_errors;
pub mod idempotency_key;
pub mod identifier;
pub mod json;
mod json_text;
pub mod limits;
pub mod page;
mod problem;
pub mod query;
pub mod request_id;
mod tree;
