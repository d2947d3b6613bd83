//! What is in flight, watched or manual.

use crate::audit::Sold;
use crate::world::World;
use serde_json::json;

pub async fn nothing_open_is_said_and_an_unknown_operation_fails(world: World) {
    let list = ["operations", "list"];
    assert!(world.bappy_with(&[], &list).done().contains("Nothing is pending"));
    assert_eq!(world.bappy(&["operations", "list", "--json"]).json(), json!([]));
    let id = "01900000-0000-7000-8000-000000000001";
    world.bappy(&["operations", "resolve", id]).failed(&["there is no operation", id]);
    world.bappy_with(&[], &["operations", "resolve", id]).failed(&["operator.url"]);
}

pub async fn a_watched_operation_is_listed_and_resolved(world: World) {
    let sold = Sold::new(&world).await;
    // The operator holds nothing of it, and the time in which something could appear is over.
    world
        .tamper(
            "UPDATE operations SET cleanup = 'watching',
                 horizon_at = '2020-01-01T00:00:00.000000Z',
                 settled_at = '2020-01-01T00:00:00.000000Z' WHERE state = 'refunded'",
        )
        .await;
    let listed = world.bappy(&["operations", "list", "--org", "acme", "--json"]).json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["open"]), (1, &json!("watched")));
    assert_eq!(listed[0]["organization"], "acme");
    let pending = ["operations", "list", "--state", "pending", "--json"];
    assert_eq!(world.bappy(&pending).json(), json!([]));
    assert_eq!(world.bappy(&["audit", "--json"]).json()["watched"], 1);
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!(id, sold.refunded.to_string());
    let resolved = world.bappy(&["operations", "resolve", id, "--json"]).json();
    assert_eq!((&resolved["state"], &resolved["cleanup"]), (&json!("refunded"), &json!("done")));
    assert_eq!(resolved["open"], json!(null));
    let again = world.bappy(&["operations", "resolve", id]).done();
    assert!(again.contains(id) && again.contains("create_link"), "{again}");
}
