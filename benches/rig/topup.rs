//! Top-ups over REST.

use crate::Failed;
use crate::load::{Figures, Run, load};
use crate::pgbench::{Form, Pgbench};
use crate::table::{goal, median, print};
use crate::usage::{cpu_us, postgres_cpu_us};
use crate::world::{Engine, Service, Tuning, World};
use clap::Args;

/// Connections to one hot wallet where nothing else is said.
const HOT_CONNECTIONS: u32 = 64;

/// What all rounds have in common.
#[derive(Args, Clone, Copy)]
struct Rounds {
    /// Rounds, in which everything takes its turn
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each turn
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

#[derive(Args)]
pub struct Topup {
    #[command(flatten)]
    rounds: Rounds,
    /// Connections of the load
    #[arg(long, default_value_t = HOT_CONNECTIONS)]
    connections: u32,
    /// Milliseconds that each call to the operator takes
    #[arg(long, default_value_t = 0)]
    operator_ms: u32,
    /// Leaves pgbench out
    #[arg(long)]
    no_pgbench: bool,
    /// Leaves the plain handler out
    #[arg(long)]
    no_plain: bool,
}

/// What one turn of the service cost, in microseconds of CPU a top-up.
#[derive(Clone, Copy)]
struct Cost {
    service: f64,
    operator: f64,
    postgres: f64,
    client: f64,
}

/// Drives a service and says what it cost.
async fn measured(
    world: &World,
    service: &Service,
    postmaster: Option<u32>,
    run: &Run,
) -> Result<(Figures, Cost), Failed> {
    let used = || {
        let postgres = postmaster.map_or(0.0, postgres_cpu_us);
        [cpu_us(service.process.id()), cpu_us(world.operator.id()), postgres]
    };
    let before = used();
    let figures = load(world, service.at, run).await?;
    let after = used();
    let [service, operator, postgres] =
        std::array::from_fn(|at| (after[at] - before[at]) / figures.ok());
    let client = figures.client_us();
    Ok((figures, Cost { service, operator, postgres, client }))
}

fn row(name: &str, figures: &Figures, cost: Option<Cost>) -> Vec<String> {
    let mut row = vec![name.to_owned(), format!("{:.0}", figures.rate())];
    row.extend(["p50", "p99", "p99_9"].map(|which| format!("{:.2}", figures.latency(which))));
    if let Some(cost) = cost {
        let parts = [cost.service, cost.operator, cost.postgres, cost.client];
        row.extend(parts.map(|us| format!("{us:.1}")));
    }
    row
}

const HEADER: [&str; 9] = [
    "",
    "RATE/S",
    "P50 MS",
    "P99 MS",
    "P99.9 MS",
    "SERVICE µs",
    "OPERATOR µs",
    "POSTGRES µs",
    "CLIENT µs",
];

/// The Links are made and every cache is warm.
async fn warm_up(world: &World, service: &Service, run: &Run) -> Result<(), Failed> {
    let run = Run { seconds: 3, warm_up: 0, ..run.clone() };
    load(world, service.at, &run).await.map(|_| ())
}

impl Topup {
    pub async fn run(self) -> Result<(), Failed> {
        let Rounds { rounds, seconds } = self.rounds;
        let world = World::new(Engine::Postgres, 1).await?;
        let pgbench = if self.no_pgbench { None } else { Some(Pgbench::new().await?) };
        let service = world.serve(Tuning::default()).await?;
        let plain = if self.no_plain {
            None
        } else {
            Some(world.serve_own("plain", Some(&service)).await?)
        };
        let postmaster = world.postmaster()?;
        let run = Run { connections: self.connections, seconds, ..Run::default() };
        warm_up(&world, &service, &run).await?;
        if self.operator_ms > 0 {
            world.operator_takes(self.operator_ms).await?;
        }
        println!(
            "Top-ups on one wallet over REST: {} connections, 64 Links, operator at {} ms; \
             {rounds} rounds of {seconds} s",
            self.connections, self.operator_ms
        );
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let (mut hot, mut best) = (Vec::new(), Vec::new());
        let mut rows = Vec::new();
        for round in 1..=rounds {
            let (figures, cost) = measured(&world, &service, postmaster, &run).await?;
            rows.push(row(&format!("{round} service"), &figures, Some(cost)));
            ours.push(figures);
            if let Some(pgbench) = &pgbench {
                let rate = pgbench.run(Form::Transaction, 64, seconds).await?;
                rows.push(vec![format!("{round} pgbench, 64 clients"), format!("{rate:.0}")]);
                hot.push(rate);
                let mut cte = 0.0_f64;
                for clients in [1, 8] {
                    let rate = pgbench.run(Form::Cte, clients, seconds / 2).await?;
                    let name = format!("{round} pgbench, one CTE, {clients} clients");
                    rows.push(vec![name, format!("{rate:.0}")]);
                    cte = cte.max(rate);
                }
                best.push(cte);
            }
            if let Some(plain) = &plain {
                let (figures, cost) = measured(&world, plain, postmaster, &run).await?;
                rows.push(row(&format!("{round} plain handler"), &figures, Some(cost)));
                theirs.push(figures);
            }
        }
        print(&HEADER, &rows);
        println!();
        let rate = median(ours.iter().map(Figures::rate));
        println!("medians: service {rate:.0}/s, p99 {:.2} ms", p99(&ours));
        // Each round is a ratio of its own: what disturbs a round disturbs both sides of it.
        let ratio = |other: &[f64]| {
            median(ours.iter().zip(other).map(|(figures, other)| figures.rate() / other))
        };
        if pgbench.is_some() {
            goal("÷ pgbench hot row, 64 clients", ratio(&hot), "≥", 10.0);
            goal("÷ pgbench's best form", ratio(&best), "≥", 3.0);
        }
        if plain.is_some() {
            let rates: Vec<f64> = theirs.iter().map(Figures::rate).collect();
            let wanted = if self.operator_ms == 0 { 10.0 } else { 7.0 };
            println!("plain handler {:.0}/s, p99 {:.2} ms", median(rates.clone()), p99(&theirs));
            goal("÷ plain handler", ratio(&rates), "≥", wanted);
            let slower = ours.iter().zip(&theirs).map(|(a, b)| a.latency("p99") / b.latency("p99"));
            goal("p99 ÷ the plain handler's", median(slower), "≤", 0.1);
        }
        Ok(())
    }
}

fn p99(runs: &[Figures]) -> f64 {
    median(runs.iter().map(|figures| figures.latency("p99")))
}

#[derive(Args)]
pub struct Slow {
    #[command(flatten)]
    rounds: Rounds,
    /// Milliseconds that each call to the operator takes
    #[arg(long, default_value_t = 50)]
    operator_ms: u32,
    /// Calls to the operator at a time, as configured
    #[arg(long, default_value_t = 64)]
    concurrency: u32,
    /// Connections of the load
    #[arg(long, default_value_t = 256)]
    connections: u32,
}

impl Slow {
    pub async fn run(self) -> Result<(), Failed> {
        let Rounds { rounds, seconds } = self.rounds;
        let world = World::new(Engine::Postgres, 1).await?;
        let tuning = Tuning { concurrency: self.concurrency, ..Tuning::default() };
        let service = world.serve(tuning).await?;
        let run = Run { connections: self.connections, seconds, ..Run::default() };
        warm_up(&world, &service, &run).await?;
        world.operator_takes(self.operator_ms).await?;
        println!(
            "Top-ups on one wallet, operator at {} ms, {} calls to it at a time, {} connections",
            self.operator_ms, self.concurrency, self.connections
        );
        let most = f64::from(self.concurrency) * 1_000.0 / f64::from(self.operator_ms);
        let mut shares = Vec::new();
        let mut rows = Vec::new();
        for round in 1..=rounds {
            let figures = load(&world, service.at, &run).await?;
            rows.push(row(&round.to_string(), &figures, None));
            shares.push(figures.rate() / most);
        }
        print(&HEADER[..5], &rows);
        println!("\nconcurrency ÷ latency: {most:.0}/s");
        goal("share of it", median(shares), "≥", 0.9);
        Ok(())
    }
}

#[derive(Args)]
pub struct Wallets {
    #[command(flatten)]
    rounds: Rounds,
    /// Wallets
    #[arg(long = "wallets", default_value_t = 1_000)]
    count: usize,
    /// Connections of the load
    #[arg(long, default_value_t = 256)]
    connections: u32,
}

impl Wallets {
    pub async fn run(self) -> Result<(), Failed> {
        let Rounds { rounds, seconds } = self.rounds;
        let world = World::new(Engine::Postgres, self.count).await?;
        // Beside another process at work on the database a service remembers no Link.
        world.parts.database.close().await;
        let service = world.serve(Tuning::default()).await?;
        let postmaster = world.postmaster()?;
        let hot = Run { connections: self.connections, seconds, ..Run::default() };
        let many = Run { all_wallets: true, links: 1, ..hot.clone() };
        warm_up(&world, &service, &hot).await?;
        warm_up(&world, &service, &many).await?;
        let wallets = self.count;
        let few = Run { connections: HOT_CONNECTIONS, ..hot.clone() };
        println!("Top-ups over REST, {} connections: {wallets} wallets, and one", self.connections);
        let (mut ratios, mut to_few) = (Vec::new(), Vec::new());
        let mut rows = Vec::new();
        for round in 1..=rounds {
            let (one, cost) = measured(&world, &service, postmaster, &hot).await?;
            rows.push(row(&format!("{round} one wallet"), &one, Some(cost)));
            let (all, cost) = measured(&world, &service, postmaster, &many).await?;
            rows.push(row(&format!("{round} {wallets} wallets"), &all, Some(cost)));
            let (of_few, cost) = measured(&world, &service, postmaster, &few).await?;
            let name = format!("{round} one wallet, {HOT_CONNECTIONS} connections");
            rows.push(row(&name, &of_few, Some(cost)));
            ratios.push(all.rate() / one.rate());
            to_few.push(all.rate() / of_few.rate());
        }
        print(&HEADER, &rows);
        println!();
        goal("many ÷ one", median(ratios), "≥", 0.8);
        let name = format!("many ÷ one over {HOT_CONNECTIONS} connections");
        goal(&name, median(to_few), "≥", 0.8);
        Ok(())
    }
}

#[derive(Args)]
pub struct Sqlite {
    #[command(flatten)]
    rounds: Rounds,
    /// Connections of the load
    #[arg(long, default_value_t = HOT_CONNECTIONS)]
    connections: u32,
}

impl Sqlite {
    pub async fn run(self) -> Result<(), Failed> {
        let Rounds { rounds, seconds } = self.rounds;
        let run = Run { connections: self.connections, seconds, ..Run::default() };
        let (sqlite, postgres) =
            (World::new(Engine::Sqlite, 1).await?, World::new(Engine::Postgres, 1).await?);
        let embedded = sqlite.serve(Tuning::default()).await?;
        let served = postgres.serve(Tuning::default()).await?;
        let postmaster = postgres.postmaster()?;
        warm_up(&sqlite, &embedded, &run).await?;
        warm_up(&postgres, &served, &run).await?;
        println!("Top-ups on one wallet over REST: {} connections", self.connections);
        let mut ratios = Vec::new();
        let mut rows = Vec::new();
        for round in 1..=rounds {
            let (a, cost) = measured(&sqlite, &embedded, None, &run).await?;
            rows.push(row(&format!("{round} SQLite"), &a, Some(cost)));
            let (b, cost) = measured(&postgres, &served, postmaster, &run).await?;
            rows.push(row(&format!("{round} PostgreSQL"), &b, Some(cost)));
            ratios.push(a.rate() / b.rate());
        }
        print(&HEADER, &rows);
        println!();
        goal("SQLite ÷ PostgreSQL", median(ratios), "≥", 0.7);
        Ok(())
    }
}
