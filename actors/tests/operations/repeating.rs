//! Repeating a step is harmless: what is delivered twice, or answered and not heard, counts once.

use super::saga::{ALL, CHARGED};
use crate::support::environment::epoch;
use crate::support::script::Fault;
use crate::support::world::{World, run};

/// Calls whose effect a lost answer leaves behind.
const WRITES: [&str; 7] =
    ["commit", "claim_sim", "release_sim", "close_operation", "op_create", "op_add", "op_remove"];

#[test]
fn every_commit_delivered_twice_counts_once() {
    for saga in ALL {
        let (outside, link) = saga.prepare();
        outside.script.fail_all("commit", Fault::Twice);
        run(async {
            let world = World::over(&outside, epoch());
            saga.perform(&world, link).await.result.unwrap();
            outside.assert_drained();
        });
    }
}

#[test]
fn every_commit_whose_answer_is_lost_counts_once() {
    for saga in ALL {
        let (outside, link) = saga.prepare();
        outside.script.fail_all("commit", Fault::UnknownAfter);
        run(async {
            let world = World::over(&outside, epoch());
            saga.perform(&world, link).await.result.unwrap();
            outside.assert_drained();
        });
    }
}

#[test]
fn every_answer_of_the_operator_lost_is_read_back() {
    for saga in CHARGED {
        for fault in [Fault::Lost, Fault::Wrapped, Fault::Unreadable] {
            let (outside, link) = saga.prepare();
            outside.script.fail_all("op_create", fault.clone());
            outside.script.fail_all("op_add", fault.clone());
            run(async {
                let world = World::over(&outside, epoch());
                saga.perform(&world, link).await.result.unwrap();
                outside.assert_drained();
            });
        }
    }
}

#[test]
fn all_writes_of_an_operation_lost_at_once_come_to_one_end() {
    for saga in ALL {
        let (outside, link) = saga.prepare();
        for method in WRITES {
            let lost = if method.starts_with("op_") { Fault::Lost } else { Fault::UnknownAfter };
            outside.script.fail_next(method, lost);
        }
        run(async {
            let world = World::over(&outside, epoch());
            let _ = saga.perform(&world, link).await;
            outside.script.mend();
            world.resolve(900).await;
            outside.assert_drained();
        });
    }
}
