//! Runs of the monthly fees beside each other: two processes and a service, over Links of which
//! the wallet pays for some. `BAPPY_FULL=1` makes it ten thousand Links.

use crate::audit::operator;
use crate::fees::leave;
use crate::world::World;
use bappy::store::organizations;
use bappy_actors::model::{Answer, Currency, LinkStatus, PlanId};
use bappy_actors::operation::{Caller, CreateLink};
use futures_util::StreamExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

const PLAN: &str = "meridian-global-1gb-15d";
/// Suspensions that are not over by then never are.
const SUSPENDED_MAX: Duration = Duration::from_mins(5);
/// Calls in flight at a time.
const IN_FLIGHT: usize = 32;

fn links_total() -> usize {
    let is_full = std::env::var_os("BAPPY_FULL").is_some_and(|value| value == "1");
    if is_full { 10_000 } else { 150 }
}

pub async fn runs_at_once_charge_each_link_once(world: World) {
    let total = links_total();
    // Three in five can pay.
    let covered = total * 3 / 5;
    let ample = [
        ("BAPPY_FEES__ENABLED", "false"),
        ("BAPPY_OPERATOR__RATE_PER_SECOND", "5000"),
        ("BAPPY_OPERATOR__CALL_TIMEOUT_MS", "10000"),
        ("BAPPY_OPERATOR__DEADLINE_MS", "18000"),
    ];
    world.org("acme", "USD");
    world.bappy(&["plan", "sync"]).done();
    world.bappy(&["plan", "enable", "--org", "acme", PLAN]).done();
    world.bappy(&["org", "credit", "acme", "1000000"]).done();
    let running = world.serve_with(&ample).await;
    let plans = world.bappy(&["plan", "list", "--org", "acme", "--json"]).json();
    let plan = PlanId(plans[0]["id"].as_str().unwrap().parse().unwrap());
    let db = world.database().await;
    let org = organizations::by_slug(&mut db.read().await.unwrap(), "acme").await;
    let org = org.unwrap().unwrap().id;
    let usd: Currency = "USD".parse().unwrap();
    let started = Instant::now();
    let links: Vec<_> = futures_util::stream::iter(0..total)
        .map(async |_| {
            let caller = Caller { org, currency: usd, key: None };
            let create = CreateLink { plan, name: None, iccid: None };
            let made = running.core().operations.create_link(caller, create).await;
            let Ok(Answer::LinkCreated { snapshot, .. }) = made.result else { panic!("{made:?}") };
            (snapshot.link.id, snapshot.link.endpoint_id)
        })
        .buffer_unordered(IN_FLIGHT)
        .collect()
        .await;
    println!("{total} Links made in {:?}", started.elapsed());
    world.bappy(&["org", "set", "acme", "--price-per-link", "0.50"]).done();
    world.tamper("UPDATE links SET created_at = '2026-01-31T23:59:59.999999Z'").await;
    leave(&world, i64::try_from(covered).unwrap() * 50 + 49);

    let started = Instant::now();
    let month = "2026-02";
    let processes = [(); 2].map(|()| {
        let mut command = world.command(&["fees", "run", "--json", "--month", month]);
        command.env("BAPPY_DATABASE__URL", &world.url);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let fees = &running.core().fees;
    let payer = fees.payers(None, None).await.unwrap()[0];
    let own = fees.charge(payer, month.parse().unwrap(), |_| {}).await.unwrap();
    let (mut charged, mut suspended) = (own.charged, own.suspended);
    let mut shares = vec![(own.charged, own.suspended, own.left)];
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        let acme = &told["organizations"][0];
        let count = |field: &str| acme[field].as_u64().unwrap();
        charged += count("charged");
        suspended += count("suspended");
        shares.push((count("charged"), count("suspended"), count("left")));
    }
    println!("three runs at once: {:?}; charged, suspended, left: {shares:?}", started.elapsed());
    assert_eq!((charged, suspended), (covered as u64, (total - covered) as u64));
    let shown = world.bappy(&["org", "show", "acme", "--json"]).json();
    assert_eq!(shown["balance"], "0.49");

    let started = Instant::now();
    while !world.bappy(&["operations", "list", "--json"]).json().as_array().unwrap().is_empty() {
        assert!(started.elapsed() < SUSPENDED_MAX, "not all are suspended");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("all suspended after {:?}", started.elapsed());
    let mut entries: BTreeMap<String, i64> = BTreeMap::new();
    {
        let mut tx = db.read().await.unwrap();
        let sql = "SELECT CAST(month AS TEXT), COUNT(*), COUNT(entry_id), COUNT(DISTINCT link_id) \
                   FROM link_fees GROUP BY month";
        let rows = all!(tx, (String, i64, i64, i64), sql).unwrap();
        let (all, paid) = (i64::try_from(total).unwrap(), i64::try_from(covered).unwrap());
        assert_eq!(rows, [(month.to_owned(), all, paid, all)]);
        let sql = "SELECT kind, COUNT(*) FROM ledger_entries GROUP BY kind";
        entries.extend(all!(tx, (String, i64), sql).unwrap());
        assert_eq!(entries["link_fee"], paid);
    }
    let mut statuses = BTreeMap::new();
    for (id, endpoint_id) in &links {
        let link = running.core().fees.store.link(org, *id).await.unwrap().unwrap();
        let endpoint = format!("/api/endpoints/{endpoint_id}");
        let there = operator(&world, "GET", &endpoint, &json!({})).await["status"].clone();
        let here = if link.status == LinkStatus::Active { "active" } else { "suspended" };
        assert_eq!(there, here, "{id}");
        *statuses.entry(here).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([("active", covered), ("suspended", total - covered)]));
    running.stop().await;
    db.close().await;
    world.bappy(&["audit"]).done();
}
