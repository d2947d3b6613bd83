//! Links: who may change one, and what the operator says of it.

mod connectivity;
mod entering;
mod expiry;
mod usage;

use crate::support::fixtures::org;
use crate::support::world::World;
use bappy_actors::link::{Entered, LinkHandle, Mode};
use bappy_actors::model::LinkId;
use std::sync::Arc;
use tokio::task::JoinHandle;

fn links(world: &World) -> Arc<LinkHandle> {
    Arc::clone(&world.services.links)
}

/// Enters in a task of its own.
fn enter(world: &World, link: LinkId, mode: Mode) -> JoinHandle<Entered> {
    let links = links(world);
    tokio::spawn(async move { links.enter(org(1), link, mode).await.unwrap().unwrap() })
}
