//! `bappy load`: drives a deployed service and measures it.

mod print;
mod progress;

use super::output::Format;
use super::{Failed, Outcome, values};
use crate::load::report::{self, Section};
use crate::load::{
    Arrival, Client, Clients, MoneyCheck, Preparation, Scenario, Settings, Summary, Target,
    prepare, run, settle,
};
use bappy_actors::model::Money;
use clap::Args;
use progress::Watch;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::LocalSet;

/// The most connections: what one thread and the usual limit of open files bear.
const CONNECTIONS_MAX: i64 = 10_000;
/// The most Links of an organization that a run makes for itself.
const LINKS_MAX: i64 = 100_000;

/// Drives a service through its API and measures it
///
/// The defaults fit `bappy sandbox` on this machine: start it, then run `bappy load topup`. It logs
/// in, makes the Links that it needs, warms up, measures, and at the end checks that the wallets
/// have lost exactly what the answers say was charged (exit status 1 if not).
///
/// This spends the organizations' money. A run ends early when they cannot pay for another charge;
/// on another machine than this one it asks for a limit, --spend-max. Latencies are those of
/// successes. With --rate they count from when a call was due, so that a stall of the service shows
/// in all the calls that it held up. A service that limits rates (`rate_limit.…` for each
/// organization, `operator.rate_per_second` for what it sends on) is measured with its limits.
#[derive(Args)]
#[command(after_help = "Examples:
  bappy load topup                                        beside `bappy sandbox`
  bappy load mixed --rate 200 --duration 5m --report load.html
  bappy load topup --clients-file clients.txt --links 4   many wallets: a line ID:SECRET each
  bappy load read --url https://api.example.com/bappy --token-file token.txt")]
pub struct Load {
    /// What is called
    scenario: Scenario,
    /// The API's base address, with or without /v1
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080/v1")]
    url: String,
    /// The identity provider's token endpoint
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8082/realms/platform/protocol/openid-connect/token"
    )]
    token_url: String,
    /// A client of it; several share the calls, each with the wallet of its organization
    #[arg(long, value_name = "ID:SECRET", default_value = "acme:acme-secret")]
    client: Vec<Client>,
    /// Clients from a file, a line ID:SECRET each
    #[arg(long, value_name = "FILE", conflicts_with = "client")]
    clients_file: Option<PathBuf>,
    /// A token from a file, instead of a client's; it must outlast the run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client", "clients_file"])]
    token_file: Option<PathBuf>,
    /// Keep-alive connections: each makes the next call when it has the answer to the last
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=CONNECTIONS_MAX))]
    connections: u32,
    /// Makes so many calls a second, whatever happens; --connections bounds those under way
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Drives the service for so long before it measures; at most a tenth of the money is used
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    warm_up: Duration,
    /// Measures for so long: 10s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = positive_duration)]
    duration: Duration,
    /// Ends after so many measured calls
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Links of each organization; what is missing is made, and paid for
    #[arg(long, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=LINKS_MAX))]
    links: u32,
    /// The plan to buy [default: the cheapest that costs anything]
    #[arg(long, value_name = "ID")]
    plan: Option<uuid::Uuid>,
    /// The most that each organization may be charged
    #[arg(long, value_name = "AMOUNT", value_parser = values::positive)]
    spend_max: Option<Money>,
    /// Gives an answer up that takes longer
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = positive_duration)]
    timeout: Duration,
    /// Compares with another service over the same wallets: both in turns, --rounds times
    #[arg(long, value_name = "URL")]
    versus: Option<String>,
    /// Rounds of a comparison
    #[arg(long, value_name = "N", default_value_t = 3, requires = "versus",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Writes a report with plots: one HTML file that needs nothing else
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    format: Format,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    figures: Figures,
    money: MoneyCheck,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Figures {
    Alone(Box<Summary>),
    Compared(Comparison),
}

/// Two services in turns.
#[derive(Serialize)]
struct Comparison {
    rounds: Vec<Round>,
    /// Median over the rounds of the service's rate by that of the other.
    rate_ratio: f64,
    /// Median over the rounds of the service's 99th percentile by that of the other.
    p99_ratio: f64,
}

#[derive(Serialize)]
struct Round {
    service: Summary,
    versus: Summary,
}

