//! The catalogue and its prices.

use crate::world::World;
use serde_json::{Value, json};

const PLAN: &str = "meridian-global-1gb-15d";
const OTHER: &str = "meridian-global-5gb-30d";

const HEADER: &str = "plan_id,name,data_mb,validity_days,wholesale_price,currency,sponsor_id,\
                      coverage_type,coverage,region";

fn plan(world: &World, org: Option<&str>, plan: &str) -> Value {
    let args =
        ["plan", "list", "--json"].into_iter().chain(org.into_iter().flat_map(|o| ["--org", o]));
    let plans = world.bappy(&args.collect::<Vec<_>>()).json();
    let found = plans.as_array().unwrap().iter().find(|p| p["operator_plan_id"] == plan);
    found.cloned().unwrap_or_default()
}

/// Cents of an amount such as `12.34`.
fn cents(amount: &Value) -> i64 {
    amount.as_str().unwrap().replace('.', "").parse().unwrap()
}

pub async fn prices_follow_the_catalogue_unless_set_by_hand(world: World) {
    world.org("acme", "USD");
    world.bappy_with(&[], &["plan", "sync"]).failed(&["operator.url", "operator.password"]);
    let synced = world.bappy(&["plan", "sync", "--json"]).json();
    assert!(synced["added"].as_u64().unwrap() >= 200 && synced["markup_percent"].is_null());
    let wholesale = cents(&plan(&world, None, PLAN)["price"]);
    let priced = |plan_id: &str| plan(&world, Some("acme"), plan_id)["price"].clone();
    let with = |percent: i64| (wholesale * (100 + percent) * 2 + 100) / 200;

    let id = plan(&world, None, OTHER)["id"].as_str().unwrap().to_owned();
    let enabled = ["plan", "enable", "--org", "acme", PLAN, &id, "--json"];
    assert_eq!(world.bappy(&enabled).json()["enabled"], 2);
    assert_eq!(cents(&priced(PLAN)), wholesale);

    let marked = world.bappy(&["plan", "sync", "--markup", "25", "--json"]).json();
    assert_eq!((&marked["repriced"], &marked["markup_percent"]), (&json!(2), &json!("25")));
    assert_eq!(cents(&priced(PLAN)), with(25));
    let hand = world.bappy(&["plan", "price", "--org", "acme", OTHER, "99.9", "--json"]).json();
    assert_eq!((&hand["price"], &hand["enabled"]), (&json!("99.90"), &json!(true)));
    assert_eq!(plan(&world, Some("acme"), OTHER)["priced_by_hand"], true);

    // Without a markup, what was set before stays in force; by hand stays by hand.
    assert_eq!(world.bappy(&["plan", "sync", "--json"]).json()["repriced"], 0);
    world.bappy(&["plan", "enable", "--org", "acme", "--all"]).done();
    assert_eq!((cents(&priced(PLAN)), &priced(OTHER)), (with(25), &json!("99.90")));
    // An organization's own markup, until the catalogue gets another.
    world.bappy(&["plan", "enable", "--org", "acme", PLAN, "--markup", "-10"]).done();
    world.bappy(&["plan", "sync"]).done();
    assert_eq!(cents(&priced(PLAN)), with(-10));
    world.bappy(&["plan", "sync", "--markup", "7.5"]).done();
    assert_eq!(cents(&priced(PLAN)), (wholesale * 1075 * 2 + 1000) / 2000);
    assert_eq!(priced(OTHER), "99.90");
    world.bappy(&["plan", "enable", "--org", "acme", OTHER, "--markup", "0"]).done();
    assert_eq!(plan(&world, Some("acme"), OTHER)["priced_by_hand"], false);

    let disabled = ["plan", "disable", "--org", "acme", PLAN, "--json"];
    assert_eq!(world.bappy(&disabled).json()["disabled"], 1);
    assert_eq!(plan(&world, Some("acme"), PLAN)["enabled"], false);
    assert!(
        world.bappy(&["plan", "disable", "--org", "acme", "--all"]).done().contains("disabled")
    );
    let table = world.bappy(&["plan", "list", "--org", "acme"]).done();
    assert!(table.starts_with("PLAN") && table.contains("1 GB") && table.contains("disabled"));
}

