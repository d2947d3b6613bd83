//! `GET …/.well-known/openid-configuration` and `GET …/certs`.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::state::State;

/// The members of Keycloak's discovery document that make sense for client credentials.
pub(super) async fn openid_configuration(state: web::Data<State>) -> HttpResponse {
    let issuer = &state.issuer;
    let endpoint = |name: &str| format!("{issuer}/protocol/openid-connect/{name}");
    HttpResponse::Ok().json(json!({
        "issuer": issuer,
        "authorization_endpoint": endpoint("auth"),
        "token_endpoint": endpoint("token"),
        "jwks_uri": endpoint("certs"),
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "PS256", "ES256", "EdDSA"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": ["email", "profile"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "jti", "azp", "org_id"],
    }))
}

/// The public keys: the signing one first, then the former ones.
pub(super) async fn certs(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(state.jwks())
}
