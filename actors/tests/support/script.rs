//! Which call fails, and how; and the record of all calls that were made.

use bappy_actors::ports::Refusal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Holds a call until the test opens it.
#[derive(Clone)]
pub struct Gate(Arc<(Semaphore, Semaphore)>);

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new((Semaphore::new(0), Semaphore::new(0))))
    }

    /// Waits until a call stands at the gate.
    pub async fn arrived(&self) {
        self.0.0.acquire().await.unwrap().forget();
    }

    /// Lets `calls` calls through.
    pub fn open(&self, calls: usize) {
        self.0.1.add_permits(calls);
    }

    pub async fn pass(&self) {
        self.0.0.add_permits(1);
        self.0.1.acquire().await.unwrap().forget();
    }
}

/// How a call goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// Panics before, or after taking effect.
    Panic,
    PanicAfter,
    /// Waits at a gate before, or after taking effect.
    Hold(Gate),
    HoldAfter(Gate),
    /// Database: nothing done; outcome lost before, after, or to come later; delivered twice.
    Unavailable,
    UnknownBefore,
    UnknownAfter,
    UnknownLate,
    Broken,
    Twice,
    /// Operator: definite answers with nothing done.
    Refuse(Refusal),
    Unauthorized,
    Throttled(Option<Duration>),
    Unreachable,
    /// Operator: 500 with nothing done; done but the answer cut, wrapped or unreadable.
    Error500,
    Lost,
    Wrapped,
    Unreadable,
    /// Operator: no answer in time; nothing done, done at once, or done when the test says so.
    HangNothing,
    HangDone,
    HangLate,
    /// Operator: does half of it, as an endpoint without its plan.
    Half,
}

impl Fault {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::PanicAfter => "panic after",
            Self::Hold(_) => "hold",
            Self::HoldAfter(_) => "hold after",
            Self::Unavailable => "unavailable",
            Self::UnknownBefore => "unknown before",
            Self::UnknownAfter => "unknown after",
            Self::UnknownLate => "unknown late",
            Self::Broken => "broken",
            Self::Twice => "twice",
            Self::Refuse(_) => "refuse",
            Self::Unauthorized => "unauthorized",
            Self::Throttled(_) => "throttled",
            Self::Unreachable => "unreachable",
            Self::Error500 => "500",
            Self::Lost => "lost",
            Self::Wrapped => "wrapped",
            Self::Unreadable => "unreadable",
            Self::HangNothing => "hang",
            Self::HangDone => "hang done",
            Self::HangLate => "hang late",
            Self::Half => "half",
        }
    }
}

type Storm = Box<dyn FnMut(&'static str) -> Option<Fault> + Send>;

#[derive(Default)]
struct Inner {
    calls: Vec<&'static str>,
    by_index: HashMap<usize, Fault>,
    by_name: Vec<(&'static str, usize, Fault)>,
    always: HashMap<&'static str, Fault>,
    last: Option<Fault>,
    storm: Option<Storm>,
}

/// The script of one test, shared by the database and the operator.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Inner>>);

impl Script {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call with this place among all calls fails.
    pub fn fail_at(&self, index: usize, fault: Fault) {
        self.lock().by_index.insert(index, fault);
    }

    /// The next call of a method fails.
    pub fn fail_next(&self, method: &'static str, fault: Fault) {
        self.fail_nth(method, 0, fault);
    }

    /// A call of a method fails, counted from 0 from now on.
    pub fn fail_nth(&self, method: &'static str, n: usize, fault: Fault) {
        self.lock().by_name.push((method, n, fault));
    }

    /// All calls of a method fail until they are mended.
    pub fn fail_all(&self, method: &'static str, fault: Fault) {
        self.lock().always.insert(method, fault);
    }

    /// Each call fails as `storm` says.
    pub fn storm(&self, storm: impl FnMut(&'static str) -> Option<Fault> + Send + 'static) {
        self.lock().storm = Some(Box::new(storm));
    }

    pub fn mend(&self) {
        let mut inner = self.lock();
        inner.storm = None;
        inner.always.clear();
        inner.by_name.clear();
        inner.by_index.clear();
    }

    pub fn calls(&self) -> Vec<&'static str> {
        self.lock().calls.clone()
    }

    pub fn forget_calls(&self) {
        self.lock().calls.clear();
    }

    /// How often a method was called.
    pub fn count(&self, method: &str) -> usize {
        self.lock().calls.iter().filter(|m| **m == method).count()
    }

    /// Records a call and says how it fails.
    pub fn next(&self, method: &'static str) -> Option<Fault> {
        let fault = self.find(method);
        self.lock().last.clone_from(&fault);
        fault
    }

    /// The fault of the latest call.
    pub fn last_fault(&self) -> Option<Fault> {
        self.lock().last.clone()
    }

    fn find(&self, method: &'static str) -> Option<Fault> {
        let mut inner = self.lock();
        let index = inner.calls.len();
        inner.calls.push(method);
        if let Some(storm) = &mut inner.storm {
            return storm(method);
        }
        if let Some(fault) = inner.by_index.remove(&index) {
            return Some(fault);
        }
        let mut due = None;
        for (place, (named, left, _)) in inner.by_name.iter_mut().enumerate() {
            if *named != method {
                continue;
            }
            if *left == 0 && due.is_none() {
                due = Some(place);
            } else {
                *left = left.saturating_sub(1);
            }
        }
        match due {
            Some(place) => Some(inner.by_name.remove(place).2),
            None => inner.always.get(method).cloned(),
        }
    }
}
