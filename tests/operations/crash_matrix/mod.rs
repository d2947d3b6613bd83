//! The crash matrix: the service dies at every boundary of every kind of operation, whatever the
//! operator answers; it comes back, and is to be found as if nothing had been.
//!
//! The boundaries are found by running: each kind meets each outcome once with nobody dying, which
//! shows the points that are passed (see `bappy_actors::fault_points`); then it is played again for
//! each of them with a death there; and once more for each point that the life after that passes,
//! with a second death. On PostgreSQL the service also stands still at each point until another one
//! has brought all to its end, and then goes on with what it knew. A part of it is always played; all of it, with its table, takes
//! `BAPPY_FULL=1`. Some cells alone: `BAPPY_TEST_CELL="Topup × Hang × ledger.commit@1"`, with `;` between them.

mod cell;
mod ground;
mod kind;
mod outcome;
mod points;
mod sample;
mod table;
mod verdict;
mod way;

use crate::sizes;
use crate::template::Template;
use crate::world::World;
use bappy_actors::model::Timestamp;
use cell::{Cell, End, Report};
use ground::Ground;
use kind::Kind;
use outcome::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::Table;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// A point that is passed more often is passed in a loop: dying there once more shows nothing.
const TIMES_MAX: usize = 3;
/// The monthly job waits so long into a month.
const FEES_BEGIN: Duration = Duration::from_mins(5);

struct Templates {
    usual: Template<Ground>,
    fees: Template<Ground>,
}

pub async fn the_service_may_die_at_any_point(world: World) {
    let takes_two = world.database_url.starts_with("postgres");
    let other = world.another().await;
    let templates =
        Templates { usual: ground::usual(world).await, fees: ground::before_the_fees(other).await };
    let mut stage = Played::new(templates);
    if let Ok(name) = std::env::var("BAPPY_TEST_CELL") {
        stage.play(name.split(';').map(sample::parse).collect()).await;
    } else if sizes::is_full() {
        stage.play(all_kinds_and_outcomes()).await;
        stage.play(stage.first_deaths()).await;
        stage.play(stage.second_deaths()).await;
        if takes_two {
            stage.play(stage.stops()).await;
        }
        stage.every_point_was_met();
    } else {
        let stops = if takes_two { &sample::STOPS[..] } else { &[] };
        let cells = sample::CELLS.iter().chain(stops).map(|name| sample::parse(name));
        stage.play(cells.collect()).await;
        stage.all_lives_ended();
        stage.every_point_was_met();
    }
    stage.nothing_failed();
}

/// What was played so far.
struct Played {
    templates: Arc<Templates>,
    started: Instant,
    reports: Vec<(Cell, Result<Report, String>)>,
}

impl Played {
    fn new(templates: Templates) -> Self {
        Self { templates: Arc::new(templates), started: Instant::now(), reports: Vec::new() }
    }

    /// Plays cells, a number of them at a time.
    async fn play(&mut self, cells: Vec<Cell>) {
        until_fees_are_due().await;
        let places = Arc::new(Semaphore::new(sizes::size("CELLS_AT_ONCE", 12, 16)));
        let (mut playing, count) = (JoinSet::new(), cells.len());
        for cell in cells {
            let (places, templates) = (Arc::clone(&places), Arc::clone(&self.templates));
            playing.spawn(async move {
                let _place = places.acquire().await.unwrap();
                let played = cell.clone();
                let report = tokio::spawn(async move {
                    let fees = played.kind == Kind::MonthlyFees;
                    let template = if fees { &templates.fees } else { &templates.usual };
                    played.play(template).await
                });
                let report = report.await.map_err(what_failed);
                if let Err(why) = &report {
                    eprintln!("FAILED: {cell}: {why}");
                }
                (cell, report)
            });
        }
        let mut done = 0;
        while let Some(report) = playing.join_next().await {
            self.reports.push(report.unwrap());
            done += 1;
            if done % 50 == 0 {
                println!("{done} of {count} cells, {:.0?}", self.started.elapsed());
            }
        }
    }

