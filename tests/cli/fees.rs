//! `bappy fees run`, and the service that does it by itself.

use crate::audit::{Sold, operator};
use crate::world::World;
use serde_json::{Value, json};
use std::time::Duration;

/// As if the Links had been made long ago.
const LONG_AGO: &str = "UPDATE links SET created_at = '2026-01-31T23:59:59.999999Z'";

fn run(world: &World, args: &[&str]) -> Value {
    world.bappy(&[&["fees", "run", "--json"], args].concat()).json()
}

fn balance(world: &World) -> String {
    let shown = world.bappy(&["org", "show", "acme", "--json"]).json();
    shown["balance"].as_str().unwrap().to_owned()
}

/// Takes all but this out of the wallet.
pub fn leave(world: &World, cents: i64) {
    let balance: f64 = balance(world).parse().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "a test's amounts are small")]
    let change = cents - (balance * 100.0).round() as i64;
    if change != 0 {
        let sign = if change < 0 { "-" } else { "" };
        let amount = format!("{sign}{}.{:02}", change.abs() / 100, change.abs() % 100);
        world.bappy(&["org", "adjust", "acme", &amount, "--reason", "test"]).done();
    }
}

async fn endpoint(world: &World, sold: &Sold) -> Value {
    operator(world, "GET", &format!("/api/endpoints/{}", sold.endpoint_id), &json!({})).await
}

/// Waits until the operator has suspended the Link.
async fn is_suspended(world: &World, sold: &Sold) {
    let wait = async {
        while endpoint(world, sold).await["status"] != "suspended" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap();
}

pub async fn a_run_charges_each_link_once_and_a_dry_run_nothing(world: World) {
    let sold = Sold::new(&world).await;
    world.bappy(&["org", "set", "acme", "--price-per-link", "0"]).done();
    let nothing = run(&world, &[]);
    assert_eq!(nothing["organizations"], json!([]), "a price of nothing charges nothing");
    world.bappy(&["org", "set", "acme", "--price-per-link", "0.50"]).done();
    world.tamper(LONG_AGO).await;
    leave(&world, 160);

    let january = run(&world, &["--month", "2026-01"]);
    assert_eq!(january["organizations"][0]["charged"], 0, "the month of its creation is free");
    let month = ["--month", "2026-02"];
    let told = run(&world, &[&month[..], &["--dry-run"]].concat());
    assert_eq!((&told["dry_run"], &told["month"]), (&json!(true), &json!("2026-02")));
    assert_eq!(balance(&world), "1.60");
    let done = run(&world, &month);
    assert_eq!(done["organizations"], told["organizations"]);
    let acme = &done["organizations"][0];
    assert_eq!((&acme["organization"], &acme["currency"]), (&json!("acme"), &json!("USD")));
    assert_eq!((&acme["charged"], &acme["amount"]), (&json!(1), &json!("0.50")));
    assert_eq!(balance(&world), "1.10");
    let again = run(&world, &month);
    let acme = &again["organizations"][0];
    assert_eq!((&acme["charged"], &acme["already"]), (&json!(0), &json!(1)));
    assert_eq!(balance(&world), "1.10");
    let text = world.bappy(&["fees", "run", "--month", "2026-03"]).done();
    assert!(text.contains("acme") && text.contains("0.50"), "{text}");
    assert_eq!(balance(&world), "0.60");
    // The current one, without an operator configured: the service suspends.
    leave(&world, 49);
    let last = world.bappy_with(&[], &["fees", "run", "--json"]).json();
    assert_eq!(last["organizations"][0]["suspended"], 1);
    assert_eq!(endpoint(&world, &sold).await["status"], "active");
    let running = world.serve().await;
    is_suspended(&world, &sold).await;
    running.stop().await;
    assert_eq!(balance(&world), "0.49");
    world.bappy(&["audit"]).done();

    world.bappy(&["fees", "run", "--month", "2999-01"]).failed(&["2999-01", "not begun"]);
    for month in ["2026", "2026-13", "12-2026", "x"] {
        assert_eq!(world.bappy(&["fees", "run", "--month", month]).code, 2, "{month}");
    }
}

pub async fn the_service_charges_the_current_month_by_itself(world: World) {
    let sold = Sold::new(&world).await;
    world.bappy(&["org", "set", "acme", "--price-per-link", "0.50"]).done();
    world.tamper(LONG_AGO).await;
    leave(&world, 100);
    let off = world.serve_with(&[("BAPPY_FEES__ENABLED", "false")]).await;
    let fees = &off.core().fees;
    let (one, two) = ("2026-02".parse().unwrap(), "2026-03".parse().unwrap());
    let monthly = bappy_actors::billing::MonthlyFees::new(fees.clone());
    assert_eq!(monthly.catch_up(one).await.unwrap(), 1);
    assert_eq!(balance(&world), "0.50");
    assert_eq!(monthly.catch_up(one).await.unwrap(), 0, "the month is complete");
    assert_eq!(monthly.catch_up(two).await.unwrap(), 1);
    assert_eq!(balance(&world), "0.00");
    off.stop().await;
    // One that starts late catches up: this month's fee is not covered any more. The service that
    // made the Link has looked at the month before, when it was new.
    world.tamper("DELETE FROM fee_runs").await;
    let on = world.serve().await;
    is_suspended(&world, &sold).await;
    on.stop().await;
    world.bappy(&["audit"]).done();
}

pub async fn an_organization_that_cannot_be_charged_keeps_no_other_from_it(world: World) {
    Sold::new(&world).await;
    world.org("later", "USD");
    for slug in ["acme", "later"] {
        world.bappy(&["org", "set", slug, "--price-per-link", "0.50"]).done();
    }
    world
        .tamper(
            "INSERT INTO link_fees (org_id, link_id, month, state, amount, created_at)
             SELECT org_id, id, '2026-xx', 'due', 1, created_at FROM links",
        )
        .await;
    let off = world.serve_with(&[("BAPPY_FEES__ENABLED", "false")]).await;
    let monthly = bappy_actors::billing::MonthlyFees::new(off.core().fees.clone());
    let month = "2026-02".parse().unwrap();
    monthly.catch_up(month).await.unwrap_err();
    let left = off.core().fees.payers(Some(month), None).await.unwrap();
    assert_eq!(left.len(), 1, "that of the other is complete");
    off.stop().await;
}

pub async fn what_breaks_the_rules_of_fees_is_found(world: World) {
    Sold::new(&world).await;
    world.bappy(&["org", "set", "acme", "--price-per-link", "0.50"]).done();
    world.tamper(LONG_AGO).await;
    run(&world, &["--month", "2026-02"]);
    world.bappy(&["audit"]).done();
    let rules = |world: &World| {
        let found = world.bappy(&["audit", "--json"]);
        assert_eq!(found.code, 1, "{found:?}");
        let found: Value = serde_json::from_str(&found.out).unwrap();
        let rules = found["violations"].as_array().unwrap().iter();
        rules.map(|v| v["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // An entry without its row, a row of another amount, a month charged twice.
    world.tamper("UPDATE link_fees SET month = '2026-03', amount = 1").await;
    assert_eq!(rules(&world), ["link_fee"]);
    world.tamper("UPDATE link_fees SET amount = 500000").await;
    world.bappy(&["audit"]).done();
    world.tamper("INSERT INTO link_fees SELECT org_id, link_id, month, 'paid', amount, entry_id, created_at FROM link_fees").await;
    let found = rules(&world);
    assert!(found.contains(&"fee_of_a_month".to_owned()), "{found:?}");
    world.tamper("DELETE FROM link_fees").await;
    assert_eq!(rules(&world), ["link_fee"]);
}
