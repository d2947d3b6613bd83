//! What a wallet does when the database, or its own actor, fails under it.

use super::{Bench, settle_down};
use crate::support::commands::{credit, debit, refund, settle};
use crate::support::fixtures::org;
use crate::support::script::{Fault, Gate};
use crate::support::world::run;
use bappy_actors::ports::CommitOutcome;
use bappy_actors::wallet::CommandError;

#[test]
fn a_lost_answer_to_a_commit_that_took_effect_is_found_out() {
    run(async {
        let bench = Bench::new();
        bench.script.fail_next("commit", Fault::UnknownAfter);
        bench.submit(debit(bench.org, 1, "10")).await.unwrap();
        assert_eq!((bench.debits(), bench.balance()), (1, "90.00".to_owned()));
        for end in [settle(bench.org, 1, "10"), refund(bench.org, 2, "10")] {
            bench.submit(debit(bench.org, 2, "10")).await.ok();
            bench.script.fail_next("commit", Fault::UnknownAfter);
            bench.submit(end).await.unwrap();
        }
        assert_eq!(bench.balance(), "90.00");
    });
}

#[test]
fn a_lost_answer_to_a_commit_that_took_no_effect_is_made_good() {
    run(async {
        let bench = Bench::new();
        for end in [debit(bench.org, 1, "10"), refund(bench.org, 1, "10"), credit(1, "3")] {
            bench.script.fail_next("commit", Fault::UnknownBefore);
            bench.submit(end).await.unwrap();
        }
        assert_eq!((bench.debits(), bench.balance()), (1, "103.00".to_owned()));
    });
}

#[test]
fn a_commit_that_lands_after_its_answer_was_lost_is_shut_out() {
    run(async {
        let bench = Bench::new();
        bench.script.fail_next("commit", Fault::UnknownLate);
        bench.submit(debit(bench.org, 1, "10")).await.unwrap();
        assert_eq!(bench.store.land_late(), [CommitOutcome::Stale]);
        assert_eq!((bench.debits(), bench.balance()), (1, "90.00".to_owned()));
    });
}

#[test]
fn what_was_told_as_not_done_does_not_land_later() {
    run(async {
        let bench = Bench::new();
        bench.script.fail_next("commit", Fault::UnknownLate);
        bench.script.fail_nth("commit", 1, Fault::Unavailable);
        let told = bench.submit(debit(bench.org, 1, "10")).await;
        assert!(matches!(told, Err(CommandError::Unavailable(_))), "{told:?}");
        // Nothing was written since: only the fence keeps it out.
        assert_eq!(bench.store.land_late(), [CommitOutcome::Stale]);
        assert_eq!((bench.debits(), bench.balance()), (0, "100.00".to_owned()));
    });
}

#[test]
fn commands_in_doubt_wait_until_the_database_is_back() {
    run(async {
        let bench = Bench::new();
        bench.script.fail_next("commit", Fault::UnknownAfter);
        for _ in 0..5 {
            bench.script.fail_next("fence_wallet", Fault::Unavailable);
            bench.script.fail_next("operation_state", Fault::Unavailable);
        }
        let (one, two) =
            (bench.send(debit(bench.org, 1, "10")), bench.send(debit(bench.org, 2, "10")));
        one.await.unwrap().unwrap();
        two.await.unwrap().unwrap();
        assert_eq!((bench.debits(), bench.balance()), (2, "80.00".to_owned()));
    });
}

#[test]
fn a_database_that_is_away_is_told_at_once() {
    run(async {
        let bench = Bench::new();
        let started = tokio::time::Instant::now();
        for method in ["wallet", "commit"] {
            bench.script.fail_next(method, Fault::Unavailable);
            let told = bench.submit(debit(bench.org, 1, "10")).await;
            assert!(matches!(told, Err(CommandError::Unavailable(_))), "{told:?}");
        }
        assert!(started.elapsed().is_zero());
        bench.submit(debit(bench.org, 1, "10")).await.unwrap();
        assert_eq!((bench.debits(), bench.balance()), (1, "90.00".to_owned()));
    });
}

#[test]
fn a_panic_under_an_actor_loses_and_doubles_nothing() {
    for fault in [Fault::Panic, Fault::PanicAfter] {
        run(async {
            let bench = Bench::new();
            let gate = Gate::new();
            bench.script.fail_next("commit", Fault::Hold(gate.clone()));
            bench.script.fail_nth("commit", 1, fault);
            let first = bench.send(debit(bench.org, 1, "1"));
            gate.arrived().await;
            let others: Vec<_> = (2..50).map(|n| bench.send(debit(bench.org, n, "1"))).collect();
            settle_down().await;
            gate.open(1);
            first.await.unwrap().unwrap();
            for other in others {
                other.await.unwrap().unwrap();
            }
            assert_eq!((bench.debits(), bench.balance()), (49, "51.00".to_owned()));
            assert_eq!(bench.wallets.live(), 1);
        });
    }
}

#[test]
fn an_actor_that_keeps_dying_is_given_up_with_the_outcome_open() {
    run(async {
        let bench = Bench::new();
        bench.script.fail_next("commit", Fault::PanicAfter);
        bench.script.fail_all("fence_wallet", Fault::Panic);
        let told = bench.submit(debit(bench.org, 1, "1")).await;
        assert_eq!(told, Err(CommandError::Lost), "it is in the ledger");
        bench.script.mend();
        bench.submit(refund(bench.org, 1, "1")).await.unwrap();
        assert_eq!(bench.balance(), "100.00");
    });
}

#[test]
fn an_organization_without_a_wallet_is_told_so() {
    run(async {
        let bench = Bench::new();
        let told = bench.wallets.submit(org(9), debit(org(9), 1, "1")).await;
        assert_eq!(told, Err(CommandError::NoWallet));
    });
}
