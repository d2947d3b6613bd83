//! `GET /health`: 200 as long as the process serves.

use crate::http::envelope::Success;
use serde::Serialize;
use utoipa::ToSchema;

/// The process serves.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Is the service up?
///
/// Needs no token. 200 as long as the process serves.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "getHealth",
    tag = "Service",
    security(()),
    responses(
        (status = 200, description = "It is.", body = Health),
    ),
)]
pub(super) async fn health() -> Success<Health> {
    Success::new(Health { status: "ok" })
}
