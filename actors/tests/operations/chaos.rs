//! Many failures at once, by seed: whatever happens, everything comes to a good end once it stops.

use super::saga::{ALL, faults_of};
use crate::support::environment::epoch;
use crate::support::script::Script;
use crate::support::world::{World, run};
use bappy_actors::ports::Clock;
use proptest::prelude::*;
use std::time::Duration;

/// Fails every call with a chance of one in `odds`, drawn from `seed`.
fn storm(script: &Script, seed: u64, odds: u64) {
    let mut state = seed | 1;
    let mut draw = move |below: u64| {
        // SplitMix64: small, and the same everywhere.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % below
    };
    script.storm(move |method| {
        if draw(odds) > 0 {
            return None;
        }
        let mut faults = faults_of(method);
        let index = draw(faults.len() as u64);
        Some(faults.swap_remove(usize::try_from(index).unwrap()))
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_everything_comes_to_a_good_end(
        kind in 0..ALL.len(), seed in any::<u64>(), odds in 2u64..12, storm_s in 0u64..540,
    ) {
        let saga = ALL[kind];
        let (outside, link) = saga.prepare();
        storm(&outside.script, seed, odds);
        run(async {
            let world = World::over(&outside, epoch());
            let ended = saga.perform(&world, link).await;
            outside.assert_invariant();
            world.resolve(storm_s).await;
            outside.assert_invariant();
            outside.script.mend();
            // What hangs lands within the operator's worst time.
            outside.operator.land_late();
            outside.store.land_late();
            world.resolve(1_000).await;
            outside.assert_drained();
            drop(ended);
            tokio::time::timeout(Duration::from_mins(1), world.operations.drain()).await.unwrap();
            assert!(world.clock.elapsed() < Duration::from_secs(2_000));
        });
    }
}
