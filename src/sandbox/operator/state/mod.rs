//! What the operator remembers: endpoints, plan instances, messages, what was set on cards, and
//! the journal.
//!
//! Every change is an [`Event`](event::Event): checked under the lock of what it changes, written
//! to the state file if there is one, put into the journal, then applied. At start the events of
//! the state file are applied by the same code.
//!
//! **Invariants:**
//! - locks are taken in the order card, endpoint, then the maps of messages and journal; none is
//!   held while a caller is waited for;
//! - a card has at most one live endpoint; a terminated endpoint never changes again, but for the
//!   removal of its plans;
//! - usage is a function of time, of what was set, and of what plans stood when: there are no
//!   timers, and reading changes nothing that a later read could tell;
//! - adding a plan costs the same for the first and the hundred-thousandth of an endpoint.

mod cards;
mod connectivity;
mod endpoint;
mod endpoints;
mod event;
mod instance;
mod journal;
mod log;
mod plans;
mod replay;
mod sms;

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dashmap::DashMap;

pub(super) use cards::{CardControl, ProfileState};
pub(super) use connectivity::ConnectivitySetting;
pub(super) use endpoint::Status;
pub(super) use endpoints::NewEndpoint;
pub(super) use journal::JournalEntry;

use self::{
    cards::CardState, endpoint::Endpoint, event::Event, journal::Journal, log::StateLog, sms::Sms,
};
use super::{
    cards::Iccid,
    ids::{EndpointId, IdSource, SmsId},
    refusal::Refusal,
};

/// The caller's operation id, echoed in every read-back; shared by all that show it.
pub(super) type Reference = Option<Arc<str>>;

/// All state of one operator.
pub(super) struct World {
    ids: IdSource,
    cards: DashMap<Iccid, CardState>,
    endpoints: DashMap<EndpointId, Arc<Endpoint>>,
    messages: DashMap<SmsId, Sms>,
    journal: Journal,
    log: Option<StateLog>,
}

impl World {
    /// An empty world, or the one kept in `state_file`, which is created if it is not there.
    pub fn open(state_file: Option<&Path>) -> io::Result<Self> {
        let mut world = Self {
            ids: IdSource::new(),
            cards: DashMap::new(),
            endpoints: DashMap::new(),
            messages: DashMap::new(),
            journal: Journal::default(),
            log: None,
        };
        if let Some(path) = state_file {
            world.log = Some(replay::load(&world, path)?);
        }
        Ok(world)
    }

    /// Writes an event down and notes it in the journal. The caller holds the lock of what the
    /// event changes, and applies it next; on an error nothing has happened.
    fn commit(&self, event: &Event) -> Result<(), Refusal> {
        if let Some(log) = &self.log {
            log.append(event).map_err(Refusal::StateFile)?;
        }
        self.journal.note(event);
        Ok(())
    }

    /// The journal of one reference, or all of it, in order.
    pub fn journal(&self, reference: Option<&str>) -> Vec<JournalEntry> {
        self.journal.entries(reference)
    }
}

/// Locks; a panic elsewhere does not make state unusable (it is changed after all checks).
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
