//! `POST /api/login`: any credentials will do.

use actix_web::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::Input;
use crate::sandbox::operator::{
    input,
    refusal::Refusal,
    reply::Reply,
    sessions::{Sessions, TOKEN_LIFE_SECONDS},
};

#[derive(Deserialize)]
struct Credentials {
    #[serde(rename = "username")]
    _username: String,
    #[serde(rename = "password")]
    _password: String,
}

#[derive(Serialize)]
struct Token {
    access_token: String,
    expires_in: u32,
}

pub(super) fn login(sessions: &Sessions, input: &Input<'_>) -> Result<Reply, Refusal> {
    let Credentials { .. } = input::body(input.body)?;
    let token = Token { access_token: sessions.issue(), expires_in: TOKEN_LIFE_SECONDS };
    Ok(Reply::json(StatusCode::OK, &token))
}
