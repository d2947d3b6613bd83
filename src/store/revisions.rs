//! Whether what was read of a Link still stands: a count of the changes that this process has made
//! to it and to its activations.
//!
//! **Invariants.** A change raises its Link's revision after its transaction has ended or was given
//! up, whatever became of it, and before anybody is told of it. So what was read when the revision
//! was the same as now misses no change that anybody was told of, unless another process made it.

use bappy_actors::model::LinkId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Links share a count with few others: a power of two.
const COUNTS: usize = 4_096;

/// The revisions of all Links.
#[derive(Debug)]
pub struct Revisions {
    all: Box<[AtomicU64]>,
    rows: Box<[AtomicU64]>,
}

impl Default for Revisions {
    fn default() -> Self {
        let none = || (0..COUNTS).map(|_| AtomicU64::new(0)).collect();
        Self { all: none(), rows: none() }
    }
}

impl Revisions {
    /// The revision of a Link now.
    pub fn of(&self, link: LinkId) -> u64 {
        self.all[place(link)].load(Ordering::Acquire)
    }

    /// The revision of a Link's row, which top-ups leave as it is but for its volume.
    pub fn of_row(&self, link: LinkId) -> u64 {
        self.rows[place(link)].load(Ordering::Acquire)
    }
}

fn place(link: LinkId) -> usize {
    // The end of an id is random.
    let [.., high, low] = *link.0.as_bytes();
    usize::from(u16::from_be_bytes([high, low])) % COUNTS
}

/// Raises the revisions of the Links that a transaction changes when it is dropped.
#[derive(Debug)]
pub struct Changed {
    revisions: Arc<Revisions>,
    links: Vec<LinkId>,
    rows: bool,
}

impl Changed {
    /// Of these Links, which may change in everything.
    pub fn new(revisions: Arc<Revisions>, links: Vec<LinkId>) -> Self {
        Self { revisions, links, rows: true }
    }

    /// Of these Links, which are topped up.
    pub fn topped_up(revisions: Arc<Revisions>, links: Vec<LinkId>) -> Self {
        Self { revisions, links, rows: false }
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        for link in &self.links {
            self.revisions.all[place(*link)].fetch_add(1, Ordering::AcqRel);
            if self.rows {
                self.revisions.rows[place(*link)].fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}
