//! Room at the operator: for so many calls at once.
//!
//! Who has something to do before it calls, such as a debit, may be let through in advance of room: it
//! takes room when it calls. Otherwise nobody would call in that room meanwhile.
//!
//! **Invariants.** No more calls run than there is room for. Nobody who was let through in advance calls
//! once the breaker has opened.

use super::METRICS;
use crate::metrics::Present;
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// For each so many calls that may run at once, one caller is let through in advance of room: what
/// they do first may take half of a call's time before room stands empty.
const CALLS_PER_ADVANCE: usize = 2;

/// All room that there is.
#[derive(Clone)]
pub(super) struct Rooms {
    slots: Arc<Semaphore>,
    /// Who may be let through in advance of a slot; none where only one call may run.
    advances: Option<Arc<Semaphore>>,
    /// Told when the breaker opens.
    opened: watch::Sender<()>,
}

/// Where a caller that is let through calls.
pub(super) enum Room {
    /// In room that it has, and is counted in.
    #[expect(dead_code, reason = "held")]
    Taken(OwnedSemaphorePermit, Present),
    /// In the next room that is free.
    InAdvance(Advance),
    /// Nowhere: there was none in time, or the breaker has opened meanwhile.
    None,
}

/// Leave to be let through in advance of room.
pub(super) struct Advance {
    #[expect(dead_code, reason = "held")]
    permit: OwnedSemaphorePermit,
    slots: Arc<Semaphore>,
    opened: watch::Receiver<()>,
}

impl Rooms {
    /// Room for so many calls at once.
    pub fn new(concurrency_max: usize) -> Self {
        let advances = concurrency_max / CALLS_PER_ADVANCE;
        Self {
            slots: Arc::new(Semaphore::new(concurrency_max)),
            advances: (advances > 0).then(|| Arc::new(Semaphore::new(advances))),
            opened: watch::Sender::default(),
        }
    }

    /// Room that is free, or else, for who may go in advance, leave to.
    pub fn now(&self, in_advance: bool) -> Option<Room> {
        if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            return Some(Room::taken(slot));
        }
        let permit = Arc::clone(self.advances(in_advance)?).try_acquire_owned().ok()?;
        Some(self.in_advance(permit))
    }

    /// The same, once there is some. Who may go in advance does not wait for room itself, which is for
    /// who is ready to call, and gets none where the breaker has opened meanwhile.
    pub fn wait(&self, in_advance: bool) -> impl Future<Output = Option<Room>> + use<> {
        let (rooms, opened) = (self.clone(), self.opened.subscribe());
        async move {
            if let Some(room) = rooms.now(in_advance) {
                return Some(room);
            }
            let Some(advances) = rooms.advances(in_advance) else {
                return Arc::clone(&rooms.slots).acquire_owned().await.ok().map(Room::taken);
            };
            let permit = Arc::clone(advances).acquire_owned().await.ok()?;
            let is_open = opened.has_changed().unwrap_or(true);
            (!is_open).then(|| rooms.in_advance(permit))
        }
    }

    /// Those who were let through in advance do not call.
    pub fn breaker_opened(&self) {
        self.opened.send_replace(());
    }

    fn advances(&self, in_advance: bool) -> Option<&Arc<Semaphore>> {
        self.advances.as_ref().filter(|_| in_advance)
    }

    fn in_advance(&self, permit: OwnedSemaphorePermit) -> Room {
        let (slots, opened) = (Arc::clone(&self.slots), self.opened.subscribe());
        Room::InAdvance(Advance { permit, slots, opened })
    }
}

impl Room {
    fn taken(slot: OwnedSemaphorePermit) -> Self {
        Self::Taken(slot, Present::in_gauge(&METRICS.in_use))
    }
}

impl Advance {
    /// Waits for room; none once the breaker has opened, or after so long.
    pub async fn room(&mut self, left: Duration) -> Option<Room> {
        let slot = tokio::time::timeout(left, Arc::clone(&self.slots).acquire_owned());
        let slot = tokio::select! {
            biased;
            _ = self.opened.changed() => return None,
            slot = slot => slot,
        };
        slot.ok()?.ok().map(Room::taken)
    }
}