pub async fn a_plan_of_another_currency_needs_a_rate_which_stays_in_force(world: World) {
    world.org("globex", "EUR");
    world.bappy(&["plan", "sync"]).done();
    let enable = ["plan", "enable", "--org", "globex", PLAN];
    world.bappy(&enable).failed(&[PLAN, "USD", "EUR", "--rate EUR="]);
    let wholesale = cents(&plan(&world, None, PLAN)["price"]);
    let priced = || cents(&plan(&world, Some("globex"), PLAN)["price"]);
    world.bappy(&[&enable[..], &["--rate", "GBP=0.8"]].concat()).failed(&["GBP", "globex", "EUR"]);
    world.bappy(&[&enable[..], &["--rate", "EUR=0.50"]].concat()).done();
    assert_eq!(priced(), (wholesale + 1) / 2);
    // What was given to `enable` holds for a sync without one, until the sync has its own.
    assert_eq!(world.bappy(&["plan", "sync", "--json"]).json()["repriced"], 0);
    let synced = world.bappy(&["plan", "sync", "--rate", "EUR=2", "--json"]).json();
    let rates = json!([{"wholesale_currency": "USD", "wallet_currency": "EUR", "rate": "2"}]);
    assert_eq!((&synced["repriced"], &synced["rates"]), (&json!(1), &rates));
    assert_eq!(priced(), wholesale * 2);
    world.bappy(&["plan", "sync"]).done();
    world.bappy(&["plan", "enable", "--org", "globex", OTHER]).done();
    assert_eq!(priced(), wholesale * 2);
    world.bappy(&["plan", "sync", "--rate", "USD=2"]).failed(&["USD", "nothing was changed"]);
}

pub async fn plans_are_imported_from_csv_and_json(world: World) {
    world.org("acme", "USD");
    let rows = format!(
        "{HEADER}\n\
         a-1,Alpha 1 GB,1000,30,4.50,USD,alpha,regional,DE FR,EU\n\
         a-2,\"Alpha, all\",0.5,7,1,USD,alpha,global,\"[{{\"\"country\"\":\"\"DE\"\",\"\"networks\"\":[]}}]\",\n"
    );
    let csv = world.file("plans.csv", &rows);
    let taken = world.bappy_with(&[], &["plan", "import", &csv, "--json"]).json();
    assert_eq!((&taken["added"], &taken["withdrawn"]), (&json!(2), &json!(0)));
    let imported = plan(&world, None, "a-1");
    assert_eq!((&imported["price"], &imported["data_mb"]), (&json!("4.50"), &json!(1000)));
    assert_eq!((&imported["countries"], &imported["region"]), (&json!(["DE", "FR"]), &json!("EU")));
    assert_eq!(plan(&world, None, "a-2")["data_mb"], json!(0.5));

    world.bappy(&["plan", "enable", "--org", "acme", "a-1", "--markup", "10"]).done();
    let item = json!({
        "plan_id": "a-1", "name": "Alpha 1 GB", "data_mb": 1000, "validity_days": 30,
        "wholesale_price": 5, "currency": "USD", "sponsor": {"id": "alpha", "name": "Alpha"},
        "coverage_type": "regional", "region": "EU",
        "coverage": [{"country": "DE", "networks":
            [{"name": "T", "mcc": "262", "mnc": "01", "technologies": ["4G"]}]}],
    });
    for document in [json!([item]), json!({"items": [item], "total": 1})] {
        let file = world.file("plans.json", &document.to_string());
        world.bappy_with(&[], &["plan", "import", &file]).done();
        assert_eq!(plan(&world, Some("acme"), "a-1")["price"], "5.50");
    }
}

