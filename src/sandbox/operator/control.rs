//! The controls: faults, usage, journal. Not authenticated, and for this machine only.

use std::net::SocketAddr;

use actix_web::http::StatusCode;
use serde::Deserialize;

use super::{
    calls::Input,
    faults::{FaultControl, Faults},
    input,
    refusal::Refusal,
    reply::Reply,
    route::Control,
    state::{CardControl, World},
};

#[derive(Deserialize)]
struct Search {
    reference: Option<String>,
}

/// Answers a control call of `peer`.
pub(super) fn answer(
    world: &World,
    faults: &FaultControl,
    control: Control,
    peer: Option<SocketAddr>,
    input: &Input<'_>,
) -> Result<Reply, Refusal> {
    if !peer.is_some_and(|peer| peer.ip().to_canonical().is_loopback()) {
        return Err(Refusal::NotLoopback);
    }
    match control {
        Control::Faults => {
            let set = input::body::<Faults>(input.body)?.checked()?;
            let reply = Reply::json(StatusCode::OK, &set);
            faults.set(set);
            Ok(reply)
        }
        Control::Usage => {
            world.set_card(input::body::<CardControl>(input.body)?)?;
            Ok(Reply::no_content())
        }
        Control::Journal => {
            let search: Search = input::query(input.query)?;
            Ok(Reply::items(&world.journal(search.reference.as_deref())))
        }
    }
}
