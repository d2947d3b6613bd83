//! How a wallet commits: together, and told only afterwards.

use super::{Bench, is_pending, settle_down};
use crate::support::commands::{credit, debit, keyed_debit, refund, settle};
use crate::support::fixtures::money;
use crate::support::script::{Fault, Gate};
use crate::support::world::run;
use bappy_actors::ports::Guard;
use bappy_actors::wallet::{CommandError, Refused, WalletLimits};

#[test]
fn what_waits_while_a_commit_is_under_way_goes_down_together() {
    run(async {
        let bench = Bench::new();
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::Hold(gate.clone()));
        let first = bench.send(debit(bench.org, 1, "0.10"));
        gate.arrived().await;
        let others: Vec<_> = (2..=301).map(|n| bench.send(debit(bench.org, n, "0.10"))).collect();
        settle_down().await;
        gate.open(1);
        first.await.unwrap().unwrap();
        for other in others {
            other.await.unwrap().unwrap();
        }
        assert_eq!(bench.store.data().batch_sizes, [1, 256, 44]);
        assert_eq!(bench.balance(), "69.90");
    });
}

#[test]
fn nobody_is_told_before_the_commit() {
    run(async {
        let bench = Bench::new();
        let gate = Gate::new();
        // The database has it already, but has not said so.
        bench.script.fail_next("commit", Fault::HoldAfter(gate.clone()));
        let told = bench.send(debit(bench.org, 1, "1"));
        gate.arrived().await;
        settle_down().await;
        assert!(is_pending(&told));
        gate.open(1);
        assert_eq!(told.await.unwrap().unwrap().balance, money("99"));
    });
}

#[test]
fn a_refusal_for_lack_of_funds_is_looked_up_before_it_is_told() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "90")).await.unwrap();
        // Money comes in elsewhere; the actor remembers 10.
        bench.store.data().credit_elsewhere(bench.org, money("50"));
        let receipt = bench.submit(debit(bench.org, 2, "40")).await.unwrap();
        assert_eq!(receipt.balance, money("20"));
        let refused = bench.submit(debit(bench.org, 3, "40")).await;
        let expected = Refused::InsufficientFunds { balance: money("20"), needed: money("40") };
        assert_eq!(refused, Err(CommandError::Refused(expected)));
        assert_eq!(bench.debits(), 2);
    });
}

#[test]
fn a_refusal_beside_a_debit_waits_for_its_commit() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "90")).await.unwrap();
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::Hold(gate.clone()));
        let first = bench.send(debit(bench.org, 2, "1"));
        gate.arrived().await;
        let (small, large) =
            (bench.send(debit(bench.org, 3, "1")), bench.send(debit(bench.org, 4, "40")));
        settle_down().await;
        bench.store.data().credit_elsewhere(bench.org, money("50"));
        gate.open(1);
        assert!(first.await.unwrap().is_ok());
        assert!(small.await.unwrap().is_ok());
        assert!(large.await.unwrap().is_ok(), "refused on an old version");
        assert_eq!(bench.balance(), "18.00");
    });
}

#[test]
fn a_wallet_that_changed_elsewhere_is_read_and_decided_again() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "1")).await.unwrap();
        bench.store.data().credit_elsewhere(bench.org, money("5"));
        let receipt = bench.submit(debit(bench.org, 2, "1")).await.unwrap();
        assert_eq!(receipt.balance, money("103"));
        assert_eq!(bench.debits(), 2);
    });
}

#[test]
fn two_processes_on_one_wallet_lose_and_double_nothing() {
    run(async {
        let bench = Bench::new();
        let other = Bench::wallets(&bench.store, WalletLimits::default());
        let mut tasks = Vec::new();
        for n in 0..100 {
            tasks.push(bench.send(debit(bench.org, 2 * n, "0.25")));
            let (other, org) = (std::sync::Arc::clone(&other), bench.org);
            let command = debit(org, 2 * n + 1, "0.25");
            tasks.push(tokio::spawn(async move { other.submit(org, command).await }));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(bench.debits(), 200);
        assert_eq!(bench.balance(), "50.00");
    });
}

#[test]
fn a_guard_takes_only_its_own_command_out() {
    run(async {
        let bench = Bench::new();
        bench.submit(keyed_debit(bench.org, 1, "k")).await.unwrap();
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::Hold(gate.clone()));
        let first = bench.send(debit(bench.org, 2, "1"));
        gate.arrived().await;
        let good = bench.send(debit(bench.org, 3, "1"));
        let same_key = bench.send(keyed_debit(bench.org, 4, "k"));
        let not_open = bench.send(refund(bench.org, 99, "1"));
        let open = bench.send(debit(bench.org, 1, "1"));
        let also_good = bench.send(settle(bench.org, 1, "1"));
        settle_down().await;
        gate.open(1);
        for task in [first, good, also_good] {
            assert!(task.await.unwrap().is_ok());
        }
        let guard = |guard| Err(CommandError::Guarded(guard));
        assert_eq!(same_key.await.unwrap(), guard(Guard::KeyTaken));
        assert_eq!(not_open.await.unwrap(), guard(Guard::EpochLost));
        assert_eq!(open.await.unwrap(), guard(Guard::AlreadyOpen));
        assert_eq!(bench.balance(), "97.00");
    });
}

#[test]
fn an_operation_ends_once() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "10")).await.unwrap();
        let ends = [
            bench.send(refund(bench.org, 1, "10")),
            bench.send(settle(bench.org, 1, "10")),
            bench.send(refund(bench.org, 1, "10")),
        ];
        let mut ended = 0;
        for end in ends {
            match end.await.unwrap() {
                Ok(_) => ended += 1,
                Err(error) => assert_eq!(error, CommandError::Guarded(Guard::EpochLost)),
            }
        }
        assert_eq!(ended, 1);
        assert_eq!(bench.balance(), "100.00");
    });
}

#[test]
fn a_broken_command_fails_alone() {
    run(async {
        let bench = Bench::new();
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::Hold(gate.clone()));
        let first = bench.send(debit(bench.org, 1, "1"));
        gate.arrived().await;
        let before = bench.send(debit(bench.org, 2, "1"));
        // The same ledger entry twice, under another operation: no guard speaks of that.
        let mut twin = crate::support::commands::debit_of(bench.org, 3, "1");
        twin.entry_id = crate::support::commands::debit_of(bench.org, 1, "1").entry_id;
        let broken = bench.send(bappy_actors::wallet::Command::Debit(vec![twin]));
        let behind = bench.send(credit(1, "5"));
        settle_down().await;
        gate.open(1);
        for task in [first, before, behind] {
            assert!(task.await.unwrap().is_ok());
        }
        assert!(matches!(broken.await.unwrap(), Err(CommandError::Unavailable(_))));
        assert_eq!(bench.balance(), "103.00");
        // And then they go down together again.
        bench.store.data().batch_sizes.clear();
        let many: Vec<_> = (10..20).map(|n| bench.send(debit(bench.org, n, "1"))).collect();
        for task in many {
            task.await.unwrap().unwrap();
        }
        assert!(bench.store.data().batch_sizes.len() <= 2);
    });
}
