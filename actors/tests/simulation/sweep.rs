//! Many seeds on all cores. Called by the test and by the command `simulate`.

use crate::run::{self, Ended, Figures};
use std::sync::Mutex;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Runs `count` seeds from `from` on, each on one of the cores, until one is broken or, with
/// `all`, to the last: what all of them did, and the first that was broken. `ended` is told of each.
pub fn sweep(
    (from, count): (u64, u64),
    all: bool,
    ended: impl Fn(&Ended) + Sync,
) -> (Figures, Option<Ended>) {
    hush();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let sums = Mutex::new((Figures::default(), None::<Ended>));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= count || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let one = run::run(from + place, false);
                    ended(&one);
                    let mut sums = sums.lock().unwrap();
                    sums.0.add(&one.figures);
                    if one.broken.is_some() {
                        stop.store(!all, Ordering::Relaxed);
                        if sums.1.as_ref().is_none_or(|first| one.seed < first.seed) {
                            sums.1 = Some(one);
                        }
                    }
                }
            });
        }
    });
    sums.into_inner().unwrap()
}

/// Scripted panics are no news.
pub fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload_as_str().is_none_or(|text| text != "scripted panic") {
                usual(info);
            }
        }));
    });
}

/// What happened in a run that can be read, and the command that shows it again.
pub fn told(ended: &Ended) -> String {
    let seed = ended.seed;
    let (hash, events) = ended.digest;
    let end = match &ended.broken {
        Some(broken) => format!("BROKEN: {broken}"),
        None => "Everything held.".to_owned(),
    };
    format!(
        "{}\nSeed {seed}, {events} events, history {hash:016x}. {end}\nTo see it again:\n\
         cargo run --release -p bappy-actors --example simulate -- --seed {seed}\n",
        ended.history
    )
}
