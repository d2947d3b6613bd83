//! More than the operator takes, and an operator that takes nothing: what is accepted is sold,
//! what is not is told so in time, reads go on, and memory does not grow with the crowd outside.

use crate::load::{Call, Client, Load, Told, Wish, links};
use crate::sizes;
use crate::world::{ANSWERED_IN, DEADLINE, Service, World};
use crate::{agreement, figures};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What one call to the operator takes.
const LATENCY: Duration = Duration::from_millis(100);
/// How many times more is asked for than the operator takes.
const EXCESS: usize = 5;
/// What a queue that did not end would take: some kilobytes for each call that waits.
const GROWTH_KB_MAX: u64 = 150_000;

pub async fn of_five_times_what_the_operator_takes_a_fifth_is_sold(world: World) {
    let started = Instant::now();
    let concurrency = sizes::overload_concurrency();
    let at_a_time = concurrency.to_string();
    let service =
        world.serve_with("serve", &[("BAPPY_OPERATOR__CONCURRENCY_MAX", &at_a_time)]).await;
    let links = links(&world, service.at, 8).await;
    let latency = LATENCY.as_millis();
    world.faults(json!({"latency_ms": {"p50": latency, "p99": latency}})).await;
    let capacity = concurrency * 1_000 / usize::try_from(latency).unwrap();
    let calls = topups(&links, capacity * EXCESS * sizes::overload_seconds());
    world.pay_in(world.times(calls.len())).await;
    let before = world.balance().await;

    let load = Load::new(&world, vec![service.at], Client::Trusting, calls.len());
    let watched = Watched::default();
    let (told, reads) = tokio::join!(
        async {
            let told = load.run_at_rate(calls, capacity * EXCESS).await;
            watched.over.store(true, Ordering::Relaxed);
            told
        },
        watched.read(&world, &service, &links[0]),
    );
    for told in &told {
        is_sold_or_refused(told);
        assert!(told.took < ANSWERED_IN, "{told:?}");
    }
    let (sold, refused): (Vec<_>, Vec<_>) = told.iter().partition(|told| told.is_success());
    assert!(!sold.is_empty() && !refused.is_empty());
    // Who is sold to has waited for its turn; who is refused has not.
    let median = |told: &[&Told]| {
        let mut took: Vec<_> = told.iter().map(|told| told.took).collect();
        took.sort_unstable();
        took[took.len() / 2]
    };
    assert!(median(&refused) < median(&sold) / 2, "refused after {:?}", median(&refused));
    reads.are_answered(&format!(
        "overload: the operator takes {capacity}/s, {}/s asked for {}s: {} sold ({}/s, {}), {} \
         refused ({})",
        capacity * EXCESS,
        sizes::overload_seconds(),
        sold.len(),
        sold.len() / sizes::overload_seconds(),
        percentiles(sold.iter().map(|told| told.took)),
        refused.len(),
        percentiles(refused.iter().map(|told| told.took)),
    ));
    let settled = agreement::settled(&world, &told, before).await;
    figures::print(&world, "overload", started, &told, &settled);
}

