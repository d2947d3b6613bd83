//! The same answers at a thousand, a hundred thousand and ten million transactions: three
//! databases of made-up histories, a service over each, every endpoint called on all in turns.

mod calls;
mod files;
mod fill;
mod history;
mod sink;

use crate::Failed;
use crate::process::{Process, command, program};
use crate::table::{goal, median, print};
use crate::world::{Engine, Service, Tuning, World};
use bappy::store::{blocks, months, ranks};
use calls::{Call, Site, changes, reads};
use chrono::TimeDelta;
use clap::{Args, ValueEnum};
use history::History;
use sink::{Cell, Sink};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, ValueEnum)]
enum Database {
    Postgres,
    Sqlite,
}

#[derive(Args)]
pub struct Growth {
    /// Transactions in each database; Links are a tenth of them
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,10000000")]
    rows: Vec<u64>,
    /// The database
    #[arg(long, value_enum, default_value = "postgres")]
    database: Database,
    /// Rounds, in which every endpoint takes its turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Calls of each endpoint and database in a round
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    calls: u64,
    /// Only endpoints with this in their name
    #[arg(long)]
    only: Option<String>,
    /// Has `bappy audit` look at the databases first; at ten million that takes many minutes
    #[arg(long)]
    audit: bool,
    /// Holds the databases' files in memory, by `vmtouch`: some systems take back what nobody has read for
    /// some seconds
    #[arg(long)]
    hold: bool,
}

/// A database with its service.
struct Grown {
    /// Ends before what it needs.
    service: Service,
    world: World,
    site: Site,
}

impl Growth {
    pub async fn run(self) -> Result<(), Failed> {
        if self.hold {
            files::can_hold()?;
        }
        let mut grown = Vec::new();
        for rows in &self.rows {
            grown.push(self.grow(*rows).await?);
        }
        // What is read last stays.
        let mut held: Vec<Process> = Vec::new();
        for grown in grown.iter().rev() {
            files::read_once(&grown.world).await?;
            if self.hold {
                held.push(files::hold(&grown.world).await?);
            }
        }
        let header: Vec<String> = self.rows.iter().map(|rows| format!("P50/P99 {rows}")).collect();
        let header: Vec<&str> = [""]
            .into_iter()
            .chain(header.iter().map(String::as_str))
            .chain(["P50 ÷", "P99 ÷"])
            .collect();
        let (mut rows, mut worst) = (Vec::new(), Vec::new());
        // What changes something comes last: else the smallest would grow from round to round.
        for mut calls in [reads(), changes()] {
            calls.retain(|call| self.only.as_ref().is_none_or(|only| call.name.contains(only)));
            let mut measured = vec![Vec::new(); calls.len()];
            for round in 0..self.rounds {
                for (call, rounds) in calls.iter().zip(&mut measured) {
                    let sizes = self.measure(call, &mut grown, round).await?;
                    // Seen at once: all of it takes a while.
                    let seen = row(call.name, std::slice::from_ref(&sizes));
                    eprintln!("{} {}", round + 1, seen.join("  "));
                    rounds.push(sizes);
                }
            }
            for (call, rounds) in calls.iter().zip(&measured) {
                rows.push(row(call.name, rounds));
                worst.push((grown_by(rounds).1, call.name));
            }
        }
        println!(
            "Milliseconds at each size, and by how many times they grow in each round; medians of {} \
             rounds of {} calls each, in turns",
            self.rounds, self.calls
        );
        print(&header, &rows);
        println!();
        let missed = worst.iter().filter(|(p99, _)| *p99 > 1.5).count();
        println!("{missed} of {} endpoints miss the goal of p99 ÷ ≤ 1.5", worst.len());
        if let Some((p99, name)) = worst.iter().max_by(|a, b| a.0.total_cmp(&b.0)) {
            goal(&format!("the worst ({name})"), *p99, "≤", 1.5);
        }
        Ok(())
    }

    /// Calls that are made before, and not counted: plans are made and caches filled.
    fn warm_up(&self) -> u64 {
        self.calls / 10
    }

    fn calls_a_round(&self) -> u64 {
        self.calls + self.warm_up()
    }

    async fn grow(&self, transactions: u64) -> Result<Grown, Failed> {
        let engine = match self.database {
            Database::Postgres => Engine::Postgres,
            Database::Sqlite => Engine::Sqlite,
        };
        let world = World::new(engine, 0).await?;
        let begin = Instant::now();
        let history = history(&world, transactions).await?;
        eprintln!("{transactions} transactions: filled in {:.0?}", begin.elapsed());
        if self.audit {
            audit(&world).await?;
        }
        let service = world.serve(Tuning::default()).await?;
        let site = Site::new(&world, service.at, history, self.calls_a_round()).await?;
        Ok(Grown { service, world, site })
    }