impl Load {
    pub(super) async fn run(self) -> Outcome {
        // Connections and what they count live on one thread, and share nothing.
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            LocalSet::new().block_on(&runtime, self.drive())
        })
        .await?
    }

    async fn drive(self) -> Outcome {
        let target = Target::new(&self.url)?;
        let versus = self.versus.as_deref().map(Target::new).transpose()?;
        if self.scenario.charges() && self.spend_max.is_none() && !target.is_local() {
            eprintln!(
                "bappy: {} is not this machine, and `{}` spends its organizations' money: say how \
                 much with --spend-max",
                target.base, self.scenario
            );
            return Ok(ExitCode::from(2));
        }
        // Before the run, which would else be for nothing.
        if let Some(path) = &self.report {
            std::fs::write(path, "").map_err(|error| cannot_write(path, &error))?;
        }
        let watch = Watch::new();
        let what = Preparation {
            target: target.clone(),
            clients: self.clients()?,
            scenario: self.scenario,
            links: self.links as usize,
            plan: self.plan.map(|id| id.to_string()),
            spend_max: self.spend_max,
        };
        let ready = prepare(&what, &|| watch.link_made()).await?;
        let settings = self.settings();
        let figures = match &versus {
            None => {
                let tick = |tick| watch.tick("", &settings, tick);
                Figures::Alone(Box::new(run(&settings, &target, &ready.wallets, &tick).await))
            }
            Some(versus) => {
                let mut rounds = Vec::new();
                for number in 1..=self.rounds {
                    let label = format!("round {number} of {}: ", self.rounds);
                    let tick = |tick| watch.tick(&label, &settings, tick);
                    let service = run(&settings, &target, &ready.wallets, &tick).await;
                    let versus = run(&settings, versus, &ready.wallets, &tick).await;
                    rounds.push(Round { service, versus });
                }
                Figures::Compared(Comparison::of(rounds))
            }
        };
        watch.end();
        let money = settle(&ready.wallets).await?;
        let report = Report { figures, money };
        if let Some(path) = &self.report {
            let html = report.html()?;
            std::fs::write(path, html).map_err(|error| cannot_write(path, &error))?;
        }
        self.format.print(&report, print::report)?;
        Ok(report.verdict())
    }

    fn settings(&self) -> Settings {
        Settings {
            scenario: self.scenario,
            arrival: self.rate.map_or(Arrival::Closed, Arrival::Fixed),
            connections: self.connections as usize,
            warm_up: self.warm_up,
            duration: self.duration,
            requests_max: self.requests,
            timeout: self.timeout,
        }
    }

    fn clients(&self) -> Result<Clients, Failed> {
        if let Some(path) = &self.token_file {
            return Ok(Clients::Token(read(path)?.trim().to_owned()));
        }
        let clients = match &self.clients_file {
            None => self.client.clone(),
            Some(path) => {
                let text = read(path)?;
                let lines = text.lines().map(str::trim).enumerate();
                let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
                let client = |(number, line): (usize, &str)| {
                    let said = |why| format!("{}: line {}: {why}", path.display(), number + 1);
                    line.parse::<Client>().map_err(said)
                };
                lines.map(client).collect::<Result<_, _>>()?
            }
        };
        Ok(Clients::Credentials { token_url: self.token_url.clone(), clients })
    }
}

impl Comparison {
    fn of(rounds: Vec<Round>) -> Self {
        let ratio = |of: fn(&Summary) -> f64| {
            median(rounds.iter().map(|round| of(&round.service) / of(&round.versus)).collect())
        };
        let (rate_ratio, p99_ratio) = (ratio(|s| s.rate), ratio(|s| s.latency_ms.p99));
        Self { rounds, rate_ratio, p99_ratio }
    }
}

impl Report {
    fn summaries(&self) -> Vec<(String, &Summary)> {
        match &self.figures {
            Figures::Alone(summary) => vec![("Figures".to_owned(), &**summary)],
            Figures::Compared(compared) => {
                let numbered = compared.rounds.iter().zip(1..);
                let both = numbered.flat_map(|(round, n): (&Round, u32)| {
                    let (service, versus) = (&round.service, &round.versus);
                    [
                        (format!("Round {n}: {}", service.target), service),
                        (format!("Round {n}: {}", versus.target), versus),
                    ]
                });
                both.collect()
            }
        }
    }

    fn html(&self) -> Result<String, Failed> {
        let summaries = self.summaries().into_iter();
        let sections: Vec<_> =
            summaries.map(|(title, summary)| Section { title, summary }).collect();
        let now = bappy_actors::ports::Clock::now(&crate::environment::SystemClock::default());
        Ok(report::html(&sections, &self.money, &now.format("%Y-%m-%d %H:%M UTC").to_string())?)
    }

    /// Whether it was worth anything, and right.
    fn verdict(&self) -> ExitCode {
        let worked = self.summaries().iter().all(|(_, summary)| summary.ok > 0);
        if worked && self.money.adds_up { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}

fn read(path: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(path).map_err(|error| Failed(format!("{}: {error}", path.display())))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failed {
    Failed(format!("--report {}: {error}", path.display()))
}

/// `10`, `10s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit_s) = match text.char_indices().last() {
        Some((end, 's')) => (&text[..end], 1),
        Some((end, 'm')) => (&text[..end], 60),
        Some((end, 'h')) => (&text[..end], 3600),
        _ => (text, 1),
    };
    let number: u32 =
        number.parse().map_err(|_| format!("`{text}` is no time; write 10s, 5m or 1h"))?;
    Ok(Duration::from_secs(u64::from(number) * unit_s))
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() { Err("the time must be above zero".to_owned()) } else { Ok(duration) }
}
