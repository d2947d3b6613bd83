//! A line of figures for each run, to be read with `--nocapture`.

use crate::agreement::Settled;
use crate::load::Told;
use crate::world::World;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// What services log where an outcome was unknown, and how it ended.
const MARKS: [(&str, &str); 6] = [
    ("unknown outcomes", r#""error":"Unknown("#),
    ("read-backs failed", "read-back failed"),
    ("took effect after a crash", "an interrupted operation took effect"),
    ("took none", "an interrupted operation took no effect"),
    ("landed after its refund and undone", "what landed after a refund is undone"),
    ("undo tried again", "what landed is not undone yet"),
];

/// Prints how a run went.
pub fn print(world: &World, name: &str, started: Instant, told: &[Told], settled: &Settled) {
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for told in told {
        *ends.entry(format!("{} {}", told.status, told.code)).or_default() += 1;
    }
    let mut stored: BTreeMap<String, usize> = BTreeMap::new();
    for o in &settled.operations {
        let failure = o.failure.as_deref().unwrap_or("-");
        *stored.entry(format!("{}/{failure}/{}", o.state, o.cleanup)).or_default() += 1;
    }
    let cut: usize = told.iter().map(|told| told.cut).sum();
    let slowest = told.iter().map(|told| told.took).max().unwrap_or(Duration::ZERO);
    let taken_over = settled.operations.iter().filter(|o| o.epoch > 0).count();
    let logs = world.logs();
    let mut text = format!("{name}: {} calls {ends:?}", told.len());
    write!(text, "; connections cut {cut}; slowest answer {slowest:.1?}").unwrap();
    write!(text, "; operations {stored:?}, taken over {taken_over}").unwrap();
    for (what, mark) in MARKS {
        let count = logs.lines().filter(|line| line.contains(mark)).count();
        write!(text, "; {what} {count}").unwrap();
    }
    let quiet = settled.after;
    write!(text, "; effects at the operator {}", settled.journal.len()).unwrap();
    write!(text, "; all settled {quiet:.1?} after the load; audit clean").unwrap();
    println!("{text}; balance {}; wall time {:.1?}", settled.balance, started.elapsed());
}
