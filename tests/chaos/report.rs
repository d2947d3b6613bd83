//! The table at the end of a run.

use super::lanes::Answers;
use super::reader::Readings;
use super::wire::Wire;
use super::{Parameters, Settled, Tally};
use crate::world::World;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// What services log where an outcome is unknown, and how it ended.
const UNKNOWN: [(&str, &str); 11] = [
    ("calls to the operator with an unknown outcome", r#""error":"Unknown("#),
    ("changes at the operator in doubt", "a change at the operator is in doubt"),
    ("SMS with an unknown outcome", "the outcome of an SMS is unknown"),
    ("read-backs that failed", "read-back failed"),
    ("interrupted, and took effect", "an interrupted operation took effect"),
    ("interrupted, and took none: refunded", "an interrupted operation took no effect"),
    ("landed after a refund, and undone", "what landed after a refund is undone"),
    ("undone only at another try", "what landed is not undone yet"),
    ("SMS given up and refunded", "an SMS is given up"),
    ("commits whose answer was lost (batches)", "the outcome of a commit was lost"),
    ("records whose answer was lost", "the record of an operation is in doubt"),
];

#[expect(clippy::too_many_arguments, reason = "all that there is to tell")]
pub fn print(
    world: &World,
    parameters: &Parameters,
    tally: &Tally,
    answers: &Answers,
    settled: &Settled,
    readings: &Readings,
    wires: &[Wire],
    played_in: Duration,
) {
    println!("\nchaos, seed {}: {played_in:.0?}", parameters.seed);
    for (what, count) in tally.all() {
        line(what, count);
    }
    line("connections to the database opened", wires.iter().map(Wire::opened).sum::<usize>());
    line("requests to cancel something at PostgreSQL", 0);
    println!("calls, by what their clients were told in the end");
    let mut told: BTreeMap<_, usize> = BTreeMap::new();
    for (asked, told_of) in &answers.told {
        *told.entry((asked, told_of.status, &*told_of.code)).or_default() += 1;
    }
    for ((asked, status, code), count) in told {
        line(&format!("  {asked:?}: {status} {code}"), count);
    }
    line("connections that broke before an answer", answers.told.iter().map(|(_, t)| t.cut).sum());
    line("clients that hung up", answers.hang_ups);
    println!("operations, as the database has them");
    let mut stored: BTreeMap<String, usize> = BTreeMap::new();
    for o in &settled.operations {
        let failure = o.failure.as_deref().unwrap_or("-");
        *stored.entry(format!("  {}, {failure}, cleanup {}", o.state, o.cleanup)).or_default() += 1;
    }
    for (what, count) in stored {
        line(&what, count);
    }
    line("  of these taken over", settled.operations.iter().filter(|o| o.epoch > 0).count());
    for (what, count) in &settled.messages {
        line(&format!("  SMS {what}"), *count);
    }
    println!("unknown outcomes, and how they ended");
    let logs = world.logs();
    for (what, mark) in UNKNOWN {
        line(&format!("  {what}"), logs.lines().filter(|line| line.contains(mark)).count());
    }
    let (doubtful, applied) = looked_up(&logs);
    line("  commands of lost commits that were looked up", doubtful);
    line("    found in the ledger", applied);
    line("    not there, and decided again", doubtful - applied);
    println!("agreement");
    line("  wallet against ledger, in SQL", readings.sql);
    line("  balance through the API", readings.api);
    line("  audits while it ran", readings.audits);
    line("  effects at the operator, one to one", settled.effects);
    println!("  all settled {:.1?} after the last call; audit clean", settled.after);
    println!("  balance {}", settled.balance);
}

fn line(what: &str, count: usize) {
    println!("{what:<58} {count:>9}");
}

/// How many commands of lost commits were looked up, and how many were there.
fn looked_up(logs: &str) -> (usize, usize) {
    let lines = logs.lines().filter(|line| line.contains("lost commits were looked up"));
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let number =
        |line: &Value, key: &str| usize::try_from(line[key].as_u64().unwrap_or(0)).unwrap();
    lines.fold((0, 0), |(all, there), line| {
        (all + number(&line, "doubtful"), there + number(&line, "applied"))
    })
}
