//! What was played, for people: a line for each kind of operation and outcome.

use super::cell::{Cell, End, Report};
use super::kind::Kind;
use super::outcome::Outcome;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What became of the cells of one line.
#[derive(Clone, Debug, Default)]
struct Line {
    cells: usize,
    /// Deaths, and stops.
    ends: usize,
    failed: usize,
    /// What clients were told in the end, and how often.
    told: BTreeMap<String, usize>,
}

pub struct Table {
    lines: BTreeMap<(Kind, Outcome), Line>,
    /// How often a life ended where.
    points: BTreeMap<String, usize>,
    took: Duration,
}

impl Table {
    pub fn of(reports: &[(Cell, Result<Report, String>)], took: Duration) -> Self {
        let mut lines: BTreeMap<_, Line> = BTreeMap::new();
        let mut points: BTreeMap<String, usize> = BTreeMap::new();
        for (cell, report) in reports {
            let line = lines.entry((cell.kind, cell.outcome)).or_default();
            line.cells += 1;
            let Ok(report) = report else {
                line.failed += 1;
                continue;
            };
            line.ends += report.ended;
            if let Some(told) = &report.told {
                *line.told.entry(format!("{} {}", told.status, told.code)).or_default() += 1;
            }
            for end in &cell.ends[..report.ended] {
                let name = match end {
                    End::Point(name, _) => name.clone(),
                    End::Stop(name, _) => format!("stop {name}"),
                    end => end.to_string(),
                };
                *points.entry(name).or_default() += 1;
            }
        }
        Self { lines, points, took }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16} {:<8} {:>5} {:>6} {:>6}  told",
            "kind", "outcome", "cells", "ends", "failed"
        )?;
        let mut all = Line::default();
        for ((kind, outcome), line) in &self.lines {
            let Line { cells, ends, failed, told } = line;
            let (kind, outcome) = (format!("{kind:?}"), format!("{outcome:?}"));
            writeln!(f, "{kind:<16} {outcome:<8} {cells:>5} {ends:>6} {failed:>6}  {told:?}")?;
            all.cells += cells;
            all.ends += ends;
            all.failed += failed;
        }
        let Line { cells, ends, failed, .. } = all;
        writeln!(
            f,
            "{:<16} {:<8} {cells:>5} {ends:>6} {failed:>6}  in {:.0?}",
            "all", "", self.took
        )?;
        write!(f, "ends of lives: {:?}", self.points)
    }
}
