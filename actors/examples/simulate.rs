//! Runs the simulation of the core for any number of seeds, on all cores; or one seed, with its
//! history.
//!
//! ```text
//! cargo run --release -p bappy-actors --example simulate -- --seeds 100000 --from 0
//! cargo run --release -p bappy-actors --example simulate -- --seed 4711
//! ```

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "the simulation is made of tests")]

#[path = "../tests/simulation/run/mod.rs"]
mod run;
#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod support;
#[path = "../tests/simulation/sweep.rs"]
mod sweep;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;

/// Runs the simulation of the core: instances, database and operator by seed, in virtual time.
#[derive(Parser)]
struct Options {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Go on past broken seeds, and count them.
    #[arg(long)]
    all: bool,
    /// One seed alone, with its history.
    #[arg(long, conflicts_with_all = ["seeds", "from", "all"])]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(seed) = options.seed {
        return replay(seed);
    }
    let style = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left";
    let bar = ProgressBar::new(options.seeds);
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let (figures, broken) =
        { sweep::sweep((options.from, options.seeds), options.all, |_| bar.inc(1)) };
    bar.finish_and_clear();
    println!("{figures}");
    match broken {
        Some(broken) => replay(broken.seed),
        None => ExitCode::SUCCESS,
    }
}

/// Runs a seed and shows what happened.
fn replay(seed: u64) -> ExitCode {
    sweep::hush();
    let ended = run::run(seed, true);
    print!("{}", sweep::told(&ended));
    if ended.broken.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
