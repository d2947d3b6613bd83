//! The threads of the core: each has the Links and the running operations of its organizations, so
//! that what they tell each other wakes no other thread. Wallets are spread likewise, over threads of
//! their own if the composition root has some.
//!
//! **Invariant:** an organization stays on one thread for as long as the process runs.

use crate::model::OrgId;
use actix::ArbiterHandle;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Where an organization's actors and operations run.
#[derive(Clone)]
pub struct Arbiters {
    /// At least one.
    handles: Arc<[ArbiterHandle]>,
    hasher: RandomState,
}

impl Arbiters {
    /// Spreads organizations over `first` and the others.
    pub fn new(first: ArbiterHandle, others: impl IntoIterator<Item = ArbiterHandle>) -> Self {
        let handles = std::iter::once(first).chain(others).collect();
        Self { handles, hasher: RandomState::new() }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &ArbiterHandle> {
        self.handles.iter()
    }

    /// The thread of what belongs to no organization.
    pub fn shared(&self) -> &ArbiterHandle {
        &self.handles[0]
    }

    /// An organization's thread.
    pub fn of(&self, org: OrgId) -> &ArbiterHandle {
        let hash = usize::try_from(self.hasher.hash_one(org)).unwrap_or(0);
        &self.handles[hash % self.handles.len()]
    }
}
