//! How much a wallet lets in, and how it stops.

use super::{Bench, is_pending, settle_down};
use crate::support::commands::{debit, refund, settle};
use crate::support::script::{Fault, Gate};
use crate::support::world::run;
use bappy_actors::wallet::{CommandError, WalletLimits};
use std::sync::Arc;
use std::time::Duration;

fn three() -> WalletLimits {
    WalletLimits { debits_waiting_max: 3, ..WalletLimits::default() }
}

#[test]
fn past_the_bound_debits_are_refused_at_once_and_ends_still_pass() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "0.01")).await.unwrap();
        bench.submit(debit(bench.org, 2, "0.01")).await.unwrap();
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::Hold(gate.clone()));
        let waiting: Vec<_> =
            (10..10 + 4096).map(|n| bench.send(debit(bench.org, n, "0.01"))).collect();
        gate.arrived().await;
        settle_down().await;
        let refused = bench.submit(debit(bench.org, 3, "0.01")).await;
        assert_eq!(refused, Err(CommandError::Overloaded));
        let ends =
            [bench.send(settle(bench.org, 1, "0.01")), bench.send(refund(bench.org, 2, "0.01"))];
        settle_down().await;
        gate.open(1);
        for task in waiting.into_iter().chain(ends) {
            task.await.unwrap().unwrap();
        }
        assert_eq!(bench.balance(), "59.03");
        bench.submit(debit(bench.org, 3, "0.01")).await.unwrap();
    });
}

#[test]
fn who_was_let_in_is_not_turned_away_after_a_panic() {
    run(async {
        let bench = Bench::with(three());
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::HoldAfter(gate.clone()));
        bench.script.fail_nth("commit", 1, Fault::PanicAfter);
        let mut tasks = vec![bench.send(debit(bench.org, 1, "1"))];
        gate.arrived().await;
        tasks.extend((2..=3).map(|n| bench.send(debit(bench.org, n, "1"))));
        settle_down().await;
        gate.open(1);
        // Others take the places that the dead actor's commands had.
        let late: Vec<_> = (4..30).map(|n| bench.send(debit(bench.org, n, "1"))).collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let mut taken = 3;
        for task in late {
            taken += usize::from(task.await.unwrap().is_ok());
        }
        assert_eq!(bench.debits(), taken);
    });
}

#[test]
fn draining_waits_for_all_and_lets_no_debit_in() {
    run(async {
        let bench = Bench::new();
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::Hold(gate.clone()));
        let first = bench.send(debit(bench.org, 1, "1"));
        gate.arrived().await;
        let second = bench.send(debit(bench.org, 2, "1"));
        settle_down().await;
        let wallets = Arc::clone(&bench.wallets);
        let drained = tokio::spawn(async move { wallets.drain().await });
        settle_down().await;
        assert!(is_pending(&drained));
        assert_eq!(bench.submit(debit(bench.org, 3, "1")).await, Err(CommandError::Overloaded));
        gate.open(1);
        drained.await.unwrap();
        assert_eq!(bench.debits(), 2);
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    });
}

#[test]
fn a_panic_while_draining_still_ends_what_was_let_in() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "1")).await.unwrap();
        bench.wallets.drain().await;
        bench.script.fail_next("commit", Fault::Panic);
        bench.submit(refund(bench.org, 1, "1")).await.unwrap();
        assert_eq!(bench.balance(), "100.00");
    });
}

#[test]
fn wallets_that_were_idle_for_long_are_let_go() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "1")).await.unwrap();
        bench.wallets.drop_idle();
        assert_eq!(bench.wallets.live(), 1);
        tokio::time::sleep(Duration::from_secs(61)).await;
        bench.wallets.drop_idle();
        assert_eq!(bench.wallets.live(), 0);
        bench.submit(debit(bench.org, 2, "1")).await.unwrap();
        assert_eq!(bench.balance(), "98.00");
    });
}

#[test]
fn a_wallet_that_has_something_to_do_is_not_let_go() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "1")).await.unwrap();
        let gate = Gate::new();
        bench.script.fail_next("commit", Fault::Hold(gate.clone()));
        let end = bench.send(refund(bench.org, 1, "1"));
        gate.arrived().await;
        tokio::time::sleep(Duration::from_secs(61)).await;
        bench.wallets.drop_idle();
        assert_eq!(bench.wallets.live(), 1);
        gate.open(1);
        end.await.unwrap().unwrap();
        assert_eq!(bench.balance(), "100.00");
        settle_down().await;
        bench.wallets.drop_idle();
        assert_eq!(bench.wallets.live(), 0);
    });
}

#[test]
fn a_wallet_that_waits_for_the_database_is_not_let_go() {
    run(async {
        let bench = Bench::new();
        bench.submit(debit(bench.org, 1, "1")).await.unwrap();
        bench.script.fail_next("commit", Fault::UnknownBefore);
        bench.script.fail_all("fence_wallet", Fault::Unavailable);
        let end = bench.send(refund(bench.org, 1, "1"));
        tokio::time::sleep(Duration::from_mins(2)).await;
        bench.wallets.drop_idle();
        assert_eq!(bench.wallets.live(), 1);
        assert!(is_pending(&end));
        bench.script.mend();
        end.await.unwrap().unwrap();
        assert_eq!(bench.balance(), "100.00");
    });
}
