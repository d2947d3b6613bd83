//! Many failures at once, by seed: whatever happens, everything comes to a good end once it stops.

use super::saga::{ALL, Saga, faults_of};
use crate::support::draws::Draws;
use crate::support::environment::epoch;
use crate::support::script::Script;
use crate::support::world::{World, run};
use bappy_actors::ports::Clock;
use futures_util::future::join_all;
use proptest::prelude::*;
use std::time::Duration;

/// Fails every call with a chance of one in `odds`, drawn from `seed`.
fn storm(script: &Script, seed: u64, odds: u64) {
    let mut draws = Draws::new(seed);
    script.storm(move |method| {
        if draws.below(odds) > 0 {
            return None;
        }
        Some(draws.pick(&faults_of(method)))
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two instances, many operations on one wallet and one Link, and their resolvers beside them.
    #[test]
    fn many_at_once_on_two_instances_come_to_a_good_end(
        kinds in prop::collection::vec((0..ALL.len(), any::<bool>(), 0u64..5_000), 2..10),
        seed in any::<u64>(), odds in 2u64..40, storm_s in 0u64..500,
    ) {
        let (outside, link) = Saga::Remove.prepare();
        storm(&outside.script, seed, odds);
        outside.operator.state().latency = Duration::from_millis(150);
        run(async {
            let worlds = [World::over(&outside, epoch()), World::over(&outside, epoch())];
            let performed = kinds.iter().map(|(kind, second, after_ms)| {
                let world = &worlds[usize::from(*second)];
                async move {
                    tokio::time::sleep(Duration::from_millis(*after_ms)).await;
                    ALL[*kind].perform(world, link).await
                }
            });
            let resolved = async {
                tokio::join!(worlds[0].resolve(storm_s), worlds[1].resolve(storm_s));
            };
            tokio::join!(join_all(performed), resolved);
            outside.assert_invariant();
            outside.script.mend();
            outside.operator.land_late();
            outside.store.land_late();
            tokio::join!(worlds[0].resolve(1_000), worlds[1].resolve(1_000));
            outside.assert_drained();
        });
    }
}