pub async fn an_operator_that_hangs_is_left_alone(world: World) {
    let started = Instant::now();
    // It stays open: with trials in between, their debits would be among what is counted.
    let open_ms = (sizes::overload_seconds() * 1_000 * 2 + 60_000).to_string();
    let settings = [("BAPPY_OPERATOR__BREAKER__OPEN_MS", &*open_ms)];
    let mut service = world.serve_with("serve", &settings).await;
    let links = links(&world, service.at, 8).await;
    let per_second = sizes::overload_concurrency() * 10;
    let calls = topups(&links, per_second * sizes::overload_seconds());
    world.pay_in(world.times(calls.len() * 2)).await;
    let before = world.balance().await;
    world.faults(json!({"hang_rate": 1})).await;

    // Until the breaker opens, somebody has to wait.
    let load = Load::new(&world, vec![service.at], Client::Trusting, calls.len());
    let first = load.run(topups(&links, 40).into_iter().map(first).collect()).await;
    while !is_open(&world, &service).await {
        assert!(started.elapsed() < Duration::from_mins(1), "the breaker does not open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let debited = debits(&world).await;
    let watched = Watched::default();
    let (told, reads) = tokio::join!(
        async {
            let told = load.run_at_rate(calls, per_second).await;
            watched.over.store(true, Ordering::Relaxed);
            told
        },
        watched.read(&world, &service, &links[0]),
    );
    for told in &told {
        assert_eq!((told.status, &*told.code), (503, "PROVIDER_UNAVAILABLE"), "{told:?}");
        is_sold_or_refused(told);
        assert!(told.took < DEADLINE, "{told:?}");
    }
    assert_eq!(debits(&world).await, debited, "debited while the breaker is open");
    reads.are_answered(&format!(
        "an operator that hangs: the first {} answered in {}; then {}/s for {}s: {} refused ({}), \
         none debited",
        first.len(),
        percentiles(first.iter().map(|told| told.took)),
        per_second,
        sizes::overload_seconds(),
        told.len(),
        percentiles(told.iter().map(|told| told.took)),
    ));
    // A new process has a closed breaker, and what hung took effect: it is undone.
    world.faults(json!({})).await;
    service.terminate().await;
    service.start(&world.client).await;
    let settled = agreement::settled(&world, &[first, told].concat(), before).await;
    println!("all settled {:.1?} after the operator was back", settled.after);
}

fn topups(links: &[String], count: usize) -> Vec<Call> {
    let wish = |n: usize| Wish::Topup(links[n % links.len()].clone(), 1);
    (0..count).map(|n| Call { key: format!("call-{n}"), wish: wish(n) }).collect()
}

fn first(call: Call) -> Call {
    Call { key: format!("first-{}", call.key), ..call }
}

/// Sold; or refused before anything was charged, with the time to come back.
fn is_sold_or_refused(told: &Told) {
    match (told.status, &*told.code) {
        (200, _) => {}
        (503, "PROVIDER_UNAVAILABLE" | "SERVICE_UNAVAILABLE") => {
            assert!(told.operation.is_none(), "{told:?}");
            assert!(told.retry_after.is_some_and(|seconds| seconds >= 1), "{told:?}");
        }
        _ => panic!("{told:?}"),
    }
}

async fn is_open(world: &World, service: &Service) -> bool {
    let url = format!("http://{}/status", service.at);
    let status: Value = world.client.get(url).send().await.unwrap().json().await.unwrap();
    status["data"]["dependencies"]["provider"]["status"] == "down"
}

/// Debits in the ledger.
async fn debits(world: &World) -> i64 {
    let mut tx = world.parts.database.read().await.unwrap();
    let sql = "SELECT COUNT(*) FROM ledger_entries WHERE org_id = $1 AND amount < 0";
    one!(tx, (i64,), sql, world.org.0).unwrap().0
}

/// Reads beside the load, until it is over.
#[derive(Default)]
struct Watched {
    over: AtomicBool,
}

struct Reads {
    took: Vec<Duration>,
    link_took: Vec<Duration>,
    resident_kb: (u64, u64),
}

impl Watched {
    async fn read(&self, world: &World, service: &Service, link: &str) -> Reads {
        let get = async |path: &str| {
            let sent_at = Instant::now();
            let url = format!("http://{}/v1{path}", service.at);
            let answer = world.client.get(url).bearer_auth(world.token()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            answer.bytes().await.unwrap();
            sent_at.elapsed()
        };
        let (mut took, mut link_took) = (Vec::new(), Vec::new());
        // What a busy process needs, which is not growth.
        let warm = Instant::now() + Duration::from_secs(1);
        let mut before = None;
        while !self.over.load(Ordering::Relaxed) {
            for path in ["/organization/balance", "/links?per_page=20", "/transactions"] {
                took.push(get(path).await);
            }
            link_took.push(get(&format!("/links/{link}")).await);
            if Instant::now() > warm {
                before.get_or_insert_with(|| service.process().resident_kb());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let after = service.process().resident_kb();
        Reads { took, link_took, resident_kb: (before.unwrap_or(after), after) }
    }
}

impl Reads {
    /// Prints the figures; fails where reads waited for the operator, or memory grew.
    fn are_answered(&self, what: &str) {
        let (before, after) = self.resident_kb;
        println!(
            "{what}; {} reads ({}), of them the Link, with a look at the operator ({}); memory {} \
             MB, then {} MB",
            self.took.len() + self.link_took.len(),
            percentiles(self.took.iter().copied()),
            percentiles(self.link_took.iter().copied()),
            before / 1_000,
            after / 1_000,
        );
        let slowest = self.took.iter().max().unwrap();
        assert!(*slowest < DEADLINE, "{slowest:?}");
        assert!(after < before + GROWTH_KB_MAX, "{before} kB, {after} kB");
    }
}

fn percentiles(took: impl Iterator<Item = Duration>) -> String {
    let mut took: Vec<_> = took.collect();
    took.sort_unstable();
    let at = |share: usize| took.get((took.len() * share / 100).min(took.len().saturating_sub(1)));
    match (at(50), at(99), took.last()) {
        (Some(half), Some(most), Some(max)) => {
            format!("p50 {half:.1?}, p99 {most:.1?}, max {max:.1?}")
        }
        _ => "none".to_owned(),
    }
}
