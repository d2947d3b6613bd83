//! An in-memory database: one mutex, the same guards as the real ones.

mod commit;
mod fees;
mod links;
mod operations;
mod port;
mod sims;
mod sms;

pub use fees::{FeeRow, FeeState};

use super::script::{Fault, Script};
use super::wire::{self, About, Call, Wire};
use bappy_actors::model::{
    Activation, ActivationId, Answer, Currency, LedgerEntry, Link, LinkId, Operation, OperationId,
    OrgId, Plan, PlanId, Sms, Timestamp,
};
use bappy_actors::ports::{
    Batch, ConnectivityReading, SimCard, StoreError, UsageReading, WalletRow,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An operation with what the port's value does not show.
#[derive(Clone)]
pub struct StoredOperation {
    pub operation: Operation,
    pub lease_until: Option<Timestamp>,
    pub answer: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SimState {
    Free,
    Claimed(OperationId, Timestamp),
    Used,
    Retired,
}

pub struct StoredWallet {
    pub row: WalletRow,
    pub ledger: Vec<LedgerEntry>,
}

#[derive(Default)]
pub struct Data {
    pub wallets: BTreeMap<OrgId, StoredWallet>,
    pub operations: BTreeMap<OperationId, StoredOperation>,
    pub links: BTreeMap<LinkId, (OrgId, Link)>,
    /// Of all Links, while only this process changes them.
    pub row_revision: Option<u64>,
    pub activations: BTreeMap<ActivationId, (OrgId, Activation)>,
    pub sims: BTreeMap<String, (SimCard, SimState)>,
    /// The physical cards among them, by whose stock they are in.
    pub stock: BTreeMap<String, OrgId>,
    pub plans: BTreeMap<PlanId, Plan>,
    pub sms: BTreeMap<OperationId, (OrgId, Sms)>,
    pub fees: Vec<FeeRow>,
    pub readings: Vec<(LinkId, UsageReading)>,
    pub whereabouts: BTreeMap<LinkId, ConnectivityReading>,
    /// Commands in each batch that was committed, or tried.
    pub batch_sizes: Vec<usize>,
    /// Operations that were taken over until now, and batches that were not written because of what
    /// somebody else had done.
    pub claims: u64,
    pub conflicts: u64,
    /// Batches that its constraints had to refuse: the core must never send one.
    pub defects: Vec<String>,
    /// Batches whose answer was lost and that may land yet.
    pub late: Vec<Batch>,
    pub currency: Option<Currency>,
}

#[derive(Clone)]
pub struct MemoryStore {
    data: Arc<Mutex<Data>>,
    pub script: Script,
    /// What its calls go over, instead of failing as the script says.
    wire: Option<Arc<dyn Wire<Data, StoreError>>>,
}

impl MemoryStore {
    pub fn new(script: Script) -> Self {
        let data = Data { currency: Some(super::fixtures::usd()), ..Data::default() };
        Self { data: Arc::new(Mutex::new(data)), script, wire: None }
    }

    /// The same database, over a wire.
    pub fn over(&self, wire: Arc<dyn Wire<Data, StoreError>>) -> Self {
        Self { wire: Some(wire), ..self.clone() }
    }

    /// What is stored, for a test to look at or to prepare.
    pub fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches whose answers were lost arrive now.
    pub fn land_late(&self) -> Vec<bappy_actors::ports::CommitOutcome> {
        let mut data = self.data();
        let late = std::mem::take(&mut data.late);
        late.into_iter().map(|batch| data.commit(batch).unwrap()).collect()
    }

    /// Does a call's work, or fails as the script says; over a wire, as that says.
    async fn call<T: fmt::Debug + Send + 'static>(
        &self,
        method: &'static str,
        about: About,
        mut work: impl FnMut(&mut Data) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if let Some(wire) = &self.wire {
            let (effect, given) = wire::effect(work);
            wire.carry(Call { method, about, timeout: None }, effect).await?;
            return given.take();
        }
        let unknown = || Err(StoreError::Unknown("the answer was lost".to_owned()));
        match self.script.next(method) {
            Some(Fault::Unavailable) => Err(StoreError::Unavailable("away".to_owned())),
            Some(Fault::Broken) => Err(StoreError::Broken("a constraint".to_owned())),
            Some(Fault::UnknownBefore | Fault::UnknownLate) => unknown(),
            Some(Fault::UnknownAfter) => {
                let _ = work(&mut self.data());
                unknown()
            }
            Some(Fault::Twice) => {
                // The second delivery arrives when nobody listens any more.
                let done = work(&mut self.data());
                let _ = work(&mut self.data());
                done
            }
            Some(Fault::Panic) => panic!("scripted panic in {method}"),
            Some(Fault::PanicAfter) => {
                let _ = work(&mut self.data());
                panic!("scripted panic after {method}")
            }
            Some(Fault::Hold(gate)) => {
                gate.pass().await;
                work(&mut self.data())
            }
            Some(Fault::HoldAfter(gate)) => {
                let done = work(&mut self.data());
                gate.pass().await;
                done
            }
            _ => work(&mut self.data()),
        }
    }
}
