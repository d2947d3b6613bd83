//! The progress of long work: a bar on a terminal, lines elsewhere; on stderr.

use indicatif::ProgressBar;
use std::io::IsTerminal;

/// Where there is no terminal, progress is a line each so many steps.
const LINE_EVERY: u64 = 1_000;

/// How far something is.
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    /// What is counted, with what is done to it.
    what: &'static str,
}

impl Progress {
    /// Progress of `total` steps; its lines say how many of `what` are done.
    pub fn new(total: u64, what: &'static str) -> Self {
        let lines = !std::io::stderr().is_terminal();
        let bar = if lines { ProgressBar::hidden() } else { ProgressBar::new(total) };
        Self { bar, lines, what }
    }

    /// So many more are done.
    pub fn step(&self, steps: u64) {
        let before = self.bar.position();
        self.bar.inc(steps);
        let done = before + steps;
        if self.lines && done / LINE_EVERY > before / LINE_EVERY {
            eprintln!("{done} {}", self.what);
        }
    }

    /// All is done.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