    /// What went well, with what was seen.
    fn good(&self) -> impl Iterator<Item = (&Cell, &Report)> {
        self.reports.iter().filter_map(|(cell, report)| Some((cell, report.as_ref().ok()?)))
    }

    /// For each run with no death, one with a death at each point that it passed.
    fn first_deaths(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (cell, report) in self.good().filter(|(cell, _)| cell.ends.is_empty()) {
            let mut times: BTreeMap<&str, usize> = BTreeMap::new();
            let mut ends = Vec::new();
            for point in report.passed.iter().flatten() {
                let nth = times.entry(point).or_default();
                *nth += 1;
                if *nth <= TIMES_MAX {
                    ends.push(End::Point(point.clone(), *nth));
                }
            }
            if report.told.is_some() {
                ends.push(End::Told);
            }
            if cell.kind.operation().0 != "none" {
                ends.push(End::InFlight);
            }
            cells.extend(ends.into_iter().map(|end| Cell { ends: vec![end], ..cell.clone() }));
        }
        cells
    }

    /// For each kind, outcome and point that a life after a death has passed, one with a second
    /// death there.
    fn second_deaths(&self) -> Vec<Cell> {
        let mut seen = BTreeSet::new();
        let mut cells = Vec::new();
        for (cell, report) in self.good().filter(|(cell, _)| cell.ends.len() == 1) {
            for point in report.passed.get(1).into_iter().flatten() {
                if seen.insert((cell.kind, cell.outcome, point.clone())) {
                    let ends = vec![cell.ends[0].clone(), End::Point(point.clone(), 1)];
                    cells.push(Cell { ends, ..cell.clone() });
                }
            }
        }
        cells
    }

    /// For each run with no death, one that stands still at each point that it passed.
    fn stops(&self) -> Vec<Cell> {
        let mut cells = self.first_deaths();
        cells.retain_mut(|cell| match &mut cell.ends[0] {
            End::Point(name, nth) => {
                cell.ends[0] = End::Stop(std::mem::take(name), *nth);
                true
            }
            _ => false,
        });
        cells
    }

    /// Each point of the code was the end of a life.
    fn every_point_was_met(&self) {
        let mut missing = points::in_the_code();
        for (cell, report) in self.good() {
            for end in &cell.ends[..report.ended] {
                if let End::Point(name, _) = end {
                    missing.remove(name);
                }
            }
        }
        assert!(missing.is_empty(), "no service died at {missing:?}");
    }

    fn all_lives_ended(&self) {
        for (cell, report) in self.good() {
            assert_eq!(report.ended, cell.ends.len(), "it did not end where it was to: {cell}");
        }
    }

    fn nothing_failed(&self) {
        println!("{}", Table::of(&self.reports, self.started.elapsed()));
        let failed: Vec<_> =
            self.reports.iter().filter(|(_, r)| r.is_err()).map(|(c, _)| c.to_string()).collect();
        assert!(failed.is_empty(), "failed: {failed:#?}");
    }
}

/// Each kind with each outcome that makes sense of it, and nobody dies.
fn all_kinds_and_outcomes() -> Vec<Cell> {
    let of = |kind: Kind| {
        let outcomes = Outcome::ALL.into_iter().filter(move |outcome| kind.can_meet(*outcome));
        outcomes.map(move |outcome| Cell { kind, outcome, ends: Vec::new() })
    };
    Kind::ALL.into_iter().flat_map(of).collect()
}

/// In the first minutes of a month no fee is due yet.
async fn until_fees_are_due() {
    let due = ground::this_month().begins_at() + FEES_BEGIN;
    if let Ok(wait) = (due - Timestamp::from(std::time::SystemTime::now())).to_std() {
        tokio::time::sleep(wait).await;
    }
}

fn what_failed(ended: tokio::task::JoinError) -> String {
    match ended.try_into_panic() {
        Ok(panic) => match panic.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None => (*panic.downcast_ref::<&str>().unwrap_or(&"a panic")).to_owned(),
        },
        Err(ended) => ended.to_string(),
    }
}
