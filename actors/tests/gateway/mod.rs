//! The way to the operator: admission, the rate, trials, the session, the pool of cards.

mod admission;
mod rate;
mod session;
mod sims;
mod trials;

use crate::support::world::World;
use bappy_actors::gateway::{GatewayHandle, GatewayLimits, NotAdmitted, Permit};
use bappy_actors::ports::CallError;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(10);

fn limits() -> GatewayLimits {
    GatewayLimits { rate_per_second: 10_000, ..GatewayLimits::default() }
}

async fn admit(gateway: &Arc<GatewayHandle>) -> Result<Permit, NotAdmitted> {
    gateway.admit(NonZeroU32::MIN, PATIENCE).await
}

async fn ping(permit: &mut Permit) -> Result<(), CallError> {
    permit
        .call(CALL, |operator, token, timeout| async move { operator.ping(&token, timeout).await })
        .await
}

/// Admission and one call.
async fn call(gateway: &Arc<GatewayHandle>) -> Result<Result<(), CallError>, NotAdmitted> {
    let mut permit = admit(gateway).await?;
    Ok(ping(&mut permit).await)
}

fn world(limits: GatewayLimits) -> (World, Arc<GatewayHandle>) {
    let world = World::with_gateway(limits);
    let gateway = Arc::clone(&world.services.gateway);
    (world, gateway)
}
