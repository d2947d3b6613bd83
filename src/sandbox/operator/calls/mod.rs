//! The calls of the protocol: each reads its input, asks the world and writes the answer.
//!
//! **Invariant:** they are synchronous and wait for nothing; delays and cuts are `serve`'s.

mod catalogue;
mod endpoints;
mod login;
mod sims;
mod sms;

use super::{refusal::Refusal, reply::Reply, route::Call, sessions::Sessions, state::World};

/// What a call is made of besides its path.
pub(super) struct Input<'a> {
    pub query: &'a str,
    pub body: &'a [u8],
}

/// Does the work of a call that was let in and authenticated.
pub(super) fn answer(
    world: &World,
    sessions: &Sessions,
    call: &Call,
    input: &Input<'_>,
) -> Result<Reply, Refusal> {
    match call {
        Call::Login => login::login(sessions, input),
        Call::Catalogue => catalogue::page(input),
        Call::ListSims => sims::list(world, input),
        Call::GetSim { iccid } => sims::get(world, iccid),
        Call::CreateEndpoint => endpoints::create(world, input),
        Call::GetEndpoint { endpoint } => endpoints::get(world, endpoint),
        Call::FindEndpoint => endpoints::find(world, input),
        Call::AddPlan { endpoint } => endpoints::add_plan(world, endpoint, input),
        Call::RemovePlan { endpoint, instance } => {
            endpoints::remove_plan(world, endpoint, instance)
        }
        Call::SetStatus { endpoint } => endpoints::set_status(world, endpoint, input),
        Call::Connectivity { endpoint } => endpoints::connectivity(world, endpoint),
        Call::SendSms { endpoint } => sms::send(world, endpoint, input),
        Call::FindSms { endpoint } => sms::find(world, endpoint, input),
        Call::GetSms { sms } => sms::get(world, sms),
        Call::Ping => Ok(Reply::no_content()),
    }
}
