//! The door to operations: starts each in a task of its own, on its organization's thread, and
//! hands back its end.

use super::{
    AddPlans, Caller, CreateLink, Ended, METRICS, OperationError, RemovePlans, ResolverHandle,
    SendSms, SmsHandle, UpdateLink, change, charge, sms,
};
use crate::Arbiters;
use crate::gateway::{GatewayHandle, SimPool};
use crate::link::LinkHandle;
use crate::metrics::Present;
use crate::model::{OperationKind, OrgId};
use crate::ports::{Clock, Ids, Offers, Store};
use crate::traced;
use crate::wallet::WalletHandle;
use futures_util::future::BoxFuture;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// How long things may take, and how many may run.
#[derive(Clone, Copy, Debug)]
pub struct OperationLimits {
    /// No answer waits for the operator longer than this.
    pub deadline: Duration,
    /// So long after its deadline something of an operation may still appear at the operator.
    pub horizon: Duration,
    /// So long a call waits for room at the operator before it is refused.
    pub patience: Duration,
    /// So long after the deadline a commit is awaited before the caller is told that the
    /// operation is not settled yet; the same as the margin of the lease behind the deadline.
    pub commit_margin: Duration,
    /// An operation taken over by the resolver is its own for so long.
    pub lease: Duration,
    /// What cannot be settled in this time behind the horizon becomes `manual`.
    pub give_up: Duration,
    /// Operations that run or wait at once. Past it callers are refused at once.
    pub running_max: usize,
}

impl Default for OperationLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(18),
            horizon: Duration::from_mins(10),
            patience: Duration::from_secs(2),
            commit_margin: Duration::from_secs(2),
            lease: Duration::from_secs(10),
            give_up: Duration::from_hours(24),
            // Some kilobytes each, and more than any operator takes in a deadline's time.
            running_max: 20_000,
        }
    }
}

/// What operations work with.
pub struct Services {
    /// The database.
    pub store: Arc<dyn Store>,
    /// What organizations may buy.
    pub offers: Arc<dyn Offers>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// The wallets.
    pub wallets: Arc<WalletHandle>,
    /// The way to the operator.
    pub gateway: Arc<GatewayHandle>,
    /// The Links.
    pub links: Arc<LinkHandle>,
    /// Free cards.
    pub sims: Arc<SimPool>,
    /// Wakes the resolver.
    pub resolver: ResolverHandle,
    /// Wakes the sender of SMS.
    pub sms: SmsHandle,
    /// How long things may take, and how many may run.
    pub limits: OperationLimits,
}

/// Runs operations.
#[derive(Clone)]
pub struct Operations {
    services: Arc<Services>,
    arbiters: Arbiters,
    running: TaskTracker,
    closing: Arc<AtomicBool>,
}

impl Operations {
    /// Operations run where `arbiters` puts their organization, beside its actors; they must
    /// outlive the listeners.
    pub fn new(services: Arc<Services>, arbiters: Arbiters) -> Self {
        Self { services, arbiters, running: TaskTracker::new(), closing: Arc::default() }
    }

    /// Creates a Link.
    pub async fn create_link(&self, caller: Caller, create: CreateLink) -> Ended {
        let (org, services) = (caller.org, Arc::clone(&self.services));
        let operation = async move { charge::create_link(&services, caller, create).await };
        self.run((org, OperationKind::CreateLink), Box::pin(operation)).await
    }

    /// Adds plans to a Link.
    pub async fn add_plans(&self, caller: Caller, add: AddPlans) -> Ended {
        let (org, services) = (caller.org, Arc::clone(&self.services));
        let operation = async move { charge::add_plans(&services, caller, add).await };
        self.run((org, OperationKind::Topup), Box::pin(operation)).await
    }

    /// Takes plans off a Link.
    pub async fn remove_plans(&self, caller: Caller, remove: RemovePlans) -> Ended {
        let (org, services) = (caller.org, Arc::clone(&self.services));
        let operation = async move { change::remove_plans(&services, caller, remove).await };
        self.run((org, OperationKind::RemovePlan), Box::pin(operation)).await
    }

    /// Changes a Link.
    pub async fn update_link(&self, caller: Caller, update: UpdateLink) -> Ended {
        let (org, services) = (caller.org, Arc::clone(&self.services));
        let operation = async move { change::update_link(&services, caller, update).await };
        self.run((org, OperationKind::UpdateLink), Box::pin(operation)).await
    }

    /// Charges an SMS and queues it.
    pub async fn send_sms(&self, caller: Caller, send: SendSms) -> Ended {
        let (org, services) = (caller.org, Arc::clone(&self.services));
        let operation = async move { sms::queue(&services, caller, send).await };
        self.run((org, OperationKind::SendSms), Box::pin(operation)).await
    }

    /// Lets nothing new in and waits until all that runs has ended.
    pub async fn drain(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.running.close();
        self.running.wait().await;
    }

    /// How many operations run now.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Runs an operation in a task of its own, so that it ends whatever becomes of its caller. In a
    /// box: it is some kilobytes, and is handed on.
    async fn run(
        &self,
        (org, kind): (OrgId, OperationKind),
        operation: BoxFuture<'static, Ended>,
    ) -> Ended {
        let asked = self.services.clock.elapsed();
        let span = traced!("operation", kind = ?kind);
        let ended = self.run_unmeasured(org, operation.instrument(span)).await;
        let took = self.services.clock.elapsed().saturating_sub(asked);
        METRICS.call_seconds.of(kind).record(took);
        METRICS.calls.of((kind, (&ended).into())).increment(1);
        ended
    }

    async fn run_unmeasured(
        &self,
        org: OrgId,
        operation: impl Future<Output = Ended> + Send + 'static,
    ) -> Ended {
        let is_full = self.running.len() >= self.services.limits.running_max;
        if self.closing.load(Ordering::Relaxed) || is_full {
            return Ended::before_record(OperationError::Overloaded);
        }
        let (tell, ended) = oneshot::channel();
        let operation = async move {
            let _running = Present::in_gauge(&METRICS.running);
            // A caller that went away does not hear it; the database holds it.
            let _ = tell.send(operation.await);
        };
        let operation = self.running.track_future(operation.in_current_span());
        // A task that died of a panic, or with its thread, leaves its operation to the resolver.
        self.arbiters.of(org).spawn(operation);
        ended.await.unwrap_or(Ended { operation_id: None, result: Err(OperationError::Unsettled) })
    }
}
