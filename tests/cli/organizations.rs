//! Tenants and their wallets.

use crate::world::World;
use serde_json::json;

pub async fn an_organization_is_made_listed_and_shown(world: World) {
    let made = world
        .bappy(&[
            "org",
            "create",
            "acme",
            "--name",
            "Acme Travel",
            "--currency",
            "USD",
            "--price-per-sms",
            "0.035",
            "--client-id",
            "one",
            "--client-id",
            "two",
            "--json",
        ])
        .json();
    assert_eq!(made["slug"], "acme");
    world.bappy(&["org", "create", "globex", "--name", "Globex", "--currency", "EUR"]).done();
    let shown = world.bappy_with(&[], &["org", "show", "acme", "--json"]).json();
    assert_eq!(shown, made);
    assert_eq!(shown["balance"], "0.00");
    assert_eq!(
        (&shown["price_per_sms"], &shown["price_per_link"]),
        (&json!("0.035"), &json!("0.50"))
    );
    assert_eq!(shown["clients"], json!(["one", "two"]));
    let listed = world.bappy(&["org", "list", "--json"]).json();
    let slugs: Vec<_> = listed.as_array().unwrap().iter().map(|org| &org["slug"]).collect();
    assert_eq!(slugs, ["acme", "globex"]);
    let table = world.bappy(&["org", "list"]).done();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("SLUG") && lines[1].starts_with("acme    Acme Travel  active"));
    assert!(world.bappy(&["org", "show", "acme"]).done().contains("Balance         0.00 USD"));
}

pub async fn what_is_taken_or_unknown_is_said_in_one_sentence(world: World) {
    world.org("acme", "USD");
    let again = ["org", "create", "acme", "--name", "A", "--currency", "USD"];
    world.bappy(&again).failed(&["`acme` is taken"]);
    world
        .bappy(&["org", "create", "A!", "--name", "A", "--currency", "USD"])
        .failed(&["`A!` is not a slug"]);
    for args in [
        &["org", "show", "nobody"][..],
        &["org", "credit", "nobody", "1"],
        &["org", "suspend", "nobody"],
        &["org", "set", "nobody", "--name", "N"],
        &["org", "add-client", "nobody", "c"],
        &["plan", "list", "--org", "nobody"],
        &["sim", "list", "--org", "nobody"],
        &["operations", "list", "--org", "nobody"],
        &["audit", "--org", "nobody"],
    ] {
        world.bappy(args).failed(&["there is no organization `nobody`"]);
    }
    let wrong = [("BAPPY_DATABASE__URL", "mysql://x")];
    world.bappy_with(&wrong, &["org", "list"]).failed(&["database"]);
}

pub async fn a_credit_reference_pays_in_once(world: World) {
    world.org("acme", "USD");
    world.org("other", "USD");
    let credit = ["org", "credit", "acme", "100.5", "--reference", "INV-1", "--json"];
    let paid = world.bappy(&credit).json();
    assert_eq!((&paid["balance"], &paid["reference"]), (&json!("100.50"), &json!("INV-1")));
    world.bappy(&credit).failed(&["`INV-1`", "was used", "acme"]);
    let elsewhere = ["org", "credit", "other", "1", "--reference", "INV-1"];
    assert!(world.bappy(&elsewhere).done().contains("other has 1.00 USD"));
    world.bappy(&["org", "credit", "acme", "0.25"]).done();
    world.bappy(&["org", "credit", "acme", "0.25"]).done();
    assert_eq!(world.bappy(&["org", "show", "acme", "--json"]).json()["balance"], "101.00");
}

pub async fn an_adjustment_may_be_negative_and_never_overdraws(world: World) {
    world.org("acme", "USD");
    world.bappy(&["org", "credit", "acme", "50"]).done();
    let adjusted =
        world.bappy(&["org", "adjust", "acme", "-43.75", "--reason", "goodwill", "--json"]).json();
    assert_eq!((&adjusted["amount"], &adjusted["balance"]), (&json!("-43.75"), &json!("6.25")));
    assert_eq!(adjusted["description"], "Adjustment: goodwill");
    world
        .bappy(&["org", "adjust", "acme", "-6.26", "--reason", "too much"])
        .failed(&["6.25", "does not cover 6.26"]);
    world.bappy(&["org", "adjust", "acme", "+1", "--reason", "back"]).done();
    world.bappy(&["org", "adjust", "acme", "-7.25", "--reason", "all of it"]).done();
    assert_eq!(world.bappy(&["org", "show", "acme", "--json"]).json()["balance"], "0.00");
}

pub async fn status_prices_and_clients_can_be_changed(world: World) {
    world.org("acme", "USD");
    world.org("other", "USD");
    let suspended = world.bappy(&["org", "suspend", "acme", "--json"]).json();
    assert_eq!(suspended["status"], "suspended");
    assert!(world.bappy(&["org", "activate", "acme"]).done().contains("acme is active"));
    let set = ["org", "set", "acme", "--name", "New", "--price-per-link", "0.75", "--json"];
    let set = world.bappy(&set).json();
    assert_eq!((&set["name"], &set["price_per_link"]), (&json!("New"), &json!("0.75")));
    assert_eq!(set["price_per_sms"], "0.05");
    for _ in 0..2 {
        let added = world.bappy(&["org", "add-client", "acme", "c-1", "--json"]).json();
        assert_eq!(added["clients"], json!(["c-1"]));
    }
    world.bappy(&["org", "add-client", "other", "c-1"]).failed(&["`c-1`", "`acme`"]);
}

pub async fn credits_of_many_processes_at_once_all_count(world: World) {
    world.org("acme", "USD");
    let running = world.serve().await;
    let one = || {
        let mut command = world.command(&["org", "credit", "acme", "1.25"]);
        command.env("BAPPY_DATABASE__URL", &world.url).stdout(std::process::Stdio::null());
        command.spawn().unwrap()
    };
    let mut children: Vec<_> = (0..6).map(|_| one()).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(world.bappy(&["org", "show", "acme", "--json"]).json()["balance"], "7.50");
    assert_eq!(world.bappy(&["audit", "--json"]).json()["clean"], true);
    running.stop().await;
}
