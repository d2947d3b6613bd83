//! The chaos run: two services on one PostgreSQL, killed, stopped and cut off at random, an
//! operator that fails in all its ways and is killed too, clients that hang up; and a reader that
//! holds the wallet against its ledger all the while. In the end everything agrees, to the unit.
//!
//! `tests/chaos/run --kills 500 --operations 100000 --seed 7`. The seed decides what is done when,
//! counted in answered calls; not in which microsecond it meets what is under way.

mod blows;
mod lanes;
mod random;
mod reader;
mod report;
mod wire;

use crate::load::{Load, links};
use crate::world::World;
use crate::{agreement, changes, sms};
use bappy_actors::model::Money;
use blows::Tally;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wire::Wire;

/// Links that all clients top up, beside their own.
const SHARED_LINKS: usize = 16;
const PROGRESS: Duration = Duration::from_secs(30);
/// A third of what a token lasts.
const TOKEN: Duration = Duration::from_mins(20);

/// How much of it.
pub struct Parameters {
    pub seed: u64,
    pub kills: usize,
    pub operations: usize,
    /// Clients at a time.
    pub lanes: usize,
}

impl Parameters {
    fn from_environment() -> Self {
        let number = |name: &str, default: usize| {
            let text = std::env::var(format!("BAPPY_CHAOS_{name}"));
            text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
        };
        Self {
            seed: number("SEED", 1) as u64,
            kills: number("KILLS", 500),
            operations: number("OPERATIONS", 100_000),
            lanes: number("CLIENTS", 96),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes an hour at its full size: tests/chaos/run"]
async fn everything_agrees_after_chaos() {
    let parameters = Parameters::from_environment();
    println!(
        "chaos: {} kills, {} operations, {} clients, seed {}",
        parameters.kills, parameters.operations, parameters.lanes, parameters.seed
    );
    let world = World::postgres().await.expect("PostgreSQL is not installed");
    run(world, parameters).await;
}

async fn run(mut world: World, parameters: Parameters) {
    let started = Instant::now();
    let (server, wires) = wires(&world).await;
    let mut services = Vec::new();
    for (place, wire) in wires.iter().enumerate() {
        let mut service = world.service(&format!("serve-{place}"), &world.operator_url);
        let through = world.database_url.replace(&server, &wire.at.to_string());
        service.set("BAPPY_DATABASE__URL", &through);
        // A line for each of some hundred thousand requests would bury the others.
        service.set("BAPPY_LOG__LEVEL", "info,bappy::http::edge=warn");
        service.start(&world.client).await;
        services.push(service);
    }
    let at: Vec<_> = services.iter().map(|service| service.at).collect();
    let links = links(&world, at[0], parameters.lanes + SHARED_LINKS).await;
    world.pay_in("100000000".parse().unwrap()).await;
    let before = world.balance().await;
    let operator = world.take_operator();
    let (load, tally, over) =
        (lanes::load(&world, &at, parameters.lanes), Tally::default(), AtomicBool::new(false));
    let (first, second) = services.split_at_mut(1);
    let struck = async {
        let blows = tokio::join!(
            blows::on_service(0, &mut first[0], &world, &load, &parameters, &tally),
            blows::on_service(1, &mut second[0], &world, &load, &parameters, &tally),
            blows::on_the_rest(&wires, operator, &world, &load, &parameters, &tally),
        );
        blows.2
    };
    let played = async {
        let played = tokio::join!(lanes::run(&at, &links, &load, &parameters), struck,);
        over.store(true, Ordering::Relaxed);
        played
    };
    let ((answers, operator), readings, ()) = tokio::join!(
        played,
        reader::run(&world, &at, &over),
        progress(&world, &load, &parameters, &tally, &over, started),
    );
    let played_in = started.elapsed();
    let settled = settle(&world, &answers, before).await;
    let cancels: usize = wires.iter().map(Wire::cancels).sum();
    assert_eq!(cancels, 0, "PostgreSQL was asked to cancel something");
    report::print(&world, &parameters, &tally, &answers, &settled, &readings, &wires, played_in);
    drop(operator);
}

/// The way of each service to the database, and where that is.
async fn wires(world: &World) -> (String, Vec<Wire>) {
    let (_, rest) = world.database_url.rsplit_once('@').unwrap();
    let (server, _) = rest.split_once('/').unwrap();
    let at = server.parse().unwrap();
    (server.to_owned(), vec![Wire::to(at).await, Wire::to(at).await])
}

/// What is left when all has come to rest.
pub struct Settled {
    pub operations: Vec<agreement::Operation>,
    pub effects: usize,
    pub after: Duration,
    pub messages: std::collections::BTreeMap<String, usize>,
    pub balance: Money,
}

/// Everybody agrees: the database with itself and with the operator, and both with what clients
/// were told.
async fn settle(world: &World, answers: &lanes::Answers, before: Money) -> Settled {
    world.faults(serde_json::json!({})).await;
    let after = agreement::drained(world).await;
    while sms::rows_with(world, "sent").await > 0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    changes::agree(world).await;
    let messages = sms::agree(world).await;
    let charged: Vec<_> = answers
        .told
        .iter()
        .filter(|(asked, told)| {
            asked.is_charged() || (told.is_success() && *asked != lanes::Asked::Sms)
        })
        .map(|(_, told)| told.clone())
        .collect();
    let known = |id: &Option<String>| id.as_ref().is_some_and(|id| messages.known.contains(id));
    let unknown = answers.told.iter().find(|(asked, told)| {
        *asked == lanes::Asked::Sms && told.is_success() && !known(&told.operation)
    });
    assert!(unknown.is_none(), "told of a message that is not there: {unknown:?}");
    let before = before.checked_sub(messages.charged).unwrap();
    let settled = agreement::settled(world, &charged, before).await;
    Settled {
        operations: settled.operations,
        effects: settled.journal.len(),
        after: after + settled.after,
        messages: messages.ends,
        balance: settled.balance,
    }
}

async fn progress(
    world: &World,
    load: &Load<'_>,
    parameters: &Parameters,
    tally: &Tally,
    over: &AtomicBool,
    started: Instant,
) {
    let (mut told, mut renewed) = (Instant::now(), Instant::now());
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if renewed.elapsed() > TOKEN {
            renewed = Instant::now();
            world.renew_token().await;
        }
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            println!(
                "{:>5.0?}: {} of {} calls answered, {} of {} kills",
                started.elapsed(),
                load.answered(),
                parameters.operations,
                tally.of("kills"),
                parameters.kills
            );
        }
    }
}