    /// The median and the 99th percentile in milliseconds, at each size.
    async fn measure(
        &self,
        call: &Call,
        grown: &mut [Grown],
        round: u64,
    ) -> Result<Vec<(f64, f64)>, Failed> {
        let mut times = vec![Vec::new(); grown.len()];
        for one in grown.iter_mut() {
            one.site.round = round;
            (call.before)(&mut one.site).await?;
        }
        for number in 0..self.calls_a_round() {
            for (one, times) in grown.iter().zip(&mut times) {
                let took = one.site.call(call, number).await.map_err(|Failed(why)| {
                    let log = std::fs::read_to_string(one.world.folder.path().join("serve.log"));
                    let log = log.unwrap_or_default();
                    let end: Vec<_> = log.lines().rev().take(2).collect();
                    Failed(format!(
                        "{why}\n{}\n(process {})",
                        end.join("\n"),
                        one.service.process.id()
                    ))
                })?;
                if number >= self.warm_up() {
                    times.push(took);
                }
            }
        }
        Ok(times.into_iter().map(percentiles).collect())
    }
}

/// By how many times the median and the 99th percentile are greater at the largest size: medians of what
/// each round says.
fn grown_by(rounds: &[Vec<(f64, f64)>]) -> (f64, f64) {
    let over = |of: fn(&(f64, f64)) -> f64| {
        median(rounds.iter().map(|sizes| of(&sizes[sizes.len() - 1]) / of(&sizes[0])))
    };
    (over(|times| times.0), over(|times| times.1))
}

/// A row of the table: medians of the rounds at each size, and by how much they grow.
fn row(name: &str, rounds: &[Vec<(f64, f64)>]) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    for size in 0..rounds[0].len() {
        let p50 = median(rounds.iter().map(|sizes| sizes[size].0));
        let p99 = median(rounds.iter().map(|sizes| sizes[size].1));
        row.push(format!("{p50:.2} / {p99:.2}"));
    }
    let (p50, p99) = grown_by(rounds);
    row.extend([format!("{p50:.2}"), format!("{p99:.2}")]);
    row
}

fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |hundredths: usize| times[(times.len() * hundredths / 100).min(times.len() - 1)];
    (at(50).as_secs_f64() * 1e3, at(99).as_secs_f64() * 1e3)
}

/// Fills the world's database with a history.
async fn history(world: &World, transactions: u64) -> Result<History, Failed> {
    let mut tx = world.parts.database.read().await?;
    let plans = all!(
        tx,
        (uuid::Uuid, String),
        "SELECT id, sponsor_id FROM plans WHERE sponsor_id =
             (SELECT sponsor_id FROM plans WHERE wholesale_price > 0 AND wholesale_currency = 'USD'
              ORDER BY wholesale_price, id LIMIT 1)
         ORDER BY wholesale_price, id LIMIT 20"
    )?;
    drop(tx);
    let sponsor = plans[0].1.clone();
    let plans: Vec<_> = plans.into_iter().map(|(id, _)| id).collect();
    let now = world.parts.clock.now();
    let history = History::new(transactions, now, plans);
    let mut sink = Sink::open(&world.database_url).await?;
    tenants(&mut sink, &history).await?;
    fill::fill(&mut sink, &history, &sponsor).await?;
    sink.done().await?;
    // What a service makes beside its work, in the minutes after it starts on a database like this.
    let (database, before) = (&world.parts.database, now - TimeDelta::hours(2));
    ranks::keep(database, before).await?;
    blocks::keep(database).await?;
    months::keep(database, before).await?;
    Ok(history)
}

/// Organizations, and what they may buy.
async fn tenants(sink: &mut Sink, history: &History) -> Result<(), Failed> {
    let mut orgs = history.orgs.iter();
    let columns = "id, slug, name, status, currency, price_per_sms, price_per_link, created_at, \
         updated_at";
    sink.fill("organizations", columns, |row| {
        let Some(org) = orgs.next() else { return false };
        row.extend([
            Cell::Id(org.id),
            Cell::Owned(org.slug()),
            Cell::Owned(org.slug()),
            Cell::Text("active"),
            Cell::Text("USD"),
            Cell::Int(50_000),
            Cell::Int(500_000),
            Cell::Time(history.begin),
            Cell::Time(history.begin),
        ]);
        true
    })
    .await?;
    let mut offers =
        history.orgs.iter().flat_map(|org| history.plans.iter().map(move |plan| (org.id, *plan)));
    sink.fill(
        "organization_plans",
        "org_id, plan_id, price, by_hand, enabled, updated_at",
        |row| {
            let Some((org, plan)) = offers.next() else { return false };
            row.extend([
                Cell::Id(org),
                Cell::Id(plan),
                Cell::Int(fill::PRICE),
                // As both databases read a boolean.
                Cell::Int(1),
                Cell::Int(1),
                Cell::Time(history.begin),
            ]);
            true
        },
    )
    .await?;
    Ok(())
}

/// What was made up must be as consistent as what came about.
async fn audit(world: &World) -> Result<(), Failed> {
    let mut command = command(&program());
    command.args(["audit", "--json"]).env("BAPPY_DATABASE__URL", &world.database_url);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    Err(Failed(format!("the audit is not clean: {}", said.chars().take(2_000).collect::<String>())))
}
