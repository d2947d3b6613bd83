//! One cell: a call whose answer from the operator is scripted, in a service that dies where it
//! is told to, comes back, and is to be found as if nothing had been.

use super::ground::Ground;
use super::kind::Kind;
use super::outcome::Outcome;
use super::verdict;
use super::way::{Script, Way};
use crate::load::{Call, Client, Load, Told};
use crate::template::{self, Template};
use crate::world::{Service, Times, World};
use bappy::store::{DbError, Time};
use bappy_actors::model::Money;
use chrono::TimeDelta;
use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Short, so that a cell is: nothing here is slow but what is scripted to be.
const TIMES: Times = Times {
    call: Duration::from_millis(500),
    deadline: Duration::from_millis(1_500),
    horizon: Duration::from_secs(3),
};
/// What comes late comes past the deadline, and within the horizon.
const LATE: Duration = Duration::from_millis(2_500);
/// How long the operator is away from what nobody waits for.
const OUTAGE: Duration = Duration::from_secs(2);
/// A life that has not ended by then, nor come to rest, never will: the horizon, the leases of
/// whoever died before, and half a minute for a look that failed.
const REST_MAX: Duration = Duration::from_secs(90);

/// Where a life of the service ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// By itself, at a point that it passes for the nth time.
    Point(String, usize),
    /// Not at all: it stops at a point that it passes for the nth time, until another service, which
    /// runs beside it from then on, has brought all to its end; and then goes on as if nothing had
    /// been. A second one is where that other service stands still.
    Stop(String, usize),
    /// Killed while the scripted call is with the operator.
    InFlight,
    /// Killed when the client has its answer.
    Told,
}

/// What is to happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    pub kind: Kind,
    pub outcome: Outcome,
    /// How the service's lives end, one after the other; the one after them does not.
    pub ends: Vec<End>,
}

/// What has happened.
#[derive(Debug)]
pub struct Report {
    /// The points that each life has passed.
    pub passed: Vec<Vec<String>>,
    /// How many of the lives ended where they were to.
    pub ended: usize,
    /// What the client was told in the end; nobody asks for the monthly fees.
    pub told: Option<Told>,
}

impl Cell {
    fn times(&self) -> Times {
        match (self.kind, self.ends.first()) {
            // A message may still be sent by who takes it over, when its lease of eight seconds is
            // over.
            (Kind::SendSms, Some(End::Stop(..))) => {
                Times { horizon: Duration::from_secs(12), ..TIMES }
            }
            _ => TIMES,
        }
    }

    /// Plays it, and checks all there is to check.
    pub async fn play(&self, template: &Template<Ground>) -> Report {
        let world = template.copy(self.times()).await;
        let (operation, spared) = self.kind.operation();
        let held = self.ends.first() == Some(&End::InFlight);
        let script = Script { operation, outcome: self.outcome, spared, held, late: LATE };
        let way = Way::to(world.operator_at, world.client.clone(), script).await;
        let mut service = world.service("serve", &format!("http://{}", way.at));
        service.set(template::FEW_CONNECTIONS.0, template::FEW_CONNECTIONS.1);
        if self.kind == Kind::MonthlyFees {
            service.set("BAPPY_FEES__ENABLED", "true");
        }
        let before = world.balance().await;
        let mut stage = Stage { cell: self, world: &world, way: &way, ended: 0 };
        stage.start(&mut service, 0).await;
        let told = if let Some(call) = self.kind.call(&template.known) {
            Some(stage.calls(&mut service, call, before).await)
        } else {
            stage.lives(&mut service, None).await;
            way.quiet().await;
            way.lift();
            // Once more by hand, which charges nothing twice, and suspends what would not be.
            world.run(&["fees", "run"]).await;
            stage.lives(&mut service, None).await;
            verdict::fees(&world, &template.known).await;
            None
        };
        let ended = stage.ended;
        let passed = (0..=ended).map(|life| passed(&world.file(&format!("passed-{life}"))));
        let report = Report { passed: passed.collect(), ended, told };
        drop(service);
        template::remove(world).await;
        report
    }
}

struct Stage<'a> {
    cell: &'a Cell,
    world: &'a World,
    way: &'a Way,
    ended: usize,
}

/// How a life goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Died,
    Stopped,
    Rests,
}

