//! `GET /api/sims` and `GET /api/sims/{iccid}`: cards.

use actix_web::http::StatusCode;
use serde::Deserialize;

use super::Input;
use crate::sandbox::operator::{
    cards::{Card, CardKind, Iccid, cards_after},
    input,
    refusal::Refusal,
    reply::Reply,
    sponsor::sponsor,
    state::World,
};

const LIMIT_DEFAULT: usize = 100;
/// Some 250 bytes each.
const LIMIT_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Search {
    state: Option<CardFilter>,
    sponsor: Option<String>,
    kind: Option<CardKind>,
    limit: Option<usize>,
    after: Option<String>,
}

/// Without it, cards in service are listed too.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum CardFilter {
    Available,
}

/// Ascending. It reserves nothing: the same question has the same answer until an endpoint is
/// created.
pub(super) fn list(world: &World, input: &Input<'_>) -> Result<Reply, Refusal> {
    let search: Search = input::query(input.query)?;
    let limit = search.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Refusal::Invalid(format!("limit: not within 1 and {LIMIT_MAX}")));
    }
    let sponsor = search.sponsor.map(|id| sponsor(&id).ok_or(Refusal::NoSponsor)).transpose()?;
    let not_an_iccid = || Refusal::Invalid("after: not an ICCID of 19 digits".to_owned());
    let after =
        search.after.map(|text| Iccid::parse(&text).ok_or_else(not_an_iccid)).transpose()?;
    let available = search.state.is_some();
    let cards = cards_after(after, sponsor, search.kind)
        .filter(|card| !available || !world.card_in_service(card.iccid()))
        .take(limit);
    Ok(Reply::items(&cards.map(|card| world.show_card(card)).collect::<Vec<_>>()))
}

pub(super) fn get(world: &World, iccid: &str) -> Result<Reply, Refusal> {
    let card = Iccid::parse(iccid).and_then(Card::from_iccid).ok_or(Refusal::NoSim)?;
    Ok(Reply::json(StatusCode::OK, &world.show_card(card)))
}
