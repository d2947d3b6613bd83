//! Stocks of physical cards.

use crate::world::World;
use serde_json::json;

const CARD: &str = "8931440000000000001";
const OTHER: &str = "89314400000000000028";

fn import(world: &World, org: &str, rows: &str) -> crate::world::Ran {
    let file = world.file("sims.csv", rows);
    world.bappy_with(&[], &["sim", "import", "--org", org, &file, "--json"])
}

pub async fn cards_are_imported_and_listed(world: World) {
    world.org("acme", "USD");
    world.bappy(&["plan", "sync"]).done();
    let list = ["sim", "list", "--org", "acme"];
    assert!(world.bappy(&list).done().contains("is empty"));
    let done =
        import(&world, "acme", &format!("sponsor,iccid\nmeridian, {CARD}\nmeridian,{OTHER}\n"));
    assert_eq!(done.json()["imported"], 2);
    world.tamper("UPDATE sims SET state = 'used' WHERE iccid = '8931440000000000001'").await;
    assert_eq!(
        world.bappy(&[&list[..], &["--json"]].concat()).json(),
        json!([
            {"iccid": CARD, "sponsor": "meridian", "state": "used"},
            {"iccid": OTHER, "sponsor": "meridian", "state": "free"},
        ])
    );
    assert!(world.bappy(&list).done().contains("meridian  used"));
}

pub async fn a_bad_or_known_card_names_its_line_and_field_and_nothing_is_imported(world: World) {
    world.org("acme", "USD");
    world.org("other", "USD");
    world.bappy(&["plan", "sync"]).done();
    import(&world, "other", &format!("iccid,sponsor\n{OTHER},meridian\n")).done();
    for (row, words) in [
        ("123,meridian", ["`iccid`", "19 or 20 digits"]),
        ("893144000000000000x,meridian", ["`iccid`", "19 or 20 digits"]),
        ("8931440000000000002,", ["`sponsor`", "empty"]),
        ("8931440000000000002,nobody", ["`sponsor`", "`nobody`"]),
        ("8931440000000000001,meridian", ["`iccid`", "also on line 2"]),
        ("89314400000000000028,meridian", ["`iccid`", "stock of other"]),
    ] {
        let rows = format!("iccid,sponsor\n{CARD},meridian\n{row}\n");
        import(&world, "acme", &rows).failed(&[&["line 3"][..], &words[..]].concat());
    }
    world.tamper("UPDATE sims SET org_id = NULL").await;
    let pooled = format!("iccid,sponsor\n{CARD},meridian\n{OTHER},meridian\n");
    import(&world, "acme", &pooled).failed(&["line 3", "`iccid`", "pool"]);
    import(&world, "acme", "iccid\n").failed(&["line 1", "`sponsor`"]);
    import(&world, "acme", "iccid,sponsor\n").failed(&["no cards"]);
    assert_eq!(world.bappy(&["sim", "list", "--org", "acme", "--json"]).json(), json!([]));
}
