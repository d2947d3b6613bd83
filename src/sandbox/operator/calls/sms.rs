//! Messages: send, find by reference, read.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde::Deserialize;

use super::{Input, endpoints::endpoint_id};
use crate::sandbox::operator::{
    clock::Timestamp, ids::SmsId, input, refusal::Refusal, reply::Reply, state::World,
};

#[derive(Deserialize)]
struct SmsBody {
    text: String,
    reference: Option<Arc<str>>,
}

#[derive(Deserialize)]
struct Search {
    reference: Option<String>,
}

pub(super) fn send(world: &World, endpoint: &str, input: &Input<'_>) -> Result<Reply, Refusal> {
    let endpoint = endpoint_id(endpoint)?;
    let body: SmsBody = input::body(input.body)?;
    if body.text.is_empty() {
        return Err(Refusal::Invalid("text: empty".to_owned()));
    }
    let sent = world.send_sms(endpoint, body.text, body.reference)?;
    Ok(Reply::json(StatusCode::ACCEPTED, &sent))
}

pub(super) fn find(world: &World, endpoint: &str, input: &Input<'_>) -> Result<Reply, Refusal> {
    let endpoint = endpoint_id(endpoint)?;
    let search: Search = input::query(input.query)?;
    Ok(Reply::items(&world.find_sms(endpoint, search.reference.as_deref())?))
}

pub(super) fn get(world: &World, sms: &str) -> Result<Reply, Refusal> {
    let id = SmsId::parse(sms).ok_or(Refusal::NoSms)?;
    Ok(Reply::json(StatusCode::OK, &world.sms(id, Timestamp::now())?))
}
