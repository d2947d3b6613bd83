//! How far a run is: a bar on a terminal, a line each few seconds elsewhere; on stderr.

use crate::load::report::ms;
use crate::load::{Settings, Tick};
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;

/// Where there is no terminal, progress is a line each so many seconds.
const LINE_EVERY_S: u64 = 5;

/// Shows how far a run is.
pub struct Watch {
    bar: ProgressBar,
    lines: bool,
    links: Cell<u32>,
}

impl Watch {
    /// Shows nothing yet.
    pub fn new() -> Self {
        let lines = !std::io::stderr().is_terminal();
        let bar = if lines { ProgressBar::hidden() } else { ProgressBar::new(0) };
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} s  {msg}") {
            bar.set_style(style);
        }
        Self { bar, lines, links: Cell::new(0) }
    }

    /// Another Link was made before the run.
    pub fn link_made(&self) {
        let made = self.links.get() + 1;
        self.links.set(made);
        if self.lines && made.is_multiple_of(100) {
            eprintln!("{made} Links made");
        }
        self.bar.set_message(format!("{made} Links made"));
    }

    /// A second is over.
    pub fn tick(&self, label: &str, settings: &Settings, tick: Tick) {
        let Some(measured) = tick.measured else {
            self.bar.set_message(format!("{label}warming up"));
            return;
        };
        let (second, of) = (measured.as_secs(), settings.duration.as_secs());
        let live = tick.live;
        let text =
            format!("{label}{} a second, p99 {}, {} errors", live.ok, ms(live.p99_ms), live.errors);
        if self.lines && (second.is_multiple_of(LINE_EVERY_S) || second == of) {
            eprintln!("{second} of {of} s: {text}");
        }
        self.bar.set_length(of);
        self.bar.set_position(second);
        self.bar.set_message(text);
    }

    /// Shows nothing any more.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
