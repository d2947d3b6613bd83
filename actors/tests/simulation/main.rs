//! The core under a seeded scheduler and clock, with a modelled database and operator that fail in
//! all the ways that real ones do: see `run`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod run;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests of one failure at a time")]
mod support;
mod sweep;

/// As many as take a minute on two cores.
const SEEDS: u64 = 2_000;

#[test]
fn whatever_happens_the_money_adds_up_and_what_was_told_holds() {
    let (figures, broken) = sweep::sweep((0, SEEDS), false, |_| {});
    println!("{figures}");
    if let Some(broken) = broken {
        panic!("{}", sweep::told(&run::run(broken.seed, true)));
    }
}

#[test]
fn a_seed_is_the_same_history_each_time() {
    sweep::hush();
    for seed in 0..20 {
        let (once, again, unread) =
            (run::run(seed, true), run::run(seed, true), run::run(seed, false));
        assert_eq!(once.history, again.history, "seed {seed}");
        assert_eq!(once.digest, unread.digest, "seed {seed}");
    }
}
