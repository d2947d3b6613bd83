//! The core of one process, put together over whatever its ports are.

use super::world::{arbiter, arbiters};
use bappy_actors::gateway::{GatewayHandle, GatewayLimits, SimPool};
use bappy_actors::link::{LinkHandle, LinkLimits};
use bappy_actors::operation::{OperationLimits, ResolverHandle, Services, SmsHandle};
use bappy_actors::ports::{Clock, Ids, Offers, Operator, Store};
use bappy_actors::wallet::{WalletHandle, WalletLimits};
use std::sync::Arc;

/// What the core asks for.
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub offers: Arc<dyn Offers>,
    pub operator: Arc<dyn Operator>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

/// Starts the actors on the current thread.
pub fn services(ports: Ports, gateway: GatewayLimits, limits: OperationLimits) -> Arc<Services> {
    let Ports { store, offers, operator, clock, ids } = ports;
    let gateway = GatewayHandle::new(operator, Arc::clone(&clock), arbiter(), gateway);
    let wallets = Arc::new(WalletHandle::new(
        Arc::clone(&store),
        Arc::clone(&clock),
        arbiters(),
        WalletLimits::default(),
    ));
    let links = Arc::new(LinkHandle::new(
        Arc::clone(&store),
        Arc::clone(&gateway),
        Arc::clone(&clock),
        arbiters(),
        LinkLimits::default(),
    ));
    let sims = SimPool::new(Arc::clone(&store), Arc::clone(&gateway), Arc::clone(&clock));
    Arc::new(Services {
        store,
        offers,
        clock,
        ids,
        wallets,
        gateway,
        links,
        sims,
        resolver: ResolverHandle::default(),
        sms: SmsHandle::default(),
        limits,
    })
}