impl Stage<'_> {
    async fn start(&self, service: &mut Service, life: usize) {
        let log = self.world.file(&format!("passed-{life}"));
        service.set("FAULT_POINTS_PASSED", &log.display());
        service.unset("FAULT_POINT");
        service.unset("FAULT_STOP");
        match self.cell.ends.get(life) {
            Some(End::Point(name, nth)) => service.set("FAULT_POINT", &format!("{name}@{nth}")),
            Some(End::Stop(name, nth)) => service.set("FAULT_STOP", &format!("{name}@{nth}")),
            _ => {}
        }
        service.start_or_end(&self.world.client).await;
    }

    /// The call, and once all of it is done with the same call under the same key. Gives what its
    /// client was told.
    async fn calls(&mut self, service: &mut Service, call: Call, before: Money) -> Told {
        let (world, way, kind) = (self.world, self.way, self.cell.kind);
        let load = Load::new(world, vec![service.at], Client::Patient, 1);
        let asking = async {
            let told = load.run(vec![call.clone()]).await.remove(0);
            verdict::holds_at_once(world, kind, &told).await;
            told
        };
        let (told, ()) = tokio::join!(asking, self.lives(service, Some((&load, 1))));
        way.quiet().await;
        way.lift();
        verdict::in_the_end(world, kind, &[&told], before).await;
        let again = load.run(vec![call]);
        let (again, ()) = tokio::join!(again, self.lives(service, Some((&load, 2))));
        verdict::second_use(world, kind, &told, &again[0]).await;
        verdict::in_the_end(world, kind, &[&told, &again[0]], before).await;
        told
    }

    /// Has the service die as often as it is to, and come to rest in the end, so many calls
    /// answered.
    async fn lives(&mut self, service: &mut Service, load: Option<(&Load<'_>, usize)>) {
        while let Some(end) = self.cell.ends.get(self.ended) {
            match end {
                End::Point(..) | End::Stop(..) => match self.fate(service, load).await {
                    Fate::Died => {}
                    Fate::Stopped => {
                        self.ended += 1;
                        self.is_taken_over(service).await;
                        continue;
                    }
                    Fate::Rests => return,
                },
                End::InFlight => {
                    tokio::select! {
                        () = self.way.met() => {}
                        _ = self.fate(service, load) => return,
                    }
                    service.kill9();
                }
                End::Told => {
                    let (load, calls) = load.unwrap();
                    load.reaches(calls).await;
                    service.kill9();
                }
            }
            self.ended += 1;
            self.way.lift();
            age_claims(self.world).await;
            self.start(service, self.ended).await;
        }
        assert_eq!(self.fate(service, load).await, Fate::Rests, "it ended of itself");
    }

    /// Another service brings to its end what the one that stands still holds; then that one goes
    /// on, with what it knew. Where the other is to stand still as well it does so in the middle of
    /// that, and goes on last.
    async fn is_taken_over(&mut self, service: &mut Service) {
        self.way.lift();
        let mut other = self.world.service("serve-other", &format!("http://{}", self.way.at));
        other.set(template::FEW_CONNECTIONS.0, template::FEW_CONNECTIONS.1);
        other.set("BAPPY_FEES__ENABLED", &(self.cell.kind == Kind::MonthlyFees));
        if let Some(End::Stop(name, nth)) = self.cell.ends.get(self.ended) {
            other.set("FAULT_STOP", &format!("{name}@{nth}"));
        }
        other.start_or_end(&self.world.client).await;
        let started = Instant::now();
        while !other.process().is_paused() && !self.is_at_rest().await {
            assert!(started.elapsed() < REST_MAX, "no rest:\n{}", self.world.warnings());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        service.process().go_on();
        if other.process().is_paused() {
            self.ended += 1;
            // Whatever it is going to do with what it lost it does now.
            tokio::time::sleep(OUTAGE).await;
            other.process().go_on();
            while !self.is_at_rest().await {
                assert!(started.elapsed() < REST_MAX, "no rest:\n{}", self.world.warnings());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Waits until the service has ended at its point, or all calls are answered and it will not
    /// any more.
    async fn fate(&self, service: &mut Service, load: Option<(&Load<'_>, usize)>) -> Fate {
        let lifted = async {
            // Who waits for an answer is answered before the operator is back.
            match load {
                Some((load, calls)) if !self.cell.kind.is_in_background() => {
                    load.reaches(calls).await;
                }
                _ => {
                    self.way.met().await;
                    tokio::time::sleep(OUTAGE).await;
                }
            }
            self.way.lift();
            std::future::pending::<()>().await;
        };
        let ended = async {
            let started = Instant::now();
            loop {
                if let Some(status) = service.ended() {
                    assert_eq!(status.signal(), Some(6), "{status}\n{}", self.world.logs());
                    return Fate::Died;
                }
                if service.process().is_paused() {
                    return Fate::Stopped;
                }
                let answered = load.is_none_or(|(load, calls)| load.answered() >= calls);
                if answered && self.is_at_rest().await {
                    return Fate::Rests;
                }
                assert!(started.elapsed() < REST_MAX, "no rest:\n{}", self.world.warnings());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            ended = ended => ended,
            () = lifted => unreachable!(),
        }
    }

    /// Whether nothing goes on any more.
    async fn is_at_rest(&self) -> bool {
        // First whether all has begun, then whether it has ended.
        if self.cell.kind == Kind::MonthlyFees && !verdict::fees_are_run(self.world).await {
            return false;
        }
        let found = verdict::audited(self.world).await;
        let messages = verdict::messages_under_way(self.world).await;
        found.in_flight == 0 && found.watched == 0 && messages == 0
    }
}

/// A card that was claimed by who has died before it was recorded is free after two minutes; here
/// they pass at once.
async fn age_claims(world: &World) {
    let long_ago = world.parts.clock.now() - TimeDelta::minutes(3);
    let aged = world.parts.database.write(move |tx| {
        Box::pin(async move {
            let sql = "UPDATE sims SET claimed_at = $1 WHERE state = 'claimed'";
            exec!(tx, sql, Time::from(long_ago))?;
            Ok::<_, DbError>(())
        })
    });
    aged.await.unwrap();
}

fn passed(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point(name, nth) => write!(f, "{name}@{nth}"),
            Self::Stop(name, nth) => write!(f, "stop {name}@{nth}"),
            Self::InFlight => f.write_str("in flight"),
            Self::Told => f.write_str("told"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} × {:?}", self.kind, self.outcome)?;
        for end in &self.ends {
            write!(f, " × {end}")?;
        }
        Ok(())
    }
}
