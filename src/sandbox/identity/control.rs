//! `POST /_control/rotate`: a new signing key, as a real provider's operator would make one.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use super::signing_key::{SigningAlgorithm, SigningKey};
use super::state::State;

/// The body; may be absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rotate {
    algorithm: SigningAlgorithm,
    /// Whether the former public keys leave the JWKS, so that tokens signed with them fail.
    drop_old: bool,
}

impl Default for Rotate {
    fn default() -> Self {
        Self { algorithm: SigningAlgorithm::RS256, drop_old: false }
    }
}

/// Answers `{"kid", "algorithm"}` of the new key.
pub(super) async fn rotate(state: web::Data<State>, body: web::Bytes) -> HttpResponse {
    let wanted = if body.is_empty() {
        Rotate::default()
    } else {
        match serde_json::from_slice(&body) {
            Ok(wanted) => wanted,
            Err(error) => {
                return HttpResponse::BadRequest().json(json!({ "error": error.to_string() }));
            }
        }
    };
    let Ok(Ok(key)) = web::block(move || SigningKey::generate(wanted.algorithm)).await else {
        return HttpResponse::InternalServerError().json(json!({"error": "no key was made"}));
    };
    let answer = json!({"kid": key.kid(), "algorithm": key.algorithm().name()});
    state.rotate(key, wanted.drop_old);
    HttpResponse::Ok().json(answer)
}
