//! Commands whose caller has gone before they were decided: nobody runs what a debit pays for,
//! but an end is an end.

use super::{Bench, settle_down};
use crate::support::commands::{credit, debit, refund, settle};
use crate::support::script::{Fault, Gate};
use crate::support::world::run;
use bappy_actors::model::{OperationId, OperationState};
use bappy_actors::wallet::{Command, WalletLimits};

/// Submits commands while a commit is under way; their callers go away before it ends.
async fn abandon(bench: &Bench, commands: Vec<Command>) {
    let gate = Gate::new();
    bench.script.fail_next("commit", Fault::Hold(gate.clone()));
    let under_way = bench.send(credit(1, "1"));
    gate.arrived().await;
    let callers: Vec<_> = commands.into_iter().map(|command| bench.send(command)).collect();
    settle_down().await;
    for caller in callers {
        caller.abort();
        caller.await.unwrap_err();
    }
    gate.open(1);
    under_way.await.unwrap().unwrap();
    settle_down().await;
}

/// Where the operation of a debit is in its life.
fn state(bench: &Bench, command: &Command) -> Option<OperationState> {
    let Command::Debit(debits) = command else { panic!("{command:?}") };
    let id: OperationId = debits[0].operation.id;
    bench.store.data().operations.get(&id).map(|stored| stored.operation.state)
}

#[test]
fn a_debit_whose_caller_has_gone_is_not_committed() {
    run(async {
        let bench = Bench::with(WalletLimits { debits_waiting_max: 2, ..WalletLimits::default() });
        abandon(&bench, vec![debit(bench.org, 1, "10"), debit(bench.org, 2, "10")]).await;
        assert_eq!((bench.debits(), bench.balance()), (0, "101.00".to_owned()));
        // Nor does it take up a place.
        let (one, two) =
            (bench.send(debit(bench.org, 3, "10")), bench.send(debit(bench.org, 4, "10")));
        one.await.unwrap().unwrap();
        two.await.unwrap().unwrap();
        assert_eq!((bench.debits(), bench.balance()), (2, "81.00".to_owned()));
    });
}

#[test]
fn who_still_waits_beside_a_caller_that_has_gone_is_served() {
    run(async {
        let bench = Bench::new();
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::Hold(gate.clone()));
        let under_way = bench.send(credit(1, "1"));
        gate.arrived().await;
        let gone = bench.send(debit(bench.org, 1, "95"));
        let stays = bench.send(debit(bench.org, 2, "95"));
        settle_down().await;
        gone.abort();
        gone.await.unwrap_err();
        gate.open(1);
        under_way.await.unwrap().unwrap();
        stays.await.unwrap().unwrap();
        assert_eq!(bench.balance(), "6.00");
    });
}

/// A debit whose commit's answer is lost, and whose caller goes before the wallet knows more.
async fn abandon_in_doubt(bench: &Bench, lost: Fault) -> Command {
    let command = debit(bench.org, 1, "10");
    let gate = Gate::new();
    bench.script.fail_next("commit", lost);
    bench.script.fail_next("fence_wallet", Fault::Hold(gate.clone()));
    let caller = bench.send(command.clone());
    gate.arrived().await;
    caller.abort();
    caller.await.unwrap_err();
    gate.open(1);
    settle_down().await;
    bench.submit(credit(1, "1")).await.unwrap();
    command
}

#[test]
fn a_doubtful_debit_of_a_gone_caller_that_is_not_found_behind_the_fence_is_not_committed() {
    for lost in [Fault::UnknownBefore, Fault::UnknownLate] {
        run(async {
            let bench = Bench::new();
            let command = abandon_in_doubt(&bench, lost).await;
            bench.store.land_late();
            assert_eq!(state(&bench, &command), None);
            assert_eq!((bench.debits(), bench.balance()), (0, "101.00".to_owned()));
        });
    }
}

#[test]
fn a_doubtful_debit_of_a_gone_caller_that_took_effect_stands_once() {
    run(async {
        let bench = Bench::new();
        let command = abandon_in_doubt(&bench, Fault::UnknownAfter).await;
        assert_eq!(state(&bench, &command), Some(OperationState::Pending));
        assert_eq!((bench.debits(), bench.balance()), (1, "91.00".to_owned()));
    });
}

#[test]
fn settlements_and_refunds_of_gone_callers_are_committed() {
    run(async {
        let bench = Bench::new();
        let debits = [debit(bench.org, 1, "10"), debit(bench.org, 2, "10")];
        for debit in debits.clone() {
            bench.submit(debit).await.unwrap();
        }
        abandon(&bench, vec![settle(bench.org, 1, "10"), refund(bench.org, 2, "10")]).await;
        let states = debits.map(|debit| state(&bench, &debit));
        assert_eq!(states, [Some(OperationState::Succeeded), Some(OperationState::Refunded)]);
        assert_eq!(bench.balance(), "91.00");
    });
}
