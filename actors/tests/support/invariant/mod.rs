//! Invariant I: no money lost, nothing charged twice, nothing activated unpaid. What it finds it
//! says in a sentence, so that a simulation can tell where in its history that was; the other tests
//! assert it.

/// A sentence about what does not hold, unless it does.
macro_rules! ensure {
    ($holds:expr, $($sentence:tt)+) => {
        if !$holds {
            return Err(format!($($sentence)+));
        }
    };
}

mod at_rest;
mod held;
mod money;

use super::operator::{MemoryOperator, State};
use super::store::{Data, MemoryStore};
use bappy_actors::model::{Operation, OperationId};

/// Nothing, or a sentence about what is broken.
pub type Holds = Result<(), String>;

/// Holds at any time, also while operations run and before cleanups have drained.
pub fn at_any_time(data: &Data, state: &State) -> Holds {
    money::holds(data)?;
    held::holds(data, state)
}

/// Holds when nothing runs and all cleanups have drained.
pub fn at_rest(data: &Data, state: &State) -> Holds {
    at_any_time(data, state)?;
    at_rest::holds(data, state)
}

#[track_caller]
pub fn assert_invariant(store: &MemoryStore, operator: &MemoryOperator) {
    if let Err(broken) = at_any_time(&store.data(), &operator.state()) {
        panic!("{broken}");
    }
}

#[track_caller]
pub fn assert_drained(store: &MemoryStore, operator: &MemoryOperator) {
    if let Err(broken) = at_rest(&store.data(), &operator.state()) {
        panic!("{broken}");
    }
}

/// The operation that a reference at the operator is; none where it is none of ours.
pub fn operation_of<'d>(data: &'d Data, reference: &str) -> Option<&'d Operation> {
    let id = OperationId(reference.parse().ok()?);
    data.operations.get(&id).map(|stored| &stored.operation)
}
