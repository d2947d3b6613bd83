//! The calls on endpoints: create, read back, plans, status, connectivity.

use std::sync::Arc;

use actix_web::http::StatusCode;
use serde::Deserialize;

use super::Input;
use crate::sandbox::operator::{
    cards::{Card, Iccid},
    catalogue::{Plan, catalogue},
    ids::{EndpointId, InstanceId},
    input,
    refusal::Refusal,
    reply::Reply,
    state::{NewEndpoint, Status, World},
};

#[derive(Deserialize)]
struct CreateBody {
    iccid: String,
    plan_id: String,
    name: Option<String>,
    reference: Option<Arc<str>>,
}

#[derive(Deserialize)]
struct PlanBody {
    plan_id: String,
    reference: Option<Arc<str>>,
}

#[derive(Deserialize)]
struct StatusBody {
    status: Status,
}

#[derive(Deserialize)]
struct Search {
    iccid: String,
}

/// Reads an endpoint's id; what cannot be one is the id of none.
pub(super) fn endpoint_id(text: &str) -> Result<EndpointId, Refusal> {
    EndpointId::parse(text).ok_or(Refusal::NoEndpoint)
}

fn plan(id: String) -> Result<&'static Plan, Refusal> {
    catalogue().plan(&id).ok_or(Refusal::NoPlan(id))
}

pub(super) fn create(world: &World, input: &Input<'_>) -> Result<Reply, Refusal> {
    let body: CreateBody = input::body(input.body)?;
    let card = Iccid::parse(&body.iccid).and_then(Card::from_iccid).ok_or(Refusal::NoSim)?;
    let plan = plan(body.plan_id)?;
    if plan.sponsor != card.sponsor {
        return Err(Refusal::other_sponsor(card, plan));
    }
    let CreateBody { name, reference, .. } = body;
    let id = world.create_endpoint(NewEndpoint { card, plan, name, reference })?;
    Ok(Reply::raw(StatusCode::CREATED, world.show_endpoint(id)?))
}

pub(super) fn get(world: &World, endpoint: &str) -> Result<Reply, Refusal> {
    Ok(Reply::raw(StatusCode::OK, world.show_endpoint(endpoint_id(endpoint)?)?))
}

/// An ICCID without an endpoint, or not of ours, has none: `{"items": []}`.
pub(super) fn find(world: &World, input: &Input<'_>) -> Result<Reply, Refusal> {
    let search: Search = input::query(input.query)?;
    let found = Iccid::parse(&search.iccid).map(|iccid| world.find_endpoints(iccid)).transpose()?;
    Ok(Reply::raw(StatusCode::OK, found.unwrap_or_else(|| b"{\"items\":[]}".to_vec())))
}

pub(super) fn add_plan(world: &World, endpoint: &str, input: &Input<'_>) -> Result<Reply, Refusal> {
    let endpoint = endpoint_id(endpoint)?;
    let body: PlanBody = input::body(input.body)?;
    let added = world.add_plan(endpoint, plan(body.plan_id)?, body.reference)?;
    Ok(Reply::raw(StatusCode::CREATED, added))
}

pub(super) fn remove_plan(world: &World, endpoint: &str, instance: &str) -> Result<Reply, Refusal> {
    let endpoint = endpoint_id(endpoint)?;
    let instance = InstanceId::parse(instance).ok_or(Refusal::NoInstance)?;
    world.remove_plan(endpoint, instance)?;
    Ok(Reply::no_content())
}

pub(super) fn set_status(
    world: &World,
    endpoint: &str,
    input: &Input<'_>,
) -> Result<Reply, Refusal> {
    let endpoint = endpoint_id(endpoint)?;
    let body: StatusBody = input::body(input.body)?;
    world.set_status(endpoint, body.status)?;
    Ok(Reply::raw(StatusCode::OK, world.show_endpoint(endpoint)?))
}

pub(super) fn connectivity(world: &World, endpoint: &str) -> Result<Reply, Refusal> {
    Ok(Reply::json(StatusCode::OK, &world.connectivity(endpoint_id(endpoint)?)?))
}