pub async fn a_bad_row_names_its_line_and_field_and_nothing_is_imported(world: World) {
    let good = "ok,Ok,1,1,1,USD,alpha,global,DE,";
    let bad = |row: &str| format!("{HEADER}\n{good}\n{row}\n");
    for (row, field) in [
        ("x,X,none,1,1,USD,alpha,global,DE,", "data_mb"),
        ("x,X,0.0001,1,1,USD,alpha,global,DE,", "data_mb"),
        ("x,X,1,0,1,USD,alpha,global,DE,", "validity_days"),
        ("x,X,1,1,-1,USD,alpha,global,DE,", "wholesale_price"),
        ("x,X,1,1,1,Euro,alpha,global,DE,", "currency"),
        ("x,X,1,1,1,USD,,global,DE,", "sponsor_id"),
        ("x,X,1,1,1,USD,alpha,world,DE,", "coverage_type"),
        ("x,X,1,1,1,USD,alpha,global,Germany,", "coverage"),
        ("x,X,1,1,1,USD,alpha,regional,DE,XX", "region"),
        (",X,1,1,1,USD,alpha,global,DE,", "plan_id"),
        ("ok,Again,1,1,1,USD,alpha,global,DE,", "plan_id"),
    ] {
        let file = world.file("bad.csv", &bad(row));
        let field = format!("`{field}`");
        world.bappy(&["plan", "import", &file]).failed(&["line 3", &field, "nothing was imported"]);
    }
    let short = world.file("short.csv", &bad("x,X"));
    world.bappy(&["plan", "import", &short]).failed(&["line 3", "2 fields"]);
    let odd = world.file("odd.csv", "plan_id,colour\n");
    world.bappy(&["plan", "import", &odd]).failed(&["line 1", "`colour`"]);

    let text = |price: &str| {
        format!(
            "[\n{{\"plan_id\":\"ok\",\"name\":\"Ok\",\"data_mb\":1,\"validity_days\":1,\n\
             {price}\"currency\":\"USD\",\"sponsor\":{{\"id\":\"alpha\"}},\n\
             \"coverage_type\":\"global\",\"coverage\":[{{\"country\":\"DE\"}}]}}\n]"
        )
    };
    for (price, words) in [
        ("", ["line 2", "`wholesale_price`"]),
        ("\"wholesale_price\":true,", ["line 3", "`wholesale_price`"]),
        ("\"wholesale_price\":\"x\",", ["line 2", "`wholesale_price`"]),
    ] {
        let file = world.file("bad.json", &text(price));
        let ran = world.bappy(&["plan", "import", &file]);
        // serde tells a field that is missing at the end of its object.
        let words = if price.is_empty() { &words[1..] } else { &words[..] };
        ran.failed(words);
    }
    let broken = world.file("broken.json", "{");
    world.bappy(&["plan", "import", &broken]).failed(&["not a list of plans"]);
    world.bappy(&["plan", "import", "none.csv"]).failed(&["none.csv cannot be read"]);
    let other = world.file("plans.txt", "");
    world.bappy(&["plan", "import", &other]).failed(&[".csv or .json"]);
    assert_eq!(world.bappy(&["plan", "list", "--json"]).json(), json!([]));
}

pub async fn what_is_withdrawn_or_unknown_is_not_enabled(world: World) {
    world.org("acme", "USD");
    world.bappy(&["plan", "enable", "--org", "acme", "none"]).failed(&["there is no plan `none`"]);
    let file = world.file("p.csv", &format!("{HEADER}\nold,Old,1,1,1,USD,alpha,global,DE,\n"));
    world.bappy(&["plan", "import", &file]).done();
    world.bappy(&["plan", "sync"]).done();
    assert_eq!(plan(&world, None, "old")["offered"], false);
    let both = ["plan", "enable", "--org", "acme", PLAN, "old"];
    world.bappy(&both).failed(&["`old` is not offered"]);
    assert_eq!(world.bappy(&["plan", "list", "--org", "acme", "--json"]).json(), json!([]));
    world.bappy(&["plan", "price", "--org", "acme", "none", "1"]).failed(&["no plan `none`"]);
}
