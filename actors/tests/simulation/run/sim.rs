//! What all that takes part in a run shares: the database and the operator as they are, the draws,
//! the history, and what was found to be broken.

use super::checks::Checks;
use super::conditions::Conditions;
use super::figures::Figures;
use super::history::{History, Who};
use super::life::Life;
use super::told::Told;
use super::weather::Outages;
use crate::support::draws::Draws;
use crate::support::operator::{MemoryOperator, State};
use crate::support::store::{Data, MemoryStore};
use crate::support::wire::{Call, Effect};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What is shared by all that takes part in a run. It has one thread.
pub struct Sim {
    pub conditions: Conditions,
    pub store: MemoryStore,
    pub operator: MemoryOperator,
    started: Instant,
    inner: Mutex<Inner>,
    broken: Notify,
}

pub struct Inner {
    pub draws: Draws,
    pub history: History,
    pub checks: Checks,
    pub figures: Figures,
    pub ids: u64,
    pub kills: u64,
    pub stalls: u64,
    pub told: Told,
    pub outages: Outages,
    pub broken: Option<String>,
}

impl Sim {
    pub fn new(
        mut draws: Draws,
        text: bool,
        store: MemoryStore,
        operator: MemoryOperator,
    ) -> Arc<Self> {
        let conditions = Conditions::drawn(&mut draws);
        let mut history = History::new(text);
        history.add(Duration::ZERO, Who::World, "conditions", || format!("{conditions:#?}"));
        let inner = Inner {
            draws,
            history,
            checks: Checks::new(&conditions),
            figures: Figures::default(),
            ids: 0,
            kills: 0,
            stalls: 0,
            told: Told::default(),
            outages: Outages::default(),
            broken: None,
        };
        let (inner, broken) = (Mutex::new(inner), Notify::new());
        Arc::new(Self { conditions, store, operator, started: Instant::now(), inner, broken })
    }

    /// Never held while the database or the operator is locked for the first time.
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn draw<T>(&self, draw: impl FnOnce(&mut Draws) -> T) -> T {
        draw(&mut self.inner().draws)
    }

    /// Whether things go wrong just now.
    pub fn is_stormy(&self) -> bool {
        self.elapsed() < self.conditions.calm_from
    }

    pub fn note(&self, who: Who, what: &str, more: impl FnOnce() -> String) {
        let at = self.elapsed();
        self.inner().history.add(at, who, what, more);
    }

    /// Ends the run: this must not be. The first is what is told.
    pub fn fail(&self, broken: String) {
        self.note(Who::World, "BROKEN", || broken.clone());
        self.inner().broken.get_or_insert(broken);
        self.broken.notify_waiters();
    }

    /// What was found to be broken.
    pub fn broken(&self) -> Option<String> {
        self.inner().broken.clone()
    }

    /// Waits until something is found to be broken.
    pub async fn until_broken(&self) {
        let broken = self.broken.notified();
        if self.broken().is_none() {
            broken.await;
        }
    }

    pub fn check(&self, check: impl FnOnce(&mut Checks, &Data, &State) -> Result<(), String>) {
        let (data, state) = (self.store.data(), self.operator.state());
        let checked = check(&mut self.inner().checks, &data, &state);
        drop((data, state));
        if let Err(broken) = checked {
            self.fail(broken);
        }
    }

    /// Has a call of an instance take effect in the database.
    pub fn at_store(&self, life: &Life, call: &Call, effect: &mut Effect<Data>) {
        let mut data = self.store.data();
        let told = self.read(|told| effect(&mut data, told));
        drop(data);
        self.took_effect(life, call, told);
    }

    /// Has a call of an instance take effect at the operator.
    pub fn at_operator(&self, life: &Life, call: &Call, effect: &mut Effect<State>) {
        let mut state = self.operator.state();
        let told = self.read(|told| effect(&mut state, told));
        drop(state);
        self.took_effect(life, call, told);
    }

    fn read(&self, effect: impl FnOnce(Option<&mut String>)) -> Option<String> {
        let mut told = self.inner().history.is_read().then(String::new);
        effect(told.as_mut());
        told
    }

    fn took_effect(&self, life: &Life, call: &Call, told: Option<String>) {
        match told {
            // Nothing was due: it is so most of the time.
            Some(told) if told == "[]" => {
                let at = self.elapsed();
                self.inner().history.count(at, life.who, call.method);
            }
            told => self.note(life.who, call.method, || {
                format!("{} → {}", call.about, told.unwrap_or_default())
            }),
        }
        if self.broken().is_none() {
            let now = self.elapsed();
            self.check(|checks, data, state| checks.step(now, call, data, state));
        }
    }
}
