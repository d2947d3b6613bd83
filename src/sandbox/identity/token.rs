//! `POST …/token`: the client-credentials grant (RFC 6749, 4.4) with the secret in the form or
//! in HTTP Basic (2.3.1), errors as in 5.2, and tokens like Keycloak's.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode, web};
use base64::{Engine, prelude::BASE64_STANDARD};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::config::SandboxClient;
use super::signing_key::SigningError;
use super::state::State;

/// How long a token is valid, in seconds.
const LIFETIME_S: i64 = 3_600;

/// What Keycloak grants a client by default.
const SCOPE: &str = "email profile";

/// An OAuth error and its description.
#[derive(Debug, Clone, Copy)]
enum Denial {
    InvalidRequest(&'static str),
    InvalidClient { tried_basic: bool },
    UnsupportedGrantType,
    ServerError,
}

/// Answers the grant or an OAuth error.
pub(super) async fn token(
    request: HttpRequest,
    state: web::Data<State>,
    body: web::Bytes,
) -> HttpResponse {
    match grant(&request, &state, &body) {
        Ok(token) => answer(StatusCode::OK).json(json!({
            "access_token": token,
            "expires_in": LIFETIME_S,
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": SCOPE,
        })),
        Err(denial) => denial.response(),
    }
}

fn grant(request: &HttpRequest, state: &State, body: &[u8]) -> Result<String, Denial> {
    let form = Form::parse(request, body)?;
    let grant_type = form.get("grant_type")?;
    let client = authenticate(request, state, &form)?;
    match grant_type {
        None => Err(Denial::InvalidRequest("Missing form parameter: grant_type")),
        Some("client_credentials") => {
            issue(state, client).map_err(|SigningError| Denial::ServerError)
        }
        Some(_) => Err(Denial::UnsupportedGrantType),
    }
}

fn authenticate<'a>(
    request: &HttpRequest,
    state: &'a State,
    form: &Form,
) -> Result<&'a SandboxClient, Denial> {
    let (form_id, form_secret) = (form.get("client_id")?, form.get("client_secret")?);
    let Some(header) = request.headers().get(header::AUTHORIZATION) else {
        let client = form_id.zip(form_secret).and_then(|(id, key)| state.authenticate(id, key));
        return client.ok_or(Denial::InvalidClient { tried_basic: false });
    };
    let denial = Denial::InvalidClient { tried_basic: true };
    let (id, secret) = basic_credentials(header).ok_or(denial)?;
    if form_secret.is_some() || form_id.is_some_and(|form_id| form_id != id) {
        return Err(Denial::InvalidRequest("More than one way of client authentication"));
    }
    state.authenticate(&id, &secret).ok_or(denial)
}

/// Id and secret of `Authorization: Basic …`, each form-encoded before they were joined.
fn basic_credentials(header: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = joined.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    // An ampersand that the client left as it is must not end the value.
    let pair = format!("v={}", text.replace('&', "%26"));
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&pair).ok()?;
    pairs.into_iter().next().map(|(_, value)| value)
}

/// A form's fields in order, repetitions included.
struct Form(Vec<(String, String)>);

impl Form {
    fn parse(request: &HttpRequest, body: &[u8]) -> Result<Self, Denial> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Denial::InvalidRequest("The body must be a form"));
        }
        serde_urlencoded::from_bytes(body)
            .map(Self)
            .map_err(|_| Denial::InvalidRequest("The body is not a form"))
    }

    /// RFC 6749, 3.2: an empty parameter counts as absent, a repeated one is an error.
    fn get(&self, name: &str) -> Result<Option<&str>, Denial> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() {
            return Err(Denial::InvalidRequest("A form parameter is repeated"));
        }
        Ok(first.map(String::as_str).filter(|value| !value.is_empty()))
    }
}

fn issue(state: &State, client: &SandboxClient) -> Result<String, SigningError> {
    let issued_at = now().timestamp();
    let mut jti = [0; 16];
    aws_lc_rs::rand::fill(&mut jti)?;
    let mut claims = json!({
        "exp": issued_at + LIFETIME_S,
        "iat": issued_at,
        "jti": Builder::from_random_bytes(jti).into_uuid(),
        "iss": state.issuer,
        "aud": "account",
        "sub": service_account(&client.id),
        "typ": "Bearer",
        "azp": client.id,
        "client_id": client.id,
        "scope": SCOPE,
        "preferred_username": format!("service-account-{}", client.id),
    });
    if let Some(organization) = &client.organization {
        claims["org_id"] = Value::String(organization.clone());
    }
    state.signing_key().sign(&claims)
}

/// The same id for the same client, whenever and wherever the sandbox runs.
fn service_account(client_id: &str) -> Uuid {
    let digest: [u8; 32] = Sha256::digest(client_id.as_bytes()).into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    Builder::from_random_bytes(id).into_uuid()
}

#[expect(
    clippy::disallowed_methods,
    reason = "stands for a foreign system, which has a clock of its own"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// RFC 6749, 5.1: neither tokens nor errors may be cached.
fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer.insert_header((header::PRAGMA, "no-cache"));
    answer
}

impl Denial {
    fn response(self) -> HttpResponse {
        let (status, error, description) = match self {
            Self::InvalidRequest(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Self::InvalidClient { .. } => (
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "Invalid client or Invalid client credentials",
            ),
            Self::UnsupportedGrantType => {
                (StatusCode::BAD_REQUEST, "unsupported_grant_type", "Unsupported grant_type")
            }
            Self::ServerError => {
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error", "The token was not signed")
            }
        };
        let mut response = answer(status);
        if let Self::InvalidClient { tried_basic: true } = self {
            response.insert_header((header::WWW_AUTHENTICATE, "Basic realm=\"platform\""));
        }
        response.json(json!({"error": error, "error_description": description}))
    }
}
