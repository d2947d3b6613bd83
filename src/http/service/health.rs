//! `GET /health`: 200 as long as the process serves.

use crate::http::envelope::Success;
use serde::Serialize;

/// What it says.
#[derive(Debug, Serialize)]
pub struct Health {
    status: &'static str,
}

pub(super) async fn health() -> Success<Health> {
    Success::new(Health { status: "ok" })
}
